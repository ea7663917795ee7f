"""What was said in, an answer written beforehand out: the persona of `offline_lines.yaml`, streamed like an LLM.

In process, no key, no network. Deterministic and without memory of its own: what was said before is read from the
prompt, as a model would read it.
"""

import json
import re
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from anyio import lowlevel

from services.base import LLM, Line, LLMError, Message, Prompt, Script
from services.engine_settings import LLMSettings

Answer = tuple[Line, ...]

DELTA_CHARS = 3  # about what a vendor's token holds
MAX_READ = 8000  # characters of what was said: one sign may become eighteen when it is normalised
MAX_CLAUSES = 20  # of what was said are compared one by one, where no phrase was said as it is written


class ScriptedLLM:
    """One per process. `scripts` is by character."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._personas = {character: _Persona(script) for character, script in scripts.items()}

    def prepare(self) -> None:
        """Nothing to prepare."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        persona = self._personas.get(prompt.character)
        answer = persona.answer(prompt.messages) if persona else None
        if answer is None:
            raise LLMError("This character has no lines for a server without a language model.", retryable=False)
        for delta in _deltas(answer):
            await lowlevel.checkpoint()
            yield delta


class _Persona:
    """A script, ready to be searched."""

    def __init__(self, script: Script) -> None:
        self._script = script
        texts = [
            (_Text(phrase), number)
            for number, topic in enumerate(script.topics)
            for phrases in topic.phrases.values()
            for phrase in phrases
        ]
        self._phrases = [(text, number) for text, number in texts if text.solid]
        self._nearness = _Nearness(self._phrases)

    def answer(self, messages: Sequence[Message]) -> Answer | None:
        said = next((message.content for message in reversed(messages) if message.role == "user"), "")
        heard = [_spoken(message.content) for message in messages if message.role == "assistant"]
        topic = self._topic(said)
        answers = self._script.fallback if topic is None else self._script.topics[topic].answers
        just_heard = heard[-1] if heard else ()
        # The fallback also stands in where a topic has nothing but what was just heard.
        turns = [*_in_turn(answers, heard, said), *_in_turn(self._script.fallback, heard, said)]
        fresh = (answer for answer in turns if not _lines_in_common(answer, just_heard))
        return next(fresh, turns[0] if turns else None)

    def _topic(self, said: str) -> int | None:
        """The topic of the longest phrase that was said, the first of equals; else of the one that is nearest to it."""
        text = _Text(said)
        found = [(phrase.weight, -number) for phrase, number in self._phrases if phrase.is_in(text)]
        if found:
            return -max(found)[1]
        clauses = _CLAUSE_END.split(said, MAX_CLAUSES)[:MAX_CLAUSES]
        return self._nearness.topic(text, *(_Text(clause) for clause in clauses if clause and clause != said))


# Which answer ---------------------------------------------------------------------------------------------------


def _in_turn(answers: Sequence[Answer], heard: Sequence[tuple[str, ...]], said: str) -> Iterator[Answer]:
    """All answers, beginning after the one that was used last, or anywhere: where these words lead to."""
    used = next((used for reply in reversed(heard) if (used := _recognise(answers, reply)) is not None), None)
    start = zlib.crc32(said.encode("utf-8", "replace")) if used is None else used + 1
    for step in range(len(answers)):
        yield answers[(start + step) % len(answers)]


def _recognise(answers: Sequence[Answer], reply: tuple[str, ...]) -> int | None:
    """Which of `answers` a reply was, the likeliest where several begin alike."""
    common = [_lines_in_common(answer, reply) for answer in answers]
    return common.index(max(common)) if any(common) else None


def _lines_in_common(answer: Answer, reply: tuple[str, ...]) -> int:
    """How many lines from the first on are the same; the last of a reply may be cut short."""
    same = 0
    for line, spoken in zip(answer, reply, strict=False):
        if line.jp.strip() != spoken and not (len(spoken) > 3 and line.jp.startswith(spoken)):
            break
        same += 1
    return same


_JP = re.compile(r'"jp"\s*:\s*"((?:[^"\\]|\\.)*)')


def _spoken(reply: str) -> tuple[str, ...]:
    """What was spoken of an earlier reply, which is in the reply format and may end anywhere."""
    return tuple(spoken for written in _JP.findall(reply) if (spoken := _unescape(written).strip()))


def _unescape(written: str) -> str:
    try:
        return str(json.loads(f'"{written}"', strict=False))
    except ValueError:  # cut in the middle of an escape
        return written


# What was said --------------------------------------------------------------------------------------------------

_LATIN = "0-9a-z\u00df-\u024f"
_LATIN_WORD = re.compile(f"[{_LATIN}]+")
_RUN = re.compile(f"[{_LATIN}]+|[^{_LATIN}]+")
_CJK_GAP = re.compile(f"(?<=[^{_LATIN} ]) +(?=[^{_LATIN} ])")
_CLAUSE_END = re.compile(r"[、。，．！？!?,.;；…\n]+")
_TO_HIRAGANA = {code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)}


class _Text:
    """A text without signs, case and the difference of katakana and hiragana."""

    def __init__(self, text: str) -> None:
        plain = unicodedata.normalize("NFKC", text.replace("'", "").replace("’", "")).casefold()[:MAX_READ]
        spaced = "".join(char if char.isalnum() else " " for char in plain).translate(_TO_HIRAGANA)
        self.solid = spaced.replace(" ", "")
        self.words = f" {' '.join(_LATIN_WORD.findall(spaced))} "
        self._in_words = bool(self.solid) and not _LATIN_WORD.sub("", self.solid)
        self._spaced = spaced

    @property
    def weight(self) -> int:
        """How much it says: three letters weigh as much as one Chinese or Japanese character."""
        return sum(1 if _LATIN_WORD.match(char) else 3 for char in self.solid)

    def is_in(self, text: "_Text") -> bool:
        """English by whole words, as `hi` is not in `this`; Chinese and Japanese, which do not part words, anywhere."""
        return self.words in text.words if self._in_words else self.solid in text.solid

    def parts(self) -> tuple[str, ...]:
        """Each two neighbouring characters, each Latin word (a plural is the same word), once."""
        parts: dict[str, None] = {}
        for run in _RUN.findall(_CJK_GAP.sub("", self._spaced)):
            if _LATIN_WORD.match(run):
                parts[run.removesuffix("s") or run] = None
            else:
                solid = run.strip()
                parts |= dict.fromkeys(solid[at : at + 2] for at in range(len(solid) - 1))
        return tuple(parts)


class _Nearness:
    """Finds the phrase that has most parts in common with a text: its share, and Dice's coefficient, both weighted.

    A part weighs the less the more topics have it: `什么` says nothing about what is asked. A search takes time in
    proportion to the text.
    """

    # Set by hand on the shipped scripts and sixty questions in other words: an honest fallback beats a wrong topic.
    SHARE = 0.7  # of the phrase, in the text
    LIKENESS = 0.25  # of the two
    MIN_PARTS = 2  # in common: `是谁` alone would make `灯是谁` a question after the speaker

    def __init__(self, phrases: Sequence[tuple[_Text, int]]) -> None:
        topics: defaultdict[str, set[int]] = defaultdict(set)
        self._phrases_with: defaultdict[str, list[int]] = defaultdict(list)
        for index, (text, topic) in enumerate(phrases):
            for part in text.parts():
                topics[part].add(topic)
                self._phrases_with[part].append(index)
        self._weights = {part: 1 / len(having) for part, having in topics.items()}
        self._topics = [topic for _, topic in phrases]
        self._totals = [self._total(text) for text, _ in phrases]

    def topic(self, *texts: _Text) -> int | None:
        """The topic nearest to any of `texts`, None where none is near; the first of equals."""
        near = [candidate for text in texts for candidate in self._candidates(text)]
        return -max(near)[1] if near else None

    def _candidates(self, text: _Text) -> Iterator[tuple[float, int]]:
        shared: defaultdict[int, list[float]] = defaultdict(list)
        for part in text.parts():
            for index in self._phrases_with.get(part, ()):
                shared[index].append(self._weights[part])
        total = self._total(text)
        for index, weights in shared.items():
            share = sum(weights) / self._totals[index]
            likeness = 2 * sum(weights) / (total + self._totals[index])
            if len(weights) >= self.MIN_PARTS and share >= self.SHARE and likeness >= self.LIKENESS:
                yield share + likeness, -self._topics[index]

    def _total(self, text: _Text) -> float:
        return sum(self._weights.get(part, 1.0) for part in text.parts())


# The stream -----------------------------------------------------------------------------------------------------


def _deltas(answer: Answer) -> Iterator[str]:
    for line in answer:
        fields = {"emotion": line.emotion, "jp": line.jp, "cn": line.cn}
        text = json.dumps(fields, ensure_ascii=False) + "\n"
        for start in range(0, len(text), DELTA_CHARS):
            yield text[start : start + DELTA_CHARS]


@asynccontextmanager
async def open_llm(settings: LLMSettings) -> AsyncGenerator[LLM]:
    """There is nothing to wait for."""
    yield ScriptedLLM(settings.scripts)
