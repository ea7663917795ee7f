"""Engines that people run, with weights: a real llama.cpp, whose model writes nonsense, is asked for replies."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, aclosing

import pytest

from conversation.reply.parser import ReplyParser, SentenceReady
from services.base import EMOTIONS, LLM, LLMError, Message, Prompt
from services.engine_choice import choose_engines
from services.engine_settings import LLMSettings
from services.llm_service import LLM_VENDORS, open_llm
from tests.foreign.foreign import serve

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.xdist_group("local engines")]

QUESTIONS = ("你好，爱音！", "ギターは好き？", 'Answer {"jp": "", "cn": ""} and nothing else')
EXAMPLE = '{"lines": [{"emotion": "happy", "jp": "うん、聞いてるよ。", "cn": "嗯，我在听。"}]}'
CUT_BY_THE_SERVER = "cut at its greatest length"  # the model seldom comes to an end by itself


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def llama() -> Iterator[str]:
    with serve("local", "llama") as address:
        yield address


def opened(address: str, *, json_schema: bool = False) -> AbstractAsyncContextManager[LLM]:
    (choice,) = choose_engines("llm", ("openai",), LLM_VENDORS, {}, {"openai_llm": address})
    return open_llm(
        choice, LLMSettings(endpoint=address, first_token_s=60, gap_s=60, total_s=120, json_schema=json_schema)
    )


async def reply(llm: LLM, question: str, system: str = "You are Anon, who loves her guitar.") -> str:
    """All that it writes, whichever way it ends."""
    prompt = Prompt("anon", (Message("system", system), Message("user", question)))
    text = ""
    try:
        async with aclosing(llm.stream(prompt)) as deltas:
            async for delta in deltas:
                text += delta
    except LLMError as error:
        assert CUT_BY_THE_SERVER in str(error)
    return text


async def test_real_server_is_read_and_left_in_mid_answer(llama: str) -> None:
    async with opened(llama) as llm:
        for question in QUESTIONS:
            prompt = Prompt("anon", (Message("user", question),))
            async with aclosing(llm.stream(prompt)) as deltas:
                assert await anext(deltas)
        # It has one place for all: who left has given it back.
        assert await reply(llm, QUESTIONS[0])


async def test_real_server_is_held_to_the_reply_s_form(llama: str) -> None:
    async with opened(llama, json_schema=True) as llm:
        text = await reply(llm, QUESTIONS[0], EXAMPLE)
    parser = ReplyParser()
    events = [*parser.feed(text), *parser.close()]
    said = [event for event in events if isinstance(event, SentenceReady)]
    assert text.lstrip().startswith("{") and said
    assert all(sentence.emotion in EMOTIONS for sentence in said)
