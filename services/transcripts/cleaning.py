"""What an ASR of the Whisper or the SenseVoice family wrote in; what was really said, as our users write it, out."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from opencc import OpenCC

from services.transcripts import inventions
from services.transcripts.inventions import LANGUAGES, Rule

_TAG: Final = re.compile(r"<\|[^|<>]*\|>")
_TOLD_LANGUAGE: Final = re.compile(r"<\|(zh|yue|ja|en|ko)\|>")
_NOT_SAID: Final = re.compile(r"[\W_]+")
_KANA: Final = re.compile(r"[ぁ-ゖァ-ヺー]")
_HAN: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_PIECE: Final = inventions.LOOP_PIECE
_PICTURES: Final = str.maketrans("", "", f"{inventions.PICTURES}\ufe0f")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of what was written; None where the ASR does not tell."""

    text: str
    no_speech_prob: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None


def language_code(name: str) -> str:
    """Of a code or a name in any case; "" for one that makes no difference here."""
    return LANGUAGES.get(name.strip().lower().partition("-")[0], "")


def said(segments: list[Segment], seconds: float, *, language: str = "", asked: str = "") -> str:
    """All that was really said in so many seconds of audio; "" where that is nothing.

    `language`: a code or a name, as it was asked for or told. `asked`: the words that the ASR was given to expect.
    """
    told = next((found[1] for each in segments if (found := _TOLD_LANGUAGE.search(each.text))), language)
    kept = [
        each
        for each in map(_without_marks, segments)
        if each.text and not any(_holds(rule, each) for rule in inventions.RULES)
    ]
    text = _without_loop(_joined([each.text for each in kept]), seconds)
    if not _bare(text) or _is_invented(text, kept, seconds) or _is_echo(text, asked):
        return ""
    return in_our_script(text, told)


def _holds(rule: Rule, segment: Segment) -> bool:
    judged = (
        (rule.no_speech_over, segment.no_speech_prob, 1),
        (rule.logprob_under, segment.avg_logprob, -1),
        (rule.compression_over, segment.compression_ratio, 1),
    )
    return all(value is not None and (value - limit) * sign > 0 for limit, value, sign in judged if limit is not None)


def _without_marks(segment: Segment) -> Segment:
    text = _sounds().sub(" ", _TAG.sub("", segment.text)).translate(_PICTURES).strip()
    return Segment(text, segment.no_speech_prob, segment.avg_logprob, segment.compression_ratio)


@cache
def _sounds() -> re.Pattern[str]:
    names = "|".join(re.escape(name).replace(r"\ ", "[ _]?").replace("_", "[ _]?") for name in inventions.SOUNDS)
    pairs = (rf"{re.escape(pair[0])}\s*(?:{names})\s*{re.escape(pair[1])}" for pair in inventions.BRACKETS)
    return re.compile("|".join(pairs), re.IGNORECASE)


def _joined(texts: list[str]) -> str:
    joined = ""
    for text in texts:
        blank = joined and joined[-1].isascii() and text[0].isascii()
        joined += f" {text}" if blank else text
    return joined


def _without_loop(text: str, seconds: float) -> str:
    """Nobody says that much in that time: of what goes round and round until the end, one round is left."""
    if len(text) <= inventions.SPOKEN_PER_S * max(seconds, 1.0):
        return text
    begins, length = min((len(text) - _repeated(text, length), length) for length in range(1, _PIECE + 1))
    if len(text) - begins < inventions.LOOP_TIMES * length:
        return text
    return text[: begins + length] if begins else ""


def _repeated(text: str, length: int) -> int:
    """How many characters at the end are a piece of that length, again and again."""
    at = len(text) - 1
    while at >= length and text[at] == text[at - length]:
        at -= 1
    return len(text) - 1 - at + length


def _bare(text: str) -> str:
    """What can be heard of it."""
    return _NOT_SAID.sub("", text).lower()


def _is_invented(text: str, kept: list[Segment], seconds: float) -> bool:
    known = [each for each in kept if each.no_speech_prob is not None or each.avg_logprob is not None]
    unsure = any(_is_unsure(each) for each in known)
    if seconds > inventions.SHORT_S or (known and not unsure):
        return False
    bare = {_bare(text), _bare(simplified(text))}
    bare |= {_once(each) for each in bare}
    return (unsure and not bare.isdisjoint(_ordinary())) or any(_subtitles().fullmatch(each) for each in bare)


def _once(bare: str) -> str:
    """Of a phrase that comes again and again, the first."""
    lengths = range(1, len(bare) // 2 + 1)
    return next((bare[:length] for length in lengths if _repeated(bare, length) == len(bare)), bare)


def _is_unsure(segment: Segment) -> bool:
    return (segment.no_speech_prob or 0.0) > inventions.UNSURE_NO_SPEECH or (
        segment.avg_logprob or 0.0
    ) < inventions.UNSURE_LOGPROB


@cache
def _ordinary() -> frozenset[str]:
    return frozenset(_bare(phrase) for phrases in inventions.ORDINARY.values() for phrase in phrases)


@cache
def _subtitles() -> re.Pattern[str]:
    phrases = (phrase for group in inventions.SUBTITLES.values() for phrase in group)
    anything = f".{{0,{_PIECE}}}"
    return re.compile("|".join(anything.join(_bare(part) for part in phrase.split("{}")) for phrase in phrases))


def _is_echo(text: str, asked: str) -> bool:
    """Silence makes Whisper read out what it was given. A single name is what a person may say, too."""
    return len(re.split(r"[,、，\s]+", asked.strip("。. "))) > 1 and _bare(text) == _bare(asked)


def in_our_script(text: str, language: str = "") -> str:
    """Mandarin as our users write it: Whisper takes to traditional characters. Japanese stays as it is.

    Where the language is not known, kana tell.
    """
    code = language_code(language)
    chinese = code in ("zh", "yue") or (not code and _HAN.search(text) is not None)
    return simplified(text) if chinese and not _KANA.search(text) else text


def simplified(text: str) -> str:
    """In simplified characters; words stay what they are in Taiwan."""
    converted: str = _converter().convert(text)
    return converted


@cache
def _converter() -> Any:
    return OpenCC("tw2s")  # 3 ms, and 17 MB with the library


def written(text: str, language: str = "") -> str:
    """What an ASR wrote that does not invent: without tags and pictures, in our script."""
    told = _TOLD_LANGUAGE.search(text)
    return in_our_script(_TAG.sub("", text).translate(_PICTURES), told[1] if told else language)


def has_tags(text: str) -> bool:
    """Whether SenseVoice wrote it."""
    return _TAG.search(text) is not None
