"""Engines that people run, with weights: a real llama.cpp, whose model writes nonsense, and Kokoro, who speaks well."""

import sysconfig
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, aclosing

import numpy as np
import pytest

from conversation.reply.parser import ReplyParser, SentenceReady
from services.base import EMOTIONS, LLM, LLMError, Message, Prompt, Voice
from services.engine_choice import choose_engines
from services.engine_settings import LLMSettings, TTSSettings
from services.llm_service import LLM_VENDORS, open_llm
from services.tts_service import TTS_VENDORS, open_tts
from services.vendors.openai.voice import OpenAIVoice
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


SPOKEN = "こんにちは、今日はいい天気ですね。"
RATE_HZ = 16_000  # which is not Kokoro's own


async def test_real_voice_is_heard_and_left_in_mid_sentence() -> None:
    voice = Voice(options=OpenAIVoice(voice_id="jf_alpha"))
    with serve("local", "kokoro", sysconfig.get_paths()["purelib"]) as address:
        (choice,) = choose_engines("tts", ("openai",), TTS_VENDORS, {}, {"openai_tts": address})
        settings = TTSSettings(address, "kokoro", RATE_HZ, first_audio_s=60, gap_s=60)
        async with open_tts(choice, settings) as tts, tts.open_synthesis(voice) as synthesis:
            async with aclosing(synthesis.synthesize(SPOKEN, "auto")) as left:
                await anext(left)
            pcm = b"".join([piece async for piece in synthesis.synthesize(SPOKEN, "happy")])
    samples = np.frombuffer(pcm, "<i2").astype(float)
    morae, per_s = 18, (4, 12)  # nobody speaks slower or faster
    assert per_s[0] < morae / (len(samples) / RATE_HZ) < per_s[1]
    assert 500 < np.sqrt(np.mean(samples**2)) < 10_000 and np.abs(samples).max() > 3_000
