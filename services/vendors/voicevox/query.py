"""Pure: an engine's query for a sentence in; the parts it is rendered in, and when each mora is heard, out.

Page, sections 1 and 2. A sentence is divided behind a phrase with a pause, and its query was made for the whole of it:
so neither melody nor pauses tell that it was rendered in parts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from services.base import Mora
from services.http_speech.parts import grouped

BEFORE_S, AFTER_S = 0.05, 0.1  # silence around a sentence
_FRAME_RATE: Final = 93.75  # of the engine's own time; each consonant and each vowel lasts whole frames
_UPSPEAK_S: Final = 0.15  # of the vowel that is added to a question, by the engine and not in the query
_SEMITONES: Final = 12.0

Query = dict[str, Any]


class _MoraShape(msgspec.Struct):
    vowel: str
    vowel_length: float
    pitch: float
    consonant: str | None = None
    consonant_length: float | None = None


class _PhraseShape(msgspec.Struct):
    moras: list[_MoraShape]
    pause_mora: _MoraShape | None = None
    is_interrogative: bool = False


class Shape(msgspec.Struct):
    """What a query must have for what is done with it here; there is more in it."""

    accent_phrases: list[_PhraseShape]
    pauseLength: float | None = None
    pauseLengthScale: float = 1.0


@dataclass(frozen=True, slots=True)
class Manner:
    """How a query is to be spoken."""

    speed: float = 1.0
    pitch: float = 0.0  # semitones
    volume: float = 1.0
    intonation: float | None = None  # None: as the engine has it


def shaped(query: Query, manner: Manner) -> Query:
    """The query as it came, but for the manner: what is not known here goes back untouched."""
    scales = {"speedScale": manner.speed, "pitchScale": manner.pitch / _SEMITONES, "volumeScale": manner.volume}
    if manner.intonation is not None:
        scales["intonationScale"] = manner.intonation
    around = {"prePhonemeLength": BEFORE_S, "postPhonemeLength": AFTER_S}
    return {**query, **scales, **around, "outputStereo": False}


def is_timed(query: Query) -> bool:
    """Whether the engine tells lengths; some of the compatible ones say 0 for all (page, section 8)."""
    return any(mora.get("vowel_length") for mora in _morae(query))


def parts_of(query: Query) -> Iterator[Query]:
    """The parts to be rendered one after the other."""
    phrases = query["accent_phrases"]
    units = [(len(phrase["moras"]), phrase.get("pause_mora") is not None) for phrase in phrases]
    for part in grouped(units):
        first, last = part.start == 0, part.stop == len(phrases)
        yield {
            **query,
            "accent_phrases": phrases[part.start : part.stop],
            "prePhonemeLength": query["prePhonemeLength"] if first else 0.0,
            "postPhonemeLength": query["postPhonemeLength"] if last else 0.0,
        }


def morae_of(query: Query, offset_s: float = 0.0) -> tuple[Mora, ...]:
    """When each mora is heard; `offset_s` is added to all of them."""
    morae: list[Mora] = []
    at = _frames(query["prePhonemeLength"], query)
    for consonant_s, vowel_s, consonant, vowel in _sounds(query):
        begin, middle = at, at + _frames(consonant_s, query)
        at = middle + _frames(vowel_s, query)
        start, vowel_at, end = (round((each / _FRAME_RATE + offset_s) * 1000) for each in (begin, middle, at))
        morae.append(Mora(start, vowel_at, end, consonant, vowel))
    return tuple(morae)


def _frames(seconds: float, query: Query) -> int:
    scale: float = query["speedScale"]
    return round(seconds / scale * _FRAME_RATE)


def _sounds(query: Query) -> Iterator[tuple[float, float, str, str]]:
    """Lengths and names of what is spoken, with what the engine adds."""
    for phrase in query["accent_phrases"]:
        for mora in phrase["moras"]:
            yield mora.get("consonant_length") or 0.0, mora["vowel_length"], mora.get("consonant") or "", mora["vowel"]
        last = phrase["moras"][-1] if phrase["moras"] else None
        if phrase.get("is_interrogative") and last and last["pitch"] > 0:
            yield 0.0, _UPSPEAK_S, "", last["vowel"]
        if pause := phrase.get("pause_mora"):
            fixed = query.get("pauseLength")
            length_s = pause["vowel_length"] if fixed is None else fixed
            yield 0.0, length_s * query.get("pauseLengthScale", 1.0), "", "pau"


def _morae(query: Query) -> Iterator[Mapping[str, Any]]:
    for phrase in query["accent_phrases"]:
        yield from phrase["moras"]
