"""A character: everything `prompts/<name>/` says, as one frozen value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from services.base import Script, Voice

_SUGGESTIONS = 6


@dataclass(frozen=True, slots=True)
class Character:
    """One character. `voices` is by engine name; `pronunciation` maps words to kana; `greeting` may be empty.

    `client` is what the operator wants clients to know; it means nothing here.
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
