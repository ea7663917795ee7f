"""The engines of one kind in their order in; which of them a call goes to, and which serves now, out."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TypeVar

import structlog

from services.base import ServiceError
from services.engine_choice import EngineChoice
from services.fallback.breaker import Breaker, Why

log = structlog.get_logger()

E = TypeVar("E", bound=ServiceError)


class Lineup:
    """Of one kind ("llm", "tts", ...). With a single engine, nothing is ever out."""

    def __init__(self, kind: str, choices: Sequence[EngineChoice], clock: Callable[[], float] = time.monotonic) -> None:
        self.choices = tuple(choices)
        self._kind = kind
        self._breakers = tuple(Breaker(clock) for _ in choices)

    @property
    def serving(self) -> int:
        """The first that has not failed last; where all have, the last, for it is asked whatever happens."""
        well = (index for index, breaker in enumerate(self._breakers) if breaker.why is None)
        return next(well, len(self.choices) - 1)

    @property
    def next_asked(self) -> int:
        """Which the next call begins with."""
        admitted = (index for index, breaker in enumerate(self._breakers) if breaker.admits)
        return next(admitted, len(self.choices) - 1)

    @property
    def out(self) -> Mapping[str, Why]:
        """Those that failed last, and how."""
        named = zip(self.choices, self._breakers, strict=True)
        return {choice.name: breaker.why for choice, breaker in named if breaker.why is not None}

    @property
    def degraded(self) -> bool:
        """Whether the first is out, and another serves instead."""
        return len(self.choices) > 1 and self._breakers[0].why is not None

    def calls(self) -> Iterator["Call"]:
        """For one call, the engines that it may be tried on one after the other: each that is not out, and the last,
        behind which there is none."""
        last = len(self.choices) - 1
        for index, breaker in enumerate(self._breakers):
            if breaker.admits or index == last:
                yield Call(self, index)

    def breaker(self, index: int) -> Breaker:
        return self._breakers[index]

    def tell(self, before: int) -> None:
        """The operator, where another serves than `before`."""
        now = self.serving
        if now == before:
            return
        engine, other = self.choices[now].name, self.choices[before].name
        if now > before:
            why = self._breakers[before].why
            log.warning("engine_took_over", kind=self._kind, engine=engine, instead_of=other, why=why)
        else:
            log.info("engine_back", kind=self._kind, engine=engine, instead_of=other)


class Call:
    """One call on one engine of a lineup; entered for as long as it runs. What was not said of it counts as nothing."""

    def __init__(self, lineup: Lineup, index: int) -> None:
        self.index = index
        self._lineup = lineup
        self._breaker = lineup.breaker(index)
        self._tries = False  # it holds the vendor's one try
        self._tried = False  # it was that, and has neither gone well nor failed yet

    def __enter__(self) -> "Call":
        self._tries = self._tried = self._breaker.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_try()

    def answers(self) -> None:
        """It has begun to: nobody needs to wait for how it goes on, which may be long, in a reply or a guess at one."""
        if self._tries:
            self._tries = False
            self._breaker.end_try()

    def succeeded(self) -> None:
        before = self._lineup.serving
        self._breaker.succeed()
        self._end_try()
        self._lineup.tell(before)

    def failed(self, error: ServiceError) -> None:
        """Of the request's own faults the vendor is not to blame."""
        if not error.of_request:
            before = self._lineup.serving
            self._breaker.fail(_why(error), tried=self._tried)
            self._end_try()
            self._lineup.tell(before)

    def _end_try(self) -> None:
        """What happens later in this call is no try any more."""
        self.answers()
        self._tried = False


def most_useful(errors: Sequence[E]) -> E:
    """What to say where all have failed: if any of them may go well next time, that; else what the first said."""
    return next((error for error in errors if error.retryable), errors[0])


def _why(error: ServiceError) -> Why:
    if error.timed_out:
        return "timeout"
    return "failed" if error.retryable else "refused"
