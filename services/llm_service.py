"""A vendor's name in, an opened LLM out; deadlines and the one retry are the same for all of them."""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from importlib import import_module
from time import monotonic
from typing import Final, Protocol, runtime_checkable

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from services.base import LLM, LLMError, Prompt
from services.engine_choice import EngineChoice, Vendor
from services.engine_deadline import Deadline
from services.engine_settings import LLMSettings

# In order of preference; the last needs no secret. A new vendor is a folder under services/vendors and a row here.
LLM_VENDORS: Mapping[str, Vendor] = {
    "doubao": Vendor("services.vendors.ark.llm", secrets=("DOUBAO_API_KEY",), endpoint="llm", model="llm_model"),
    "openai": Vendor("services.vendors.openai.llm", endpoint="openai_llm", model="openai_llm", own_server=True),
    "embedded": Vendor("services.vendors.embedded.llm"),
}

RETRY_WAIT_S: Final = 0.1  # at least, and up to as much and RETRY_JITTER_S: somebody is listening to the silence
RETRY_JITTER_S: Final = 0.4
MAX_TOLD_WAIT_S: Final = 2.0  # a vendor that asks for a longer pause is not asked again in this turn


@asynccontextmanager
async def open_llm(choice: EngineChoice, settings: LLMSettings) -> AsyncIterator[LLM]:
    """Open the chosen LLM for this process; its module is imported only now.

    Raises (on entering):
        EngineUnavailable: it cannot be opened, with what to do.
    """
    opened: AbstractAsyncContextManager[LLM] = import_module(choice.vendor.module).open_llm(settings)
    async with opened as llm:
        yield BoundedLLM(llm, settings)


@runtime_checkable
class FindsOutWhetherItStreams(Protocol):
    """An LLM that may be served otherwise than it is set; the deadlines are those of what it does."""

    @property
    def streams(self) -> bool: ...


class BoundedLLM:
    """Another LLM, asked a second time where that helps, and never waited for without end.

    - Until the first fragment: `first_token_s`, in which both calls and the pause between them must fit. An LLM that
      does not stream gives its whole answer as one fragment, and has `total_s` for it.
    - Then `gap_s` for each next one, and `total_s` for all waiting together. Time the caller spends between fragments
      (a voice that speaks slower than the LLM thinks) is the caller's own and does not count.
    - A second call is made only if the first failed before its first fragment, with an error that is `retryable`: then
      nothing was shown or spoken yet. An LLM that was silent for its time is not given that time again.
    """

    def __init__(self, llm: LLM, settings: LLMSettings) -> None:
        self._llm = llm
        self._streams = settings.stream
        self._first_s = min(settings.first_token_s, settings.total_s)
        self._gap_s = settings.gap_s
        self._total_s = settings.total_s

    def prepare(self) -> None:
        self._llm.prepare()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        began = monotonic()
        streams = self._llm.streams if isinstance(self._llm, FindsOutWhetherItStreams) else self._streams
        due = Deadline()
        with due.within(self._first_s if streams else self._total_s):
            deltas, delta = await self._begin(prompt)
        if due.passed:
            raise LLMError("The language model did not begin to answer in time.", timed_out=True)
        left_s = self._total_s - (monotonic() - began)
        async with aclosing(deltas):
            while delta is not None:
                yield delta
                asked = monotonic()
                with due.within(min(self._gap_s, left_s)):
                    delta = await anext(deltas, None)
                left_s -= monotonic() - asked
                if due.passed and left_s > 0:
                    raise LLMError("The language model stopped in the middle of its answer.", timed_out=True)
                if due.passed:
                    raise LLMError("The language model took too long to finish its answer.", timed_out=True)

    async def _begin(self, prompt: Prompt) -> tuple[AsyncGenerator[str], str | None]:
        """The fragments and the first of them (None: there is none). A call that failed has already closed itself."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_helps_to_ask_again),
            stop=stop_after_attempt(2),
            wait=_pause,
            before_sleep=_log_retry,
            reraise=True,
        ):
            with attempt:
                deltas = self._llm.stream(prompt)
                return deltas, await anext(deltas, None)
        raise AssertionError("the retry ends in an answer or in an error")


def _helps_to_ask_again(error: BaseException) -> bool:
    return (
        isinstance(error, LLMError)
        and error.retryable
        and not error.timed_out
        and error.not_before_s <= MAX_TOLD_WAIT_S
    )


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    told_s = error.not_before_s if isinstance(error, LLMError) else 0.0
    return told_s + RETRY_WAIT_S + random.uniform(0, RETRY_JITTER_S)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    structlog.get_logger().warning("llm_asked_again", why=str(error), pause_s=round(state.upcoming_sleep, 2))
