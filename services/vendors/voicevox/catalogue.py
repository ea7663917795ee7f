"""Pure: an engine's list of speakers and a character's voice in; the style that speaks, and whom to credit, out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from services.base import Emotion
from services.vendors.voicevox.query import Manner
from services.vendors.voicevox.voice import VoicevoxStyle, VoicevoxVoice

# Names of styles that many speakers have. Where a character says nothing of an emotion, the first of these that its
# speaker has is taken; the next name that is met is a word here.
STYLES_OF: Final[Mapping[Emotion, tuple[str, ...]]] = {
    "happy": ("喜び", "たのしい", "楽しい", "うれしい", "嬉しい", "Happy", "るんるん", "上機嫌"),
    "sad": ("悲しみ", "かなしい", "悲しい", "哀しみ", "なみだめ", "Sad", "びえーん"),
    "angry": ("怒り", "おこ", "ツンツン", "Angry", "不機嫌"),
    "fearful": ("恐怖", "びくびく", "おどろき", "Fear"),
    "surprised": ("おどろき", "驚き", "Surprise"),
    "disgusted": ("嫌悪", "Disgust"),
}


class _StyleShape(msgspec.Struct):
    name: str
    id: int
    type: str = "talk"


class SpeakerShape(msgspec.Struct):
    """What the engine must tell of a speaker."""

    name: str
    styles: list[_StyleShape]


class UnknownStyle(Exception):
    """The engine has it not; str(error) names what it has, for the log."""


@dataclass(frozen=True, slots=True)
class _Speaker:
    name: str
    styles: Mapping[str, int]


class Catalogue:
    """What one engine can speak with."""

    def __init__(self, brand: str, speakers: Sequence[Mapping[str, Any]]) -> None:
        """`speakers`: as `GET /speakers` tells them."""
        self._brand = brand
        self._speakers = [_Speaker(each["name"], dict(_styles(each))) for each in speakers]
        self._speakers = [each for each in self._speakers if each.styles]

    def style_id(self, voice: VoicevoxVoice, emotion: Emotion) -> int:
        """Which style speaks.

        Raises:
            UnknownStyle: there is none of that name.
        """
        chosen = voice.emotions.of(emotion)
        if isinstance(chosen, int):
            return chosen
        base = self._style(voice.speaker, voice.style)
        if isinstance(chosen, str):
            return self._style_of(self._with(base), chosen)
        if chosen is not None and (chosen.speaker is not None or chosen.style is not None):
            own = chosen.speaker is None and isinstance(voice.speaker, int)
            speaker = self._with(base).name if own else chosen.speaker if chosen.speaker is not None else voice.speaker
            return self._style(speaker, chosen.style)
        if chosen is None:
            speaker_of = next((each for each in self._speakers if base in each.styles.values()), None)
            named = speaker_of.styles if speaker_of else {}
            return next((named[name] for name in STYLES_OF.get(emotion, ()) if name in named), base)
        return base

    def credit(self, style_id: int) -> str:
        """Whom to name where this style was heard; "" where it is nobody's here."""
        name = next((each.name for each in self._speakers if style_id in each.styles.values()), "")
        return f"{self._brand}:{name}" if name else ""

    def _style(self, speaker: int | str | None, style: str | None) -> int:
        if isinstance(speaker, int):
            return self._style_of(self._with(speaker), style) if style is not None else speaker
        if not self._speakers:
            raise UnknownStyle("it has no speaker at all")
        found = self._speakers[0] if speaker is None else self._named(speaker)
        return self._style_of(found, style) if style is not None else next(iter(found.styles.values()))

    def _with(self, style_id: int) -> _Speaker:
        for each in self._speakers:
            if style_id in each.styles.values():
                return each
        raise UnknownStyle(f"it has no style {style_id}")

    def _named(self, name: str) -> _Speaker:
        for each in self._speakers:
            if each.name == name:
                return each
        raise UnknownStyle(f"it has no speaker {name!r}; it has {', '.join(each.name for each in self._speakers)}")

    def _style_of(self, speaker: _Speaker, style: str) -> int:
        if style not in speaker.styles:
            raise UnknownStyle(f"{speaker.name} has no style {style!r}; it has {', '.join(speaker.styles)}")
        return speaker.styles[style]


def known_id(voice: VoicevoxVoice, emotion: Emotion) -> int | None:
    """The id that the character itself names, which needs no list; None where it names none."""
    chosen = voice.emotions.of(emotion)
    if isinstance(chosen, VoicevoxStyle) and chosen.style is None and chosen.speaker is not None:
        chosen = chosen.speaker
    if chosen is None and emotion not in STYLES_OF and voice.style is None:
        chosen = voice.speaker
    return chosen if isinstance(chosen, int) else None


def manner_of(voice: VoicevoxVoice, emotion: Emotion) -> Manner:
    chosen = voice.emotions.of(emotion)
    other = chosen if isinstance(chosen, VoicevoxStyle) else VoicevoxStyle()
    return Manner(
        voice.speed if other.speed is None else other.speed,
        voice.pitch if other.pitch is None else other.pitch,
        voice.volume if other.volume is None else other.volume,
        voice.intonation if other.intonation is None else other.intonation,
    )


def _styles(speaker: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for style in speaker["styles"]:
        if style.get("type", "talk") == "talk":  # older engines do not say
            yield style["name"], style["id"]
