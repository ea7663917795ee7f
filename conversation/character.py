"""A character: everything `prompts/<name>/` says, as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.base import Script, Voice


@dataclass(frozen=True, slots=True)
class Character:
    """One character. `voices` is by engine name; `pronunciation` maps words to kana; `greeting` may be empty."""

    name: str
    display_name: str
    description: str
    manifest: str
    greeting: str
    voices: Mapping[str, Voice]
    pronunciation: Mapping[str, str]
    script: Script | None

    def voice(self, engine: str) -> Voice:
        """How the character sounds on an engine: as `character.yaml` says, else as the engine does by itself."""
        return self.voices.get(engine, Voice())
