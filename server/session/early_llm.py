"""Guesses of what a user will have said, as prompts, in; an LLM that has begun to answer the right one, out.

Nothing of a guess is seen by anybody before a turn asks for exactly that prompt: all of the past, the character and
every word are in it, so that whatever has changed meanwhile makes it another one. A guess that was wrong is closed at
once, and costs what the vendor has written until then.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import partial

import anyio
import structlog

from services.base import LLM, LLMError, Prompt

log = structlog.get_logger()

MakePrompt = Callable[[], Awaitable[Prompt]]


class EarlyLLM:
    """Of one session: the LLM of its turns. At most one guess is being answered."""

    def __init__(self, llm: LLM) -> None:
        self._llm = llm
        self._guess: _Guess | None = None
        self._asked = 0  # since this was told last
        self._used = 0

    def prepare(self) -> None:
        """As in LLM."""
        self._llm.prepare()

    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        """As in LLM; the answer to a guess that was right has begun already."""
        guess = self._guess
        if guess is not None and guess.prompt == prompt:
            return self._answer(guess, prompt)
        self.drop()
        return self._llm.stream(prompt)

    def guess(self, make_prompt: MakePrompt) -> Callable[[], Coroutine[None, None, None]]:
        """Guess; one before it was wrong. What is returned asks, in a task of its own, and ends when the guess has been
        used or dropped: it may be dropped before that task has begun, and then asks nothing."""
        self.drop()
        guess = self._guess = _Guess()
        return partial(guess.hold, make_prompt, self._start)

    def drop(self) -> None:
        """Whatever was guessed was wrong, or is over."""
        if self._guess is not None:
            self._guess.drop()
            self._guess = None

    def told(self) -> dict[str, dict[str, int]]:
        """For the log of a turn: how many guesses were made since the turn before; nothing where there was none."""
        asked, used, self._asked, self._used = self._asked, self._used, 0, 0
        return {"llm_speculations": {"asked": asked, "used": used, "thrown_away": asked - used}} if asked else {}

    def _start(self, prompt: Prompt) -> AsyncGenerator[str]:
        self._asked += 1
        return self._llm.stream(prompt)

    async def _answer(self, guess: "_Guess", prompt: Prompt) -> AsyncGenerator[str]:
        try:
            deltas = await guess.take()
        finally:
            self.drop()  # where somebody was cancelled while waiting; nothing once it was taken
        taken = deltas is not None
        if deltas is not None:
            self._used += 1
        else:  # it failed, and nobody has seen anything of it
            deltas = self._llm.stream(prompt)
        async with aclosing(deltas):
            if taken and guess.first is not None:
                yield guess.first
            async for delta in deltas:
                yield delta


class _Guess:
    """One request to the LLM; its stream is closed by the task that opened it, or by who took it over."""

    def __init__(self) -> None:
        self.prompt: Prompt | None = None  # not known yet
        self.first: str | None = None  # of its answer; None: there is none
        self._deltas: AsyncGenerator[str] | None = None
        self._late: LLMError | None = None  # nothing came of it within the LLM's deadline
        self._scope = anyio.CancelScope()
        self._settled = anyio.Event()  # the first of the answer is there, or none will be
        self._taken = anyio.Event()

    async def hold(self, make_prompt: MakePrompt, start: Callable[[Prompt], AsyncGenerator[str]]) -> None:
        with self._scope:
            try:
                self.prompt = await make_prompt()
                self._deltas = start(self.prompt)
                self.first = await anext(self._deltas, None)
                self._settled.set()
                await self._taken.wait()
            except LLMError as error:
                self._deltas = None
                self._late = error if error.timed_out else None
                log.info("llm_speculation_failed", error=str(error))
            except Exception:  # the turn asks again, and fails where its failures are told
                self._deltas = None
                log.exception("llm_speculation_failed")
            finally:
                self._settled.set()
                if self._deltas is not None and not self._taken.is_set():
                    await self._deltas.aclose()

    async def take(self) -> AsyncGenerator[str] | None:
        """The rest of the answer behind `first`, which whoever took it closes; None where there is none to be had.

        Raises:
            LLMError: the LLM's deadline passed while this waited; asking anew would make the user wait for it twice.
        """
        waited = not self._settled.is_set()
        await self._settled.wait()
        if waited and self._late is not None:
            raise self._late
        if self._deltas is None or self._scope.cancel_called:  # dropped while it was waited for
            return None
        self._taken.set()
        return self._deltas

    def drop(self) -> None:
        if not self._taken.is_set():
            self._scope.cancel()
