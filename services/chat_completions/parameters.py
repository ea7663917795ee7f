"""Pure: what a request asks for beside model and messages, and what of it a server was found not to take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.chat_completions.objections import Objection
from services.chat_completions.servers import EFFORT, LEAST_NEEDED, NO_THINKING, OTHER_NAME, THINKING, Server

_LEAST_EFFORTS: Final = ("none", "minimal", "low")  # of thinking, the least first
_GUESS_HOLDS: Final = 20  # turns


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one request that may be left out, or be others."""

    values: Mapping[str, Any]
    guessed: frozenset[str] = frozenset()  # which of these are so only because a refusal gave no reason

    def fields(self) -> dict[str, Any]:
        """As they are sent."""
        streams = self.values.get("stream") is True
        return {name: value for name, value in self.values.items() if streams or name != "stream_options"}

    def having(self, **values: Any) -> "Parameters":
        return Parameters({**self.values, **values}, self.guessed)

    def lacking(self, name: str, *, guessed: bool = False) -> "Parameters":
        values = {each: value for each, value in self.values.items() if each != name}
        return Parameters(values, self.guessed | {name} if guessed else self.guessed)


def wanted_of(server: Server, *, stream: bool, effort: str, max_tokens: int = 0, schema: Any = None) -> Parameters:
    """What a server is asked for at first. `effort`: of thinking, "" where it shall do as it does by itself."""
    values: dict[str, Any] = {"stream": stream, "stream_options": {"include_usage": True}}
    if effort:
        values |= _with_effort(server.off if effort in NO_THINKING else server.on, effort)
    if max_tokens:
        values[server.limit] = max_tokens
    if schema is not None:
        values["response_format"] = schema
    return Parameters(values)


def _with_effort(fields: Any, effort: str) -> Any:
    if isinstance(fields, Mapping):
        return {name: _with_effort(value, effort) for name, value in fields.items()}
    return effort if fields == EFFORT else fields


_ABSENT: Final = object()


class Dialect:
    """The parameters that a server was found to take, for the life of the process and for all who talk to it.

    Something is found when it was answered, and by whoever was answered first: a refusal alone teaches nothing, because
    the next one may say that the reason is another. What a refusal without a reason made us leave out is left out for
    some turns and then asked for again: it may have been a bad moment of a gateway's.
    """

    def __init__(self, wanted: Parameters) -> None:
        self._wanted = wanted.values
        self._found: dict[str, Any] = {}  # where it differs from what is wanted
        self._guess: dict[str, Any] = {}
        self._turns_left = 0  # for which the guess holds
        self._told: set[str] = set()
        self._in_vain: set[str] = set()  # left out, and refused with the same words

    def answered(self, asked: Parameters) -> tuple[str, ...]:
        """A request with these parameters was answered. The names of those found just now not to be taken."""
        changes = {}
        for name in {**self._wanted, **asked.values}:
            value, wanted = asked.values.get(name, _ABSENT), self._wanted.get(name, _ABSENT)
            if value not in (wanted, self._found.get(name, wanted)):
                changes[name] = value
        self._found |= {name: to for name, to in changes.items() if name not in asked.guessed}
        guess = {name: to for name, to in changes.items() if name in asked.guessed}
        if guess and guess != self._guess:
            self._guess, self._turns_left = guess, _GUESS_HOLDS
        elif guess:
            self._turns_left -= 1
            self._guess = guess if self._turns_left else {}
        new = [name for name in changes if name in self._wanted and name not in self._told]
        self._told.update(new)
        return tuple(new)

    @property
    def known(self) -> Parameters:
        """With which to ask first."""
        values = {**self._wanted, **self._found, **self._guess}
        present = {name: value for name, value in values.items() if value is not _ABSENT}
        return Parameters(present, frozenset(self._guess))

    def without(self, asked: Parameters, objection: Objection) -> Parameters | None:
        """What to ask for instead; None where nothing is left to try, or the refusal is about something else."""
        instead = asked
        for name in sorted(_meant(objection.names - self._in_vain, objection.perhaps, asked.fields())):
            instead = self._leave_out(instead, name, objection.efforts)
        if objection.unexplained and "" not in self._in_vain:
            instead = _leave_out_least(asked)
        if instead != asked:
            return instead
        if asked != self.known:
            self._in_vain |= objection.names or ({""} if objection.unexplained else set())
        return None

    def _leave_out(self, asked: Parameters, name: str, efforts: frozenset[str]) -> Parameters:
        value = asked.values[name]
        if name == "reasoning_effort":
            other = next((word for word in _LEAST_EFFORTS if word in efforts and word != value), "")
            first = value in NO_THINKING and value == self._wanted.get(name)
            return asked.having(reasoning_effort=other) if other and first else asked.lacking(name)
        if name == "stream" and value is self._wanted[name]:
            # Some cannot stream and some can do nothing else; what does not know the word answers as it always does.
            return asked.having(stream=not value)
        if name in OTHER_NAME and name in self._wanted:
            return asked.lacking(name).having(**{OTHER_NAME[name]: value})
        return asked.lacking(name)


def _meant(named: frozenset[str], perhaps: frozenset[str], sent: Mapping[str, Any]) -> set[str]:
    """Which of what was sent a refusal names. `stream` is also a condition for others, and then not what is meant."""
    meant = set(named & sent.keys() or (named and perhaps & sent.keys()))
    if len(meant) > 1:
        meant.discard("stream")
    if meant or named.isdisjoint(THINKING):
        return meant
    inside = [name for name in THINKING if isinstance(sent.get(name), dict) and not named.isdisjoint(sent[name])]
    return set((inside or [name for name in THINKING if name in sent])[:1])


def _leave_out_least(asked: Parameters) -> Parameters:
    sent = asked.fields()
    least = next((name for name in LEAST_NEEDED if name in sent), None)
    return asked.lacking(least, guessed=True) if least else asked
