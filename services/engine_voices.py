"""What a character's file may say of its voice on an engine: the plain kind, and what other kinds are made of."""

from typing import Annotated, Generic, TypeVar

import msgspec

from services.base import Emotion

Speed = Annotated[float, msgspec.Meta(ge=0.5, le=2.0)]  # 1 = as the voice speaks by itself
Pitch = Annotated[float, msgspec.Meta(ge=-12, le=12)]  # semitones
Factor = Annotated[float, msgspec.Meta(ge=0, le=2)]
Text = Annotated[str, msgspec.Meta(min_length=1)]

Style = TypeVar("Style")


class PlainVoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The kind for engines that want no more than this."""

    voice_id: str | None = None
    model: str | None = None
    speed: Speed = 1.0
    pitch: Pitch = 0.0


class PerEmotion(msgspec.Struct, Generic[Style], frozen=True, forbid_unknown_fields=True):
    """What is other in an emotion; a field for each there is, so that a wrong name is refused where it is written."""

    happy: Style | None = None
    sad: Style | None = None
    angry: Style | None = None
    fearful: Style | None = None
    disgusted: Style | None = None
    surprised: Style | None = None
    calm: Style | None = None
    auto: Style | None = None

    def of(self, emotion: Emotion) -> Style | None:
        style: Style | None = getattr(self, emotion)
        return style
