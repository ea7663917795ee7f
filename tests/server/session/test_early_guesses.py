"""A guess at every moment at which a turn, or nobody, may come for it; the LLM does what the test says, and when."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import pytest
from anyio.lowlevel import checkpoint

from server.session.early_llm import EarlyLLM
from services.base import LLMError, Message, Prompt

PROMPT, OTHER = (Prompt("anon", (Message("user", text),)) for text in ("早上好", "晚上好"))
LATE = LLMError("The model did not answer in time.", timed_out=True)
BROKEN = LLMError("The connection to the model broke.")

pytestmark = pytest.mark.anyio


class ByHand:
    """services.base.LLM. What it answers next is `error`, or a word for each place in `asked`, once it may."""

    def __init__(self) -> None:
        self.may = anyio.Event()
        self.error: LLMError | None = None
        self.asked: list[Prompt] = []
        self.open = 0

    def prepare(self) -> None:
        """Nothing can be."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        self.asked.append(prompt)
        number = len(self.asked)
        self.open += 1
        try:
            await self.may.wait()
            if self.error is not None:
                error, self.error = self.error, None
                raise error
            yield f"{number}"
            yield "!"
        finally:
            self.open -= 1


async def prompt() -> Prompt:
    await checkpoint()
    return PROMPT


async def ready_prompt() -> Prompt:
    return PROMPT


async def read(llm: EarlyLLM, asked: Prompt = PROMPT) -> str:
    async with aclosing(llm.stream(asked)) as deltas:
        return "".join([delta async for delta in deltas])


async def settle() -> None:
    """Until all tasks have come as far as they can."""
    for _ in range(20):
        await checkpoint()


@pytest.mark.parametrize("make", [prompt, ready_prompt])
async def test_a_guess_that_was_dropped_before_its_task_began_holds_no_stream(make: object) -> None:
    llm = ByHand()
    llm.may.set()
    early = EarlyLLM(llm)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(early.guess(make))  # type: ignore[arg-type]
        early.drop()
        await settle()
        assert llm.open == 0
        assert await read(early) == f"{len(llm.asked)}!"
    assert early._guess is None


async def test_the_later_of_two_guesses_is_the_one_that_is_held() -> None:
    llm = ByHand()
    llm.may.set()
    early = EarlyLLM(llm)

    async def other() -> Prompt:
        return OTHER

    async with anyio.create_task_group() as tasks:
        first, second = early.guess(other), early.guess(prompt)
        tasks.start_soon(second)
        tasks.start_soon(first)
        await settle()
        assert llm.open == 1
        assert await read(early) == f"{llm.asked.index(PROMPT) + 1}!"
    assert llm.open == 0


@pytest.mark.parametrize(
    ("error", "waited", "asked"),
    [(LATE, True, 1), (LATE, False, 2), (BROKEN, True, 2), (BROKEN, False, 2)],
)
async def test_a_deadline_that_passed_while_the_turn_waited_is_not_waited_for_again(
    error: LLMError, waited: bool, asked: int
) -> None:
    llm = ByHand()
    llm.error = error
    early = EarlyLLM(llm)
    heard: list[str] = []

    async def turn() -> None:
        try:
            heard.append(await read(early))
        except LLMError as failed:
            heard.append(str(failed))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(early.guess(prompt))
        await settle()
        if waited:
            tasks.start_soon(turn)
            await settle()
        llm.may.set()
        await settle()
        if not waited:
            tasks.start_soon(turn)
    assert heard == [str(error) if asked == 1 else "2!"]
    assert len(llm.asked) == asked and llm.open == 0
