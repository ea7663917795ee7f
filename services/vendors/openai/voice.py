"""What `voices.openai` of a character may hold."""

from typing import Annotated

import msgspec

from services.engine_voices import PerEmotion, Text

Speed = Annotated[float, msgspec.Meta(ge=0.25, le=4)]


class OpenAIStyle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a voice sounds in one emotion; what is left out is as without it."""

    voice_id: Text | None = None
    speed: Speed | None = None
    instructions: Text | None = None


class OpenAIVoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`instructions`: how to speak, in words, for models that take them. In `emotions` they alone are enough."""

    voice_id: Text | None = None
    model: Text | None = None
    speed: Speed = 1.0
    instructions: str = ""
    emotions: PerEmotion[Text | OpenAIStyle] = PerEmotion()
