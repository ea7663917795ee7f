"""Ark's client against the strict simulator: real HTTP on loopback, every row of the vendor's page.

(Over 400 lines: one vendor, one page, one file.)
"""

import gzip
import shutil
import socket
import ssl
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.base import LLM, LLMError, Message, Prompt
from services.chat_completions.answer import MAX_BODY_BYTES, EventStream, Reply
from services.chat_completions.exchange import MAX_CONNECTIONS
from services.engine_choice import EngineUnavailable
from services.engine_settings import LLMSettings
from services.vendors.ark.llm import open_llm
from tests.simulators.ark import MODEL, REFUSALS, REPLY, ArkSimulator, Behaviour, Refusal, serve_ark

KEY = "sk-of-the-tests-0123456789"
PROMPT = Prompt("anon", (Message("system", "你是爱音。"), Message("user", "你好，<爱音>！")))


@pytest.fixture
async def ark() -> AsyncIterator[ArkSimulator]:
    async with serve_ark(key=KEY) as simulator:
        yield simulator
        with anyio.fail_after(60):
            await simulator.wait_idle()  # whatever a test did, no request is left open


def settings_for(ark: ArkSimulator) -> LLMSettings:
    return LLMSettings(endpoint=ark.endpoint, model=MODEL, secrets={"DOUBAO_API_KEY": KEY})


async def read(llm: LLM) -> tuple[str, LLMError | None]:
    """The whole text, and the error it ended in."""
    text = ""
    try:
        async with aclosing(llm.stream(PROMPT)) as deltas:
            async for delta in deltas:
                assert delta
                text += delta
    except LLMError as error:
        return text, error
    return text, None


async def ask(settings: LLMSettings) -> tuple[str, LLMError | None]:
    async with open_llm(settings) as llm:
        return await read(llm)


async def expect_error(settings: LLMSettings) -> LLMError:
    text, error = await ask(settings)
    assert error is not None and text == ""
    return error


# --- the text


@pytest.mark.parametrize("framing", ["event", "coalesced", "cut", "crlf", "comments"])
async def test_the_text_is_the_same_however_the_bytes_arrive(ark: ArkSimulator, framing: str) -> None:
    ark.default = Behaviour(framing=framing)  # type: ignore[arg-type]
    assert await ask(settings_for(ark)) == (REPLY, None)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(token_chars=1),
        Behaviour(token_chars=10_000),
        Behaviour(finish_with_text=True),
        Behaviour(empty_deltas=True),
        Behaviour(escaped=True),
        Behaviour(fault="no_done"),
        Behaviour(fault="stall_at_end"),
    ],
)
async def test_shapes_the_page_allows_or_leaves_open_lose_nothing(ark: ArkSimulator, behaviour: Behaviour) -> None:
    ark.default = behaviour
    assert await ask(settings_for(ark)) == (REPLY, None)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("effort", ["minimal", "low", "high", ""])
async def test_thoughts_are_never_handed_out(ark: ArkSimulator, stream: bool, effort: str) -> None:
    assert await ask(replace(settings_for(ark), stream=stream, reasoning_effort=effort)) == (REPLY, None)


async def test_the_request_holds_what_the_page_asks_for_and_nothing_else(ark: ArkSimulator) -> None:
    await ask(settings_for(ark))
    await ask(replace(settings_for(ark), stream=False, reasoning_effort=""))
    messages = [{"role": "system", "content": "你是爱音。"}, {"role": "user", "content": "你好，<爱音>！"}]
    common = {"model": MODEL, "messages": messages}
    streamed = {"stream": True, "stream_options": {"include_usage": True}, "reasoning_effort": "minimal"}
    assert ark.requests == [common | streamed, common | {"stream": False}]


@pytest.mark.parametrize("stream", [True, False])
async def test_usage_is_logged_and_nothing_of_the_talk(ark: ArkSimulator, stream: bool) -> None:
    with capture_logs() as logs:
        await ask(replace(settings_for(ark), stream=stream))
    (event,) = logs
    assert event["event"] == "llm_usage" and event["log_level"] == "debug"
    assert event["usage"]["prompt_tokens"] > 0 and event["request_id"].startswith("02")
    assert "爱音" not in str(event) and KEY not in str(event)


async def test_turns_share_one_connection(ark: ArkSimulator) -> None:
    async with open_llm(settings_for(ark)) as llm:
        for _ in range(3):
            assert await read(llm) == (REPLY, None)
        ark.plan(Behaviour(refusal=REFUSALS["InternalServiceError"]))
        await read(llm)
        await read(llm)
    assert len(ark.connections) == 1


async def test_leaving_early_closes_the_vendors_stream_and_gives_the_connection_back(ark: ArkSimulator) -> None:
    ark.default = Behaviour(fault="stall", after=1)
    async with open_llm(settings_for(ark)) as llm:
        for _ in range(MAX_CONNECTIONS + 1):  # one more than there are places, so none was lost
            async with aclosing(llm.stream(PROMPT)) as deltas:
                assert await anext(deltas)
        with anyio.fail_after(60):
            await ark.wait_idle()
        ark.default = Behaviour()
        assert await read(llm) == (REPLY, None)


# --- refusals: what the person is told, and whether trying again helps

WORDS = {
    "MissingParameter": ("settings", False),
    "InvalidParameter": ("settings", False),
    "InvalidEndpoint.ClosedEndpoint": ("switched off", True),
    "AuthenticationError": ("key", False),
    "AccessDenied": ("account", False),
    "OperationDenied.ServiceNotOpen": ("account", False),
    "AccountOverdueError": ("quota", False),
    "InvalidEndpointOrModel.NotFound": ("name", False),
    "InvalidEndpointOrModel.ModelIDAccessDisabled": ("name", False),
    "ModelNotOpen": ("name", False),
    "UnsupportedModel": ("name", False),
    "QuotaExceeded": ("quota", False),
    "AccountQuotaExceeded": ("quota", False),
    "SetLimitExceeded": ("quota", False),
    "InternalServiceError": ("own side", True),
}


def expected(code: str) -> tuple[str, bool]:
    return WORDS.get(code) or (("too busy", True) if REFUSALS[code].status == 429 else ("sensitive content", False))


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("code", list(REFUSALS))
async def test_every_code_of_the_page_is_told_in_our_words(ark: ArkSimulator, code: str, stream: bool) -> None:
    ark.default = Behaviour(refusal=REFUSALS[code])
    error = await expect_error(replace(settings_for(ark), stream=stream))
    word, retryable = expected(code)
    assert word in str(error) and error.retryable is retryable and not error.timed_out
    told = "".join(traceback.format_exception(error))
    assert REFUSALS[code].message not in told and KEY not in told
    assert "://" not in str(error) and code not in str(error)


async def test_a_code_beneath_a_known_one_counts_as_it(ark: ArkSimulator) -> None:
    ark.default = Behaviour(refusal=Refusal(429, "QuotaExceeded.SomethingNew.Deeper"))
    assert "quota" in str(await expect_error(settings_for(ark)))


@pytest.mark.parametrize(
    ("status", "word", "retryable"),
    [
        (307, "address", False),
        (400, "settings", False),
        (401, "key", False),
        (402, "quota", False),
        (403, "account", False),
        (404, "name", False),
        (405, "address", False),
        (429, "too busy", True),
        (500, "own side", True),
        (502, "own side", True),
        (503, "own side", True),
        (504, "own side", True),
    ],
)
async def test_the_html_of_a_gateway_falls_back_on_the_status(
    ark: ArkSimulator, status: int, word: str, retryable: bool
) -> None:
    page = b"<html>" + b"x" * (2 * MAX_BODY_BYTES if status == 502 else 10)
    ark.default = Behaviour(refusal=Refusal(status, html=page, headers={"Location": "/elsewhere"}))
    error = await expect_error(settings_for(ark))
    assert word in str(error) and error.retryable is retryable
    assert ark.misled == 0  # redirects are never followed


async def test_a_page_where_an_answer_should_be_points_to_the_endpoint(ark: ArkSimulator) -> None:
    ark.default = Behaviour(raw=b"<html>Welcome</html>", raw_headers={"Content-Type": "text/html"})
    error = await expect_error(settings_for(ark))
    assert "endpoint" in str(error) and not error.retryable


async def test_the_vendor_itself_refuses_a_wrong_key_path_model_and_effort(ark: ArkSimulator) -> None:
    good = settings_for(ark)
    for settings, word in (
        (replace(good, secrets={"DOUBAO_API_KEY": "wrong"}), "key"),
        (replace(good, endpoint=good.endpoint.replace("/api/v3", "/api/plan/v3")), "key"),
        (replace(good, endpoint=good.endpoint + "/v9"), "name"),
        (replace(good, model="doubao-unheard-of"), "name"),
    ):
        assert word in str(await expect_error(settings))
    assert await ask(replace(good, reasoning_effort="max")) == (REPLY, None)  # asked again without it
    assert [body.get("reasoning_effort") for body in ark.requests[-2:]] == ["max", None]


async def test_an_operators_problem_is_logged_once_with_the_vendors_request_id(ark: ArkSimulator) -> None:
    ark.default = Behaviour(refusal=REFUSALS["AuthenticationError"])
    async with open_llm(settings_for(ark)) as llm:
        with capture_logs() as logs:
            await read(llm)
            await read(llm)
            ark.default = Behaviour(refusal=REFUSALS["SetLimitExceeded"])
            await read(llm)
    assert [(log["log_level"], log["code"]) for log in logs] == [
        ("error", "AuthenticationError"),
        ("error", "SetLimitExceeded"),
    ]
    assert logs[0]["request_id"] == "02178116109007sim"
    assert KEY not in str(logs) and "爱音" not in str(logs)


# --- streams that break


@pytest.mark.parametrize("fault", ["drop", "end_early", "error_event", "garbage", "bad_utf8", "deep", "endless_event"])
async def test_a_stream_that_breaks_keeps_its_text_and_ends_in_a_retryable_error(ark: ArkSimulator, fault: str) -> None:
    ark.default = Behaviour(fault=fault, after=4, token_chars=5)  # type: ignore[arg-type]
    text, error = await ask(settings_for(ark))
    assert text == REPLY[:20] and error is not None and error.retryable and not error.timed_out


@pytest.mark.parametrize("stream", [True, False])
async def test_a_text_cut_off_by_the_filter_is_sensitive_content(ark: ArkSimulator, stream: bool) -> None:
    ark.default = Behaviour(finish_reason="content_filter", framing="coalesced")
    text, error = await ask(replace(settings_for(ark), stream=stream))
    assert text == REPLY and error is not None and "sensitive content" in str(error) and not error.retryable


WHOLE = b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"x","role":"assistant"}}]}'


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"choices":[]}', b"[" * 100_000, WHOLE[:-1], WHOLE + b" " * MAX_BODY_BYTES]
)
async def test_a_whole_answer_that_is_none_is_a_retryable_error(ark: ArkSimulator, body: bytes) -> None:
    ark.default = Behaviour(raw=body, raw_headers={"Content-Type": "application/json"})
    assert (await expect_error(replace(settings_for(ark), stream=False))).retryable


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", WHOLE),
        ("application/json; charset=utf-8", WHOLE),
        ("text/event-stream", b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'),
    ],
)
async def test_a_right_answer_of_the_other_kind_is_an_answer(
    ark: ArkSimulator, stream: bool, kind: str, body: bytes
) -> None:
    """Some servers cannot stream, and some always do."""
    ark.default = Behaviour(raw=body, raw_headers={"Content-Type": kind})
    assert await ask(replace(settings_for(ark), stream=stream)) == ("x", None)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_reply_cut_at_the_models_own_length_says_so(ark: ArkSimulator, stream: bool) -> None:
    ark.default = Behaviour(finish_reason="length")
    text, error = await ask(replace(settings_for(ark), stream=stream))
    assert text == REPLY and error is not None and error.too_long


async def test_a_compressed_answer_is_never_unpacked(ark: ArkSimulator) -> None:
    headers = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
    ark.default = Behaviour(raw=gzip.compress(VLLM.encode()), raw_headers=headers)  # could be a bomb; we asked for none
    assert (await expect_error(settings_for(ark))).retryable


# --- the way there


async def test_connection_refused_is_retryable(ark: ArkSimulator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        settings = replace(settings_for(ark), endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}/api/v3")
        error = await expect_error(settings)
    assert error.retryable and not error.timed_out


async def test_connecting_has_its_own_deadline(ark: ArkSimulator) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # a queue of one; nobody accepts
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        endpoint = f"http://127.0.0.1:{full.getsockname()[1]}/api/v3"
        with anyio.fail_after(60):
            error = await expect_error(replace(settings_for(ark), endpoint=endpoint, connect_s=0.2))
    assert error.timed_out and error.retryable


async def test_tls_that_fails_is_retryable(ark: ArkSimulator) -> None:
    error = await expect_error(replace(settings_for(ark), endpoint=ark.endpoint.replace("http:", "https:")))
    assert error.retryable and "reached" in str(error)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command to make a certificate")
async def test_an_invalid_certificate_is_refused_and_logged(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    await anyio.run_process([*command.split(), "-keyout", str(key), "-out", str(certificate)])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    runner = web.AppRunner(web.Application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        endpoint = f"https://localhost:{runner.addresses[0][1]}/api/v3"
        with capture_logs() as logs:
            error = await expect_error(LLMSettings(endpoint=endpoint, model=MODEL, secrets={"DOUBAO_API_KEY": KEY}))
    finally:
        await runner.cleanup()
    assert "certificate" in str(error) and not error.retryable
    assert [log["log_level"] for log in logs] == ["error"]


# --- prepared ahead of a prompt


async def until_connected(ark: ArkSimulator, count: int = 1) -> None:
    with anyio.fail_after(60):
        while ark.open_connections != count:
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()


async def test_a_prompt_that_was_prepared_for_opens_no_connection(ark: ArkSimulator) -> None:
    async with open_llm(settings_for(ark)) as llm:
        llm.prepare()
        await until_connected(ark)
        assert ark.requests == []  # nothing was said over it
        assert await read(llm) == (REPLY, None)
        assert ark.open_connections == len(ark.connections) == 1


async def test_what_is_there_is_not_prepared_again(ark: ArkSimulator) -> None:
    async with open_llm(settings_for(ark)) as llm:
        for _ in range(50):
            llm.prepare()
        await until_connected(ark)
        await read(llm)
        for _ in range(3):
            llm.prepare()
            await anyio.wait_all_tasks_blocked()
        assert ark.open_connections == 1
    await until_connected(ark, 0)


async def test_a_connection_is_prepared_beside_those_that_are_busy(ark: ArkSimulator) -> None:
    async with open_llm(settings_for(ark)) as llm:
        ark.plan(Behaviour(fault="stall"))
        async with aclosing(llm.stream(PROMPT)) as deltas:
            await anext(deltas)
            llm.prepare()
            await until_connected(ark, 2)
            assert await read(llm) == (REPLY, None)
            assert ark.open_connections == len(ark.connections) == 2


async def test_a_connection_that_the_vendor_closed_is_made_anew(ark: ArkSimulator) -> None:
    async with open_llm(settings_for(ark)) as llm:
        llm.prepare()
        await until_connected(ark)
        assert ark.server is not None
        for handler in ark.server.connections:
            handler.force_close()
        await until_connected(ark, 0)
        with anyio.fail_after(60):
            while not ark.open_connections:  # our side hears of it a little later
                llm.prepare()
                await anyio.wait_all_tasks_blocked()
        assert await read(llm) == (REPLY, None)


async def test_a_hint_fails_in_silence(ark: ArkSimulator) -> None:
    with socket.socket() as taken, capture_logs() as logs:
        taken.bind(("127.0.0.1", 0))  # bound but not listening
        unreachable = replace(settings_for(ark), endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}/api/v3")
        async with open_llm(unreachable) as llm:
            for _ in range(2):
                llm.prepare()
                await anyio.wait_all_tasks_blocked()
            assert (await read(llm))[1] is not None
        llm.prepare()  # and nothing comes of it
    assert logs == []


async def test_a_hint_that_is_still_at_work_ends_with_the_engine(ark: ArkSimulator) -> None:
    with socket.socket() as mute, anyio.fail_after(60):
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        endpoint = f"https://127.0.0.1:{mute.getsockname()[1]}/api/v3"  # no handshake is ever answered
        async with open_llm(replace(settings_for(ark), endpoint=endpoint, connect_s=3600)) as llm:
            llm.prepare()
            await anyio.wait_all_tasks_blocked()


async def test_an_error_among_those_who_use_the_engine_leaves_as_itself(ark: ArkSimulator) -> None:
    with pytest.raises(EngineUnavailable) as raised:
        async with open_llm(settings_for(ark)) as llm:
            llm.prepare()
            raise EngineUnavailable("another engine") from ValueError()
    assert isinstance(raised.value.__cause__, ValueError)


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": ""},
        {"endpoint": "ark.cn-beijing.volces.com/api/v3"},
        {"endpoint": "wss://example.org/v1"},
        {"endpoint": "https://me:secret@example.org/v1"},
        {"endpoint": "https://example.org/v1?api-version=1"},
        {"endpoint": "http://[broken"},
        {"model": ""},
        {"secrets": {}},
        {"secrets": {"DOUBAO_API_KEY": "two words"}},
        {"secrets": {"DOUBAO_API_KEY": "line\nbreak"}},
    ],
)
async def test_settings_that_cannot_work_refuse_to_open(ark: ArkSimulator, changed: dict[str, str]) -> None:
    with pytest.raises(EngineUnavailable) as refusal:
        await ask(replace(settings_for(ark), **changed))  # type: ignore[arg-type]
    assert "secret@" not in str(refusal.value)


async def test_an_endpoint_without_tls_is_warned_of_unless_it_is_this_machine(ark: ArkSimulator) -> None:
    with capture_logs() as logs:
        for endpoint in ("http://model.example.org/v1", ark.endpoint, "http://localhost:1/v1", "http://[::1]:1/v1"):
            async with open_llm(replace(settings_for(ark), endpoint=endpoint)):
                pass
    assert [(log["log_level"], log["host"]) for log in logs] == [("warning", "model.example.org")]


# --- other servers

LLAMA_CPP = """\
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"c-1","model":"m.gguf","system_fingerprint":"b1","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"hm"}}],"created":1,"id":"c-1","model":"m.gguf","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"こん"}}],"created":1,"id":"c-1","model":"m.gguf","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"にちは"}}],"created":1,"id":"c-1","model":"m.gguf","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"created":1,"id":"c-1","model":"m.gguf","object":"chat.completion.chunk","timings":{"predicted_n":2,"predicted_ms":34.5}}

data: [DONE]

"""  # noqa: E501
OLLAMA = """\
data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"qwen","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"hm"},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"qwen","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"こん"},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"qwen","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"にちは"},"finish_reason":null}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"qwen","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}

data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"qwen","system_fingerprint":"fp_ollama","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}

data: [DONE]

"""  # noqa: E501
VLLM = """\
data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"こん"},"logprobs":null,"finish_reason":null,"token_ids":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"にちは"},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}]}

data: {"id":"chatcmpl-2","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"total_tokens":11,"completion_tokens":2,"prompt_tokens_details":null}}

data: [DONE]

"""  # noqa: E501


@pytest.mark.parametrize("stream", [LLAMA_CPP, OLLAMA, VLLM])
async def test_other_servers_streams_are_read(ark: ArkSimulator, stream: str) -> None:
    ark.default = Behaviour(raw=stream.encode())
    assert await ask(settings_for(ark)) == ("こんにちは", None)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"error":{"message":"model \\"x\\" not found","type":"not_found_error","param":null,"code":null}}', "name"),
        (b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}', "still being loaded"),
        (b'{"error":{"message":"too long","type":"BadRequestError","param":null,"code":400}}', "settings"),
        (b'{"error":"just words"}', "name"),
        (b'{"detail":[{"loc":["body"]}]}', "name"),
    ],
)
async def test_other_servers_errors_are_understood(ark: ArkSimulator, body: bytes, word: str) -> None:
    ark.default = Behaviour(refusal=Refusal(404, html=body))
    assert word in str(await expect_error(settings_for(ark)))


@pytest.mark.parametrize(
    ("refusals", "sent"),
    [
        (["invalid reasoning value: 'minimal' (must be one of high, medium, low, none)"], ["minimal", "none"]),
        (["'loc': ('body', 'reasoning_effort')", '"x" does not support thinking'], ["minimal", "none", None]),
    ],
)
async def test_a_server_that_knows_no_such_effort_is_asked_without_and_remembered(
    ark: ArkSimulator, refusals: list[str], sent: list[str | None]
) -> None:
    ark.default = Behaviour(raw=OLLAMA.encode())
    ark.plan(*(Behaviour(refusal=Refusal(400, html=b'{"error":{"message":"%s"}}' % _json(text))) for text in refusals))
    async with open_llm(settings_for(ark)) as llm:
        for _ in range(2):
            assert await read(llm) == ("こんにちは", None)
    assert [body.get("reasoning_effort") for body in ark.requests] == [*sent, sent[-1]]


def _json(text: str) -> bytes:
    return text.replace('"', '\\"').encode()


# --- sans-IO


def cut_up(data: bytes, cuts: list[int]) -> list[bytes]:
    marks = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(marks)]


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1), max_size=6),
    st.lists(st.integers(min_value=0), max_size=12),
    st.sampled_from(["\n\n", "\r\n\r\n", "\n\r\n", "\r\n\n"]),
    st.sampled_from(["", ": comment\n\n", "event: x\nid: 7\n", ":\r\n\r\n"]),
)
def test_events_are_the_same_for_any_split_of_the_bytes(
    texts: list[str], cuts: list[int], end: str, between: str
) -> None:
    data = "".join(f"{between}data: {text}{end}" for text in texts).encode()
    events = EventStream()
    assert [event for chunk in cut_up(data, cuts) for event in events.feed(chunk)] == [text.encode() for text in texts]


@given(st.lists(st.sampled_from([b"data:", b"data: ", b"\r", b"\n", b"\n\n", b":", b"x", b"\xe3\x81\x82"])), st.data())
def test_any_bytes_at_all_give_the_same_events_for_any_split(parts: list[bytes], draw: st.DataObject) -> None:
    data = b"".join(parts)
    cuts = draw.draw(st.lists(st.integers(min_value=0, max_value=len(data))))
    events = EventStream()
    assert [event for chunk in cut_up(data, cuts) for event in events.feed(chunk)] == list(EventStream().feed(data))


MORE = """{"choices":[{"delta":{"content":"too late"},"index":0}]}

data: {"error":{"code":"InternalServiceError","message":"too late as well"}}

data: }"""


@given(
    st.sampled_from([LLAMA_CPP, OLLAMA, VLLM, VLLM.replace("stop", "content_filter"), VLLM.replace("[DONE]", MORE)]),
    st.lists(st.integers(min_value=0), max_size=12),
)
def test_replies_are_the_same_for_any_split_of_the_bytes(stream: str, cuts: list[int]) -> None:
    whole, reply = Reply(), Reply()
    text = whole.feed(stream.encode())
    assert "".join(reply.feed(chunk) for chunk in cut_up(stream.encode(), cuts)) == text == "こんにちは"
    assert (reply.whole, str(reply.error), reply.usage) == (whole.whole, str(whole.error), whole.usage)


@pytest.mark.parametrize("stream", [VLLM, VLLM.replace("[DONE]", MORE)])
def test_nothing_after_the_finish_reason_changes_the_reply(stream: str) -> None:
    reply = Reply()
    assert reply.feed(stream.encode()) == "こんにちは"
    reply.check()


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\n\r\n", "\r\n\n"])
def test_events_cut_at_every_single_byte_are_whole(end: str) -> None:
    data = f"data: あ{end}data: い{end}".encode()
    events = EventStream()
    assert [event.decode() for at in range(len(data)) for event in events.feed(data[at : at + 1])] == ["あ", "い"]


def test_several_data_lines_are_one_event_and_an_unfinished_one_is_none() -> None:
    assert list(EventStream().feed(b"data: a\ndata:b\r\n\r\ndata: c\n")) == [b"a\nb"]


def test_an_endless_event_is_refused_before_it_fills_the_memory() -> None:
    events, fed = EventStream(), 0
    with pytest.raises(LLMError):
        while fed < 2 * MAX_BODY_BYTES:
            fed += len(piece := b"x" * 65_536)
            list(events.feed(piece))
    with pytest.raises(LLMError):
        list(EventStream().feed(b"data: " + b"x" * MAX_BODY_BYTES + b"\n\n"))
