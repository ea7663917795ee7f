"""Models that ignore the reply contract, over the vendor's own socket: what is said, shown and kept of their text."""

from collections.abc import Iterator

import anyio
import pytest

from tests.protocol_client import audio, kinds
from tests.simulated_cloud import CloudServer, simulators
from tests.simulators.ark import Behaviour

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    """The simulated LLM, and the embedded voice."""
    with simulators() as vendors:
        server = CloudServer(vendors, tmp_path_factory.mktemp("plain"), CHATANON_ENGINES__TTS="embedded")
        try:
            yield server
        finally:
            server.process.kill()


def test_plain_text_is_heard_before_the_model_has_written_it_all(server: CloudServer) -> None:
    gate = server.vendors.portal.call(anyio.Event)
    text = "こんにちは！今日はいい天気だね。散歩に行こうよ。"
    server.vendors.answer(Behaviour(reply=text, token_chars=1, after=len("こんにちは！今"), gate=gate))
    client = server.client("sentences")
    client.send("message", content="你好")
    before = client.until("audio_chunk")  # would never come: the model writes no further until it did
    assert [message["content_jp"] for message in before if message["type"] == "sentence"] == ["こんにちは！"]
    server.vendors.portal.call(gate.set)
    *_, response = after = client.until("response")
    assert response["content_jp"] == response["content_cn"] == text
    assert [message["content_jp"] for message in after if message["type"] == "sentence"] == [
        "今日はいい天気だね。",
        "散歩に行こうよ。",
    ]
    assert "audio_error" not in response and "incomplete" not in response


def test_what_a_japanese_voice_cannot_say_is_shown_and_the_response_says_why(server: CloudServer) -> None:
    text = "你好！我是爱音。"
    server.vendors.answer(Behaviour(reply=text))
    messages = server.client().turn("你好")
    assert kinds(messages) == ["thinking", "audio_end", "response"]
    assert messages[-1]["content_cn"] == text
    assert messages[-1]["audio_error"]["code"] == "tts_failed"


def test_thoughts_and_marks_reach_neither_the_voice_nor_the_page_nor_the_history(server: CloudServer) -> None:
    draft = '{"emotion":"sad","jp":"さようなら。","cn":"再见。"}'
    line = '{"emotion":"happy","jp":"うん！<|im_end|>","cn":"嗯！<|im_end|>"}'
    server.vendors.answer(Behaviour(reply=f"<think>草稿：{draft} 不好。</think>\n{line}"))
    messages = server.client().turn("你好")
    assert (messages[-1]["content_jp"], messages[-1]["content_cn"], messages[-1]["emotion"]) == (
        "うん！",
        "嗯！",
        "happy",
    )
    assert audio(messages)
    assert [text for _, text, _ in server.rows()][-2:] == ["你好", "嗯！"]


def test_a_call_of_a_tool_alone_is_an_empty_answer(server: CloudServer) -> None:
    call = '<|FunctionCallBegin|>[{"name":"get_weather","parameters":{"city":"Beijing"}}]<|FunctionCallEnd|>'
    server.vendors.answer(then=Behaviour(reply=call))
    client = server.client()
    client.send("message", content="你好")
    assert client.until("error")[-1]["code"] == "llm_failed"
