"""The extensions one client asked for, or those the operator gives to its kind, in; which of them it has out."""

from collections.abc import Collection, Mapping

from msgspec import UNSET, UnsetType

from server.protocol import wire
from server.protocol.wire import Extension

# What this version grants; the others are left out of the answer until they are built.
GRANTED_EXTENSIONS: frozenset[Extension] = frozenset(
    {"turns", "sentences", "stages", "sentence_responses", "history", "speech_events", "binary_audio", "barge_in"}
)
# Messages of an extension: unknown to whoever was not granted it.
EXTENSION_OF: Mapping[type[wire.ClientMessage], Extension] = {wire.GetHistory: "history", wire.Interrupt: "barge_in"}


class Extensions:
    """Of one connection. They may become more while it lasts."""

    def __init__(self, asked: Collection[str] | None, defaults: Collection[Extension]) -> None:
        """`asked`: None where the client knows of no extensions; then it gets the defaults."""
        self._asked = asked
        self._wanted: frozenset[str] = frozenset(defaults if asked is None else asked)
        self.granted = _granted(self._wanted)  # those it has now

    def __contains__(self, extension: Extension) -> bool:
        return extension in self.granted

    @property
    def answer(self) -> tuple[Extension, ...] | UnsetType:
        """What a client that asked is told of it."""
        return UNSET if self._asked is None else tuple(sorted(self.granted))

    @property
    def waits_for_playback(self) -> bool:
        """Whether the next reply must not begin while the last one sounds: with `stages` come clients that start their
        clock of playback anew at `llm_start`, and cannot stop what they have (docs/protocol.en.md, 9)."""
        return "stages" in self and "barge_in" not in (self._asked or ())

    def begin_voice_call(self) -> None:
        """Clients that say `voice_call_start` know no extensions and expect the messages of `stages`."""
        if self._asked is None:
            self.granted = _granted(self._wanted | {"stages"})


def _granted(wanted: frozenset[str]) -> frozenset[Extension]:
    granted = GRANTED_EXTENSIONS.intersection(wanted)
    return granted if "stages" in granted else granted - {"sentence_responses"}
