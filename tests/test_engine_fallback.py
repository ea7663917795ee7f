"""A server whose vendors die, and the person who talks to it meanwhile and hears an answer: a process of its own, the
vendors' simulators, and a client of the protocol alone."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import speech
from tests.protocol_client import Wire, audio, kinds
from tests.simulated_cloud import ARK_KEY, CloudServer, Simulators, simulators, until
from tests.simulators import bytedance, minimax
from tests.simulators.ark import MODEL, REFUSALS, REPLY, ArkSimulator, Behaviour, serve_ark

pytestmark = pytest.mark.slow

TURN = ["thinking", "audio_chunk", "audio_end", "response"]
SECOND_REPLY = '{"emotion": "calm", "jp": "代わりに話すね。", "cn": "我来代替说。"}\n'
PHRASE = "你叫什么名字"
LISTS = {
    "CHATANON_ENGINES__LLM": "doubao, openai",
    "CHATANON_ENGINES__TTS": "minimax, embedded",
    "CHATANON_ENGINES__ASR": "bytedance, embedded",
    "CHATANON_MODELS__OPENAI_LLM": MODEL,
    "CHATANON_TIMEOUTS__LLM_FIRST_TOKEN": "1",
    "CHATANON_TIMEOUTS__TTS_FIRST_AUDIO": "1",
    "OPENAI_API_KEY": ARK_KEY,
}


@contextmanager
def served(vendors: Simulators, folder: Path, **environment: str) -> Iterator[tuple[CloudServer, ArkSimulator]]:
    """With a second LLM, which is Ark's simulator, too."""
    with vendors.portal.wrap_async_context_manager(serve_ark(key=ARK_KEY)) as second:
        second.default = Behaviour(reply=SECOND_REPLY)
        vendors.reset()
        where = {"CHATANON_ENDPOINTS__OPENAI_LLM": second.endpoint}
        server = CloudServer(vendors, folder, **{**LISTS, **where, **environment})
        try:
            yield server, second
        finally:
            server.process.kill()


@pytest.fixture(scope="module")
def vendors() -> Iterator[Simulators]:
    with simulators() as running:
        yield running


def engines(server: CloudServer) -> dict[str, Wire]:
    found: dict[str, Wire] = server.process.get("/")[1]["engines"]
    return {kind: {**engine, "reason": ""} for kind, engine in found.items() if kind != "vad"}


def serving(name: str, *fallbacks: str, **out: str) -> Wire:
    return {"name": name, "reason": "", "fallbacks": list(fallbacks), **({"out": out} if out else {})}


WELL = {
    "llm": serving("doubao", "openai"),
    "tts": serving("minimax", "embedded"),
    "asr": serving("bytedance", "embedded"),
}


def test_a_caller_hears_an_answer_while_one_vendor_after_the_other_dies(vendors: Simulators, tmp_path: Path) -> None:
    with served(vendors, tmp_path) as (server, second):
        client = server.client()
        assert kinds(client.turn("你好")) == TURN and server.descriptors.all_whole
        assert engines(server) == WELL and server.process.get("/ready")[:2] == (200, {"status": "ready"})

        vendors.answer(then=Behaviour(refusal=REFUSALS["AuthenticationError"]))
        messages = client.turn("一")
        assert kinds(messages) == TURN and messages[-1]["content_cn"] == "我来代替说。"
        assert audio(messages) == vendors.pcm("代わりに話すね。", "calm")
        assert engines(server) == WELL | {"llm": serving("openai", doubao="refused")}
        assert server.process.get("/ready")[:2] == (200, {"status": "degraded"})

        vendors.fail_voice(minimax.Fault("text", stall=True, times=1e9))
        messages = client.turn("二")
        assert kinds(messages) == TURN and "audio_error" not in messages[-1] and audio(messages)

        vendors.bytedance.faults = [bytedance.Fault("final", drop=True, times=1e9)]
        pcm = speech.silence(0.5) + speech.say(PHRASE, "zh") + speech.silence(0.5)
        client.send("audio_message", audio_base64=base64.b64encode(pcm).decode())
        messages = client.until("response", "error")
        assert kinds(messages) == ["thinking", "transcription", "audio_chunk", "audio_end", "response"]
        heard = [message["text"] for message in messages if message["type"] == "transcription"]
        assert heard[-1] == PHRASE
        told = engines(server)
        assert told["tts"] == serving("embedded", minimax="timeout")
        assert told["asr"].pop("note") and told["asr"] == serving("embedded", bytedance="failed")

        assert [text for role, text, cut in server.rows() if role == "user"] == ["你好", "一", "二", PHRASE]
        assert [cut for *_, cut in server.rows()] == [False] * 8
        server.goodbye(client)
        events = server.process.events("engine_took_over")
        assert sorted(event["kind"] for event in events) == ["asr", "llm", "tts"]
        assert [message for message in client.said if message["type"] == "error"] == []
        vendors.portal.call(second.wait_idle)
        until(lambda: server.descriptors.all_whole, "nothing half closed is left")


def test_where_all_are_dead_one_error_is_said_and_the_connection_lives(vendors: Simulators, tmp_path: Path) -> None:
    with served(vendors, tmp_path) as (server, second):
        client = server.client()
        second.default = Behaviour(fault="drop_before_headers")
        for dead in (REFUSALS["AuthenticationError"], REFUSALS["ServerOverloaded"], REFUSALS["ServerOverloaded"]):
            vendors.answer(then=Behaviour(refusal=dead))
            messages = client.turn("你好")
            assert kinds(messages) == ["thinking", "error"] and messages[-1]["code"] == "llm_failed"
            assert messages[-1]["retryable"]
        second.default = Behaviour(reply=SECOND_REPLY)
        assert kinds(client.turn("还在吗？")) == TURN
        assert len(server.rows()) == 2
        server.goodbye(client)


def test_a_reply_that_breaks_off_is_not_begun_again_by_another(vendors: Simulators, tmp_path: Path) -> None:
    with served(vendors, tmp_path) as (server, second):
        client = server.client()
        vendors.answer(Behaviour(fault="drop", after=len(REPLY.splitlines()[0]) // 2))
        messages = client.turn("你好")
        assert messages[-1]["incomplete"] and messages[-1]["content_cn"].startswith("呀吼，今天你也来啦。")
        vendors.fail_voice(minimax.Fault("speech", drop=True, after_bytes=6400, times=1e9))
        messages = client.turn("你好")
        assert messages[-1]["audio_error"]["code"] == "tts_failed" and not second.requests
        server.goodbye(client)
        assert not [line for line in server.process.log if "Traceback" in line]
