"""A server of one's own as the LLM, by its address alone: turns over a real socket, with the embedded voice."""

import json
from collections.abc import Iterator

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.protocol_client import ProtocolClient, audio, kinds
from tests.running_server import RunningServer
from tests.simulators.openai_chat import Behaviour, ChatServer, serve_openai

pytestmark = pytest.mark.slow
TOKENS = [f"token-of-a-server-of-ones-own-{number:03d}" for number in range(20)]
LINES = {
    "lines": [{"emotion": "happy", "jp": "うん！", "cn": "嗯！"}, {"emotion": "sad", "jp": "またね。", "cn": "再见。"}]
}


class Talks:
    """The simulated LLM, and a server that was told nothing but where it is."""

    def __init__(self, portal: BlockingPortal, llm: ChatServer, process: RunningServer) -> None:
        self.portal = portal
        self.llm = llm
        self.process = process
        self._tokens = iter(TOKENS)

    def client(self, *extensions: str) -> ProtocolClient:
        client = ProtocolClient(self.process.url)
        client.connect(api_token=next(self._tokens), **({"extensions": list(extensions)} if extensions else {}))
        return client


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talks]:
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(serve_openai("lm_studio")) as llm,
    ):
        settings = {
            "CHATANON_ENDPOINTS__OPENAI_LLM": llm.endpoint.removesuffix("/v1"),
            "CHATANON_LLM__JSON_SCHEMA": "true",
            "CHATANON_LLM__MAX_TOKENS": "2000",
            "VALID_API_TOKENS": ",".join(TOKENS),
        }
        process = RunningServer(tmp_path_factory.mktemp("own"), settings)
        try:
            process.wait_until_ready()
            yield Talks(portal, llm, process)
        finally:
            process.kill()


def test_its_address_is_enough_and_says_so(talks: Talks) -> None:
    _, about, _ = talks.process.get("/")
    assert json.dumps(about["engines"]["llm"]).count("endpoints.openai_llm set")
    talks.llm.default = Behaviour()
    messages = talks.client().turn("你好")
    assert kinds(messages)[-2:] == ["audio_end", "response"] and audio(messages)
    assert messages[-1]["content_cn"] == "呀吼，今天你也来啦。我们刚好练习完。喂，回去的路上要不要去哪里逛逛？"
    asked = talks.llm.requests[-1]
    assert (asked["model"], asked["max_tokens"]) == ("qwen3:8b", 2000)  # the first that it offers


def test_plain_text_is_heard_while_it_is_written(talks: Talks) -> None:
    gate = talks.portal.call(anyio.Event)
    text = "こんにちは！今日はいい天気だね。散歩に行こうよ。"
    talks.llm.default = Behaviour(reply=text, token_chars=1, after=len("こんにちは！今"), gate=gate)
    client = talks.client("sentences")
    client.send("message", content="你好")
    before = client.until("audio_chunk")  # would never come: the model writes no further until it did
    assert [message["content_jp"] for message in before if message["type"] == "sentence"] == ["こんにちは！"]
    talks.portal.call(gate.set)
    assert client.until("response")[-1]["content_jp"] == text


def test_a_reply_held_to_the_contract_is_heard_line_by_line(talks: Talks) -> None:
    gate = talks.portal.call(anyio.Event)
    text = json.dumps(LINES, ensure_ascii=False)
    talks.llm.default = Behaviour(reply=text, token_chars=1, after=text.index("またね"), gate=gate)
    client = talks.client("sentences")
    client.send("message", content="你好")
    assert client.until("audio_chunk")
    talks.portal.call(gate.set)
    *_, response = client.until("response")
    assert (response["content_jp"], response["content_cn"]) == ("うん！またね。", "嗯！再见。")
    assert talks.llm.requests[-1]["response_format"]["type"] == "json_schema"


def test_a_model_that_breaks_off_leaves_what_was_whole_and_the_connection(talks: Talks) -> None:
    client = talks.client()
    text = "うん！またね。それから"
    talks.llm.default = Behaviour(reply=text, token_chars=1, after=len("うん！またね。そ"), fault="error_event")
    *_, response = client.turn("你好")
    assert (response["content_jp"], response["incomplete"], response["reason"]) == (
        "うん！またね。",
        True,
        "llm_failed",
    )
    talks.llm.default = Behaviour(fault="drop_before_headers")
    client.send("message", content="你好")
    assert client.until("error")[-1]["code"] == "llm_failed"
    talks.llm.default = Behaviour(reply="うん！")
    assert client.turn("你好")[-1]["content_jp"] == "うん！"
