"""Several LLMs as one: whoever fails before the first fragment of a reply is replaced by the next, within the turn.

Each has its own deadlines (BoundedLLM): a reply begins at the latest after the sum of their times for the first
fragment.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from services.base import LLM, LLMError, Prompt
from services.engine_choice import Vendor
from services.engine_settings import LLMSettings
from services.fallback.lineup import Lineup, most_useful
from services.llm_service import open_llm


@asynccontextmanager
async def open_llms(lineup: Lineup, settings_of: Callable[[Vendor], LLMSettings]) -> AsyncIterator[LLM]:
    """All of a lineup; one alone is handed on as it is.

    Raises (on entering):
        EngineUnavailable: one cannot be opened, with what to do.
    """
    async with AsyncExitStack() as stack:
        llms = [await stack.enter_async_context(open_llm(each, settings_of(each.vendor))) for each in lineup.choices]
        yield llms[0] if len(llms) == 1 else FallbackLLM(lineup, llms)


class FallbackLLM:
    """services.base.LLM over several. `llms` are those of the lineup."""

    def __init__(self, lineup: Lineup, llms: Sequence[LLM]) -> None:
        self._lineup = lineup
        self._llms = llms

    def prepare(self) -> None:
        self._llms[self._lineup.next_asked].prepare()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        errors: list[LLMError] = []
        for call in self._lineup.calls():
            begun = False
            with call:
                try:
                    async with aclosing(self._llms[call.index].stream(prompt)) as deltas:
                        async for delta in deltas:
                            if not begun:
                                begun = True
                                call.answers()
                            yield delta
                except LLMError as error:
                    if not (begun and error.too_long):  # it did answer, up to its greatest length
                        call.failed(error)
                    if begun or error.of_request:
                        raise
                    errors.append(error)
                except GeneratorExit:  # its turn has heard enough of an answer that there was
                    call.succeeded()
                    raise
                if begun:
                    call.succeeded()
                    return
        if errors:  # an answer without a word may be all that there is: what is said of that is decided above
            raise most_useful(errors)
