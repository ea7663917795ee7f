"""What was said in, an answer written beforehand out: the persona of `offline_lines.yaml`, streamed like a mind.

In process, no key, no network. Deterministic and without memory of its own: what was said before is read from the
prompt, as a model would read it.
"""

import json
import re
import unicodedata
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from anyio import lowlevel

from services.base import LLM, Line, LLMError, LLMSettings, Message, Prompt, Script

Answer = tuple[Line, ...]

# Characters of the reply in one delta: about what a vendor's token holds.
_DELTA_CHARS = 3
# A text is searched for phrases up to this length; who writes more has said what it is about by then.
_MAX_READ = 1000
# How much of a phrase's character pairs must be in a text that does not contain it whole.
_NEAR = 0.75
_MIN_NEAR_LENGTH = 4
_JP = re.compile(r'"jp":\s*"((?:[^"\\]|\\.)*)"')


class ScriptedLLM:
    """One per process. `scripts` is by character."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._scripts = {name: _Lookup(script) for name, script in scripts.items()}

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        lookup = self._scripts.get(prompt.character)
        if lookup is None:
            raise LLMError("This character has no script for a server without a model", retryable=False)
        for delta in _deltas(lookup.answer(prompt.messages)):
            await lowlevel.checkpoint()
            yield delta


class _Lookup:
    """A script, ready to be searched."""

    def __init__(self, script: Script) -> None:
        self._fallback = script.fallback
        self._phrases = [
            (_normal(phrase), language == "en", topic.answers)
            for topic in script.topics
            for language, phrases in topic.phrases.items()
            for phrase in phrases
        ]

    def answer(self, messages: Sequence[Message]) -> Answer:
        said = next((message.content for message in reversed(messages) if message.role == "user"), "")
        answers = self._about(_normal(said[:_MAX_READ])) or self._fallback
        return _next(answers, list(_spoken(messages)), said)

    def _about(self, said: str) -> tuple[Answer, ...] | None:
        """The answers of the topic whose phrase covers most of what was said; the first of equals."""
        best: tuple[float, tuple[Answer, ...]] | None = None
        padded = f" {said} "
        solid = said.replace(" ", "")
        for phrase, whole_words, answers in self._phrases:
            if whole_words:
                found = f" {phrase} " in padded
            else:
                found = phrase.replace(" ", "") in solid
            score = float(len(phrase)) if found else 0.0
            if score and (best is None or score > best[0]):
                best = (score, answers)
        return best[1] if best else self._nearly_about(solid)

    def _nearly_about(self, solid: str) -> tuple[Answer, ...] | None:
        """The same for a phrase that is said in slightly other words."""
        pairs = _pairs(solid)
        best: tuple[float, tuple[Answer, ...]] | None = None
        for phrase, _, answers in self._phrases:
            wanted = _pairs(phrase.replace(" ", ""))
            if len(wanted) + 1 < _MIN_NEAR_LENGTH:
                continue
            share = len(wanted & pairs) / len(wanted)
            if share >= _NEAR and (best is None or share > best[0]):
                best = (share, answers)
        return best[1] if best else None


def _next(answers: tuple[Answer, ...], spoken: Sequence[str], said: str) -> Answer:
    """The answer after the one used last, or the one that these words lead to; never the line that was just heard."""
    last_used = _last_used(answers, spoken)
    start = zlib.crc32(said.encode("utf-8", "replace")) if last_used is None else last_used + 1
    just_heard = spoken[-1] if spoken else ""
    turns = (answers[(start + step) % len(answers)] for step in range(len(answers)))
    return next((answer for answer in turns if not _was_heard(answer, just_heard)), answers[start % len(answers)])


def _last_used(answers: tuple[Answer, ...], spoken: Sequence[str]) -> int | None:
    for reply in reversed(spoken):
        for index, answer in enumerate(answers):
            if _was_heard(answer, reply):
                return index
    return None


def _was_heard(answer: Answer, reply: str) -> bool:
    """Whether a reply, which may have been cut short, began as this answer does."""
    return bool(reply) and reply == answer[0].jp


def _spoken(messages: Sequence[Message]) -> Iterator[str]:
    """The first Japanese line of each earlier reply, oldest first."""
    for message in messages:
        if message.role == "assistant" and (first := _JP.search(message.content)):
            yield str(json.loads(f'"{first[1]}"'))


def _deltas(answer: Answer) -> Iterator[str]:
    for line in answer:
        fields = {"emotion": line.emotion, "jp": line.jp, "cn": line.cn}
        text = json.dumps(fields, ensure_ascii=False) + "\n"
        for start in range(0, len(text), _DELTA_CHARS):
            yield text[start : start + _DELTA_CHARS]


def _normal(text: str) -> str:
    """Words apart by one space, in lower case, without signs."""
    kept = (char if char.isalnum() else " " for char in unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(kept).split())


def _pairs(text: str) -> set[str]:
    return {text[at : at + 2] for at in range(len(text) - 1)}


@asynccontextmanager
async def open_llm(settings: LLMSettings) -> AsyncIterator[LLM]:
    """There is nothing to wait for."""
    yield ScriptedLLM(settings.scripts)
