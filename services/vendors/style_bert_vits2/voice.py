"""What `voices.style_bert_vits2` of a character may hold."""

from typing import Annotated, Literal

import msgspec

from services.engine_voices import PerEmotion, Speed, Text

Weight = Annotated[float, msgspec.Meta(ge=0, le=20)]


class StyleBertVits2Style(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a voice sounds in one emotion; what is left out is as without it."""

    style: Text | None = None
    style_weight: Weight | None = None
    speed: Speed | None = None


class StyleBertVits2Voice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`model`: the name of its folder; without it the server's first. In `emotions` the name of a style is enough."""

    model: Text | None = None
    speaker: int | Text | None = None
    style: Text = "Neutral"
    style_weight: Weight = 1.0
    speed: Speed = 1.0
    language: Literal["ja", "en", "zh"] = "ja"
    emotions: PerEmotion[Text | StyleBertVits2Style] = PerEmotion()
