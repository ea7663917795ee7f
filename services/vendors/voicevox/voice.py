"""What `voices.voicevox` of a character may hold."""

import msgspec

from services.engine_voices import Factor, PerEmotion, Pitch, Speed, Text


class VoicevoxStyle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a voice sounds in one emotion; what is left out is as without it."""

    speaker: int | Text | None = None
    style: Text | None = None
    speed: Speed | None = None
    pitch: Pitch | None = None
    volume: Factor | None = None
    intonation: Factor | None = None


class VoicevoxVoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`speaker`: the id of a style, or the name of a speaker, whose `style` then has a name, too. In `emotions` an id
    alone, or the name of a style of the same speaker, is enough."""

    speaker: int | Text | None = None
    style: Text | None = None
    speed: Speed = 1.0
    pitch: Pitch = 0.0
    volume: Factor = 1.0
    intonation: Factor | None = None
    emotions: PerEmotion[int | Text | VoicevoxStyle] = PerEmotion()
