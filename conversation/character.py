"""A character: everything `prompts/<name>/` says, as one frozen value."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from conversation.reply.guarded_parser import Guard
from conversation.reply.labels import Speakers
from conversation.reply.prompt_text import PromptText
from services.base import Line, Script, Voice

_SUGGESTIONS = 6
_HIRAGANA = {ord(kana): ord(kana) - 0x60 for kana in map(chr, range(0x30A1, 0x30F7))}


@dataclass(frozen=True, slots=True)
class Character:
    """One character. `voices` is by engine name; `pronunciation` maps words to kana; `greeting` may be empty.

    `hears`: the language in which people talk to them, as a code, "auto" for any; "" where nothing was said of it.
    `deflection` is said in place of what the LLM was told of the character. `client` is what the operator wants clients
    to know; it means nothing here.
    """

    name: str
    display_name: str
    description: str
    manifest: str
    greeting: str
    voices: Mapping[str, Voice]
    pronunciation: Mapping[str, str]
    script: Script | None
    client: Mapping[str, Any] = field(default_factory=dict)
    deflection: Line = field(default_factory=lambda: neutral_deflection())
    hears: str = ""

    def voice(self, engine: str) -> Voice:
        """How the character sounds on an engine: as `character.yaml` says, else as the engine does by itself."""
        return self.voices.get(engine, Voice())

    @property
    def hotwords(self) -> tuple[str, ...]:
        """Their names, which people will say: both of a display name like "小雪 (Yuki)"."""
        return tuple(name for part in re.split(r"[()（）/／、,，]", self.display_name) if (name := part.strip()))

    @property
    def suggestions(self) -> tuple[str, ...]:
        """What one may say to them, and be understood without any vendor: of each of the first topics one phrase."""
        topics = self.script.topics if self.script else ()
        phrases = (topic.phrases["zh"][0] for topic in topics if topic.phrases.get("zh"))
        return tuple(islice(phrases, _SUGGESTIONS))

    def sayings(self) -> Iterator[str]:
        """What they are meant to say: their greeting, and all lines and phrases of their script."""
        yield self.greeting
        for topic in self.script.topics if self.script else ():
            yield from chain.from_iterable(topic.phrases.values())
            yield from _texts(topic.answers)
        yield from _texts(self.script.fallback if self.script else ())

    def names(self) -> frozenset[str]:
        """All ways to write their name that are known: also those of the reading table that sound the same."""
        known = {self.name, self.display_name, *self.hotwords}
        known |= {word for name in self.hotwords for word in name.split() if len(word) > 1}
        readings = {reading for word, reading in self.pronunciation.items() if _ends_with(known, word)}
        known |= {word for word, reading in self.pronunciation.items() if reading in readings}
        return frozenset(known | readings | {reading.translate(_HIRAGANA) for reading in readings})

    def guard(self, system_text: str, others: Iterable[str] = ()) -> Guard:
        """Against repeating what an LLM is told of them; `others`: names of other characters. Costly: made once."""
        return Guard(PromptText(system_text, self.sayings()), self.deflection, Speakers.of(self.names(), others))


def neutral_deflection() -> Line:
    """Of a character that has no such line of its own."""
    return Line("それは、お話しできません。", "这个不方便说。", "calm")


def _ends_with(names: Iterable[str], word: str) -> bool:
    """Whether a word is one of these names, or the given name at the end of one in kanji."""
    return any(name == word or (not name.isascii() and name.endswith(word)) for name in names)


def _texts(answers: Iterable[Iterable[Line]]) -> Iterator[str]:
    for line in chain.from_iterable(answers):
        yield from (line.jp, line.cn)
