"""What `voices.gpt_sovits` of a character may hold. A recording is a path on the server's disk, not on ours."""

from typing import Literal

import msgspec

from services.engine_voices import PerEmotion, Speed, Text

Language = Literal["ja", "zh", "en", "ko", "yue"]


class GptSovitsRecording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recording of the same speaker in one emotion, with what is said in it."""

    reference: Text
    reference_text: str = ""
    reference_language: Language | None = None
    speed: Speed | None = None


class GptSovitsVoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`streaming`: 1 sounds best, 2 and 3 sound sooner where the model can (v1, v2, v2Pro)."""

    reference: Text | None = None
    reference_text: str = ""
    reference_language: Language = "ja"
    more_references: tuple[Text, ...] = ()
    speed: Speed = 1.0
    streaming: Literal[1, 2, 3] = 1
    emotions: PerEmotion[GptSovitsRecording] = PerEmotion()
