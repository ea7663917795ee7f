"""What servers that speak chat completions really send, from issue threads about them, in; text and faults out."""

import json

import pytest

from services.base import LLMError
from services.chat_completions.answer import EventStream, Reply
from services.chat_completions.refusals import error_in, refusal

HELLO = {"choices": [{"index": 0, "delta": {"content": "こん"}}]}
BYE = {"choices": [{"index": 0, "delta": {"content": "にちは"}}]}


def stream_of(*events: object) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def ended(reason: object, **delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def read(stream: bytes) -> Reply:
    reply = Reply()
    text = reply.feed(stream)
    assert text == "こんにちは"
    return reply


# ---------------------------------------------------------------- what ends a reply


@pytest.mark.parametrize("reason", ["", None], ids=["empty", "null"])
def test_a_reason_that_is_none_does_not_end_the_reply(reason: object) -> None:
    """Ollama, and relays that fill in what is not there, put one into every chunk."""
    events = [ended(reason, content="こん"), ended(reason, content="にちは"), ended("stop")]
    read(stream_of(*events)).check()


@pytest.mark.parametrize(
    "reason", ["stop", "eos", "stop_sequence", "end_turn", "STOP", "function_call", "tool_calls", "unknown"]
)
def test_any_other_reason_ends_it_well(reason: str) -> None:
    read(stream_of(HELLO, BYE, ended(reason), ended(None, content="once more"))).check()


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length"])
def test_a_reply_cut_at_the_models_own_length_is_too_long(reason: str) -> None:
    with pytest.raises(LLMError) as failed:
        read(stream_of(HELLO, BYE, ended(reason))).check()
    assert failed.value.too_long and not failed.value.retryable and "length" in str(failed.value)


@pytest.mark.parametrize("reason", ["content_filter", "SAFETY", "sensitive"])
def test_a_reply_cut_for_its_content_is_declined(reason: str) -> None:
    with pytest.raises(LLMError, match="sensitive") as failed:
        read(stream_of(HELLO, BYE, ended(reason))).check()
    assert not failed.value.too_long


@pytest.mark.parametrize(
    ("reason", "said"), [("error", "own side"), ("insufficient_system_resource", "own side"), ("abort", "broke")]
)
def test_a_reply_that_its_server_gave_up_can_be_asked_for_again(reason: str, said: str) -> None:
    with pytest.raises(LLMError, match=said) as failed:
        read(stream_of(HELLO, BYE, ended(reason))).check()
    assert failed.value.retryable


@pytest.mark.parametrize("kind", ["delta", "message"])
def test_a_model_that_declines_in_a_field_of_its_own_is_heard(kind: str) -> None:
    reply = Reply()
    said = {"choices": [{"index": 0, kind: {"content": None, "refusal": "I cannot"}, "finish_reason": "stop"}]}
    assert reply.feed(stream_of(said)) == ""
    with pytest.raises(LLMError, match="sensitive"):
        reply.check()


# ---------------------------------------------------------------- errors under a status that says 200

BROKEN_OFF = {
    "vLLM": b'data: {"error":{"message":"No luck","param":null,"code":500}}\n\ndata: [DONE]\n\n',
    "vLLM, older": b'data: {"object":"error","message":"No luck","type":"InternalServerError","code":500}\n\n',
    "SGLang": b'data: {"error":{"object":"error","message":"No luck","code":500}}\n\ndata: [DONE]\n\n',
    "llama.cpp": b'data: {"error":{"code":500,"message":"No luck","type":"server_error"}}\n\n',
    "llama.cpp, older": b'error: {"code":500,"message":"No luck","type":"server_error"}\n\n',
    "OpenRouter": b'data: {"error":{"code":502,"message":"No luck"},"choices":[{"delta":{"content":""},'
                  b'"finish_reason":"error"}]}\n\n',
    "OpenRouter, a word": b'data: {"error":{"code":"server_error","message":"No luck"},"choices":[{"delta":{"content":'
                          b'""},"finish_reason":"error"}]}\n\n',
    "LM Studio": b'event: error\ndata: {"error":{"message":"No luck"},"message":"No luck"}\n\n',
    "a text": b'data: {"error":"No luck"}\n\n',
    "FastAPI": b'data: {"detail":"No luck"}\n\n',
    "SiliconFlow": b'data: {"code":50000,"message":"No luck","data":null}\n\n',
}  # fmt: skip


@pytest.mark.parametrize("server", BROKEN_OFF)
def test_an_error_in_mid_stream_keeps_the_text_and_is_the_servers_own(server: str) -> None:
    reply = read(stream_of(HELLO, BYE) + BROKEN_OFF[server])
    with pytest.raises(LLMError, match="on its own side") as failed:
        reply.check()
    assert failed.value.retryable


def test_an_error_that_is_swallowed_is_a_broken_connection() -> None:
    """Ollama's: a chunk without text or model, and the end."""
    with pytest.raises(LLMError, match="broke before its answer was whole"):
        read(
            stream_of(HELLO, BYE, {"model": "", "choices": [{"delta": {"content": ""}, "finish_reason": None}]})
        ).check()


# ---------------------------------------------------------------- what a content may be

CONTENTS = [
    ["こん"],
    [{"type": "text", "text": "こん"}],
    [{"text": "こん"}],
    [{"type": "output_text", "text": "こ"}, {"type": "text", "text": "ん"}],
    [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "こん"}],
    [{"type": "reasoning", "text": "hm"}, "こん"],
    [{"type": "text", "text": "こん"}, {"type": "image_url", "image_url": {"url": "data:,"}}],
    [{"type": "text", "text": None}, {"type": "text", "text": "こん", "annotations": []}],
]


@pytest.mark.parametrize("content", CONTENTS)
def test_a_content_that_is_a_list_is_the_text_in_it(content: object) -> None:
    read(stream_of({"choices": [{"delta": {"content": content}}]}, BYE, ended("stop"))).check()
    whole = {"choices": [{"message": {"content": [*(content if isinstance(content, list) else []), "にちは"]}}]}
    assert Reply().receive(json.dumps(whole).encode()) == "こんにちは"


@pytest.mark.parametrize("content", [None, "", [], [{"type": "thinking"}]])
def test_a_content_without_text_is_none(content: object) -> None:
    read(stream_of({"choices": [{"delta": {"content": content}}]}, HELLO, BYE, ended("stop"))).check()


# ---------------------------------------------------------------- framing

LINE_ENDS = {"LF": b"\n", "CRLF": b"\r\n", "CR": b"\r"}
FRAMES = {
    "plain": b"data: 1\n\ndata: 2\n\n",
    "no space": b"data:1\n\ndata:2\n\n",
    "comments": b": hello\n\ndata: 1\n\n: keep-alive\n\n: again\ndata: 2\n\n",
    "fields": b"event: message\nid: 7\nretry: 3000\ndata: 1\n\nid: 8\ndata: 2\nevent: x\n\n",
    "blank lines": b"\n\n\ndata: 1\n\n\n\ndata: 2\n\n\n",
    "an event it ends in": b"data: 1\n\ndata: 2\n\ndata: 3\n",
}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize("frames", FRAMES)
def test_events_are_the_same_however_lines_end_and_bytes_are_cut(mark: bytes, end: str, frames: str) -> None:
    stream = mark + FRAMES[frames].replace(b"\n", LINE_ENDS[end])
    for size in range(1, len(stream) + 1):
        events = EventStream()
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert [data for piece in pieces for data in events.feed(piece)] == [b"1", b"2"], size


def test_only_the_first_mark_is_none_of_the_stream() -> None:
    assert list(EventStream().feed(b"data: \xef\xbb\xbf1\n\n")) == [b"\xef\xbb\xbf1"]
    assert list(EventStream().feed(b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\n")) == [b"2"]


# ---------------------------------------------------------------- what a refusal is about

REFUSALS = [
    (404, b"404 page not found", "the endpoint"),  # Ollama and Go's mux: the path lacks /v1
    (404, b'{"detail":"Not Found"}', "the endpoint"),  # FastAPI
    (404, b'{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}', "check its name, {model}."),
    (429, b'{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}', "quota"),
    (402, b'{"error":{"message":"Insufficient Balance"}}', "quota"),
    (429, b'{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}', "too busy"),
    (429, b"<html>Too Many Requests</html>", "too busy"),
    (400, b'{"error":{"message":"too many tokens","code":"context_length_exceeded"}}', "llm.context_tokens"),
    (400, b'{"error":{"code":400,"message":"the request exceeds the available context size"}}', "llm.context_tokens"),
    (400, b'{"error":"The input is too long for this model"}', "llm.context_tokens"),
    (400, b'{"detail":"The prompt is too long"}', "llm.context_tokens"),
    (400, b'{"detail":[{"loc":["body"],"msg":"x"},{"loc":["body"],"msg":"y"}]}', "{model}, llm.reasoning_effort"),
    (400, b'{"object":"error","message":"maximum context length is 8","code":400}', "llm.context_tokens"),
    (400, b'{"message":{"error":"context window exceeded"}}', "llm.context_tokens"),
    (400, b'[{"error":{"code":400,"message":"context size"}}]', "llm.context_tokens"),
    (400, b'{"error":{"message":"Model Not Exist","code":"invalid_request_error"}}', "its name, {model}."),
    (400, b'{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}', "name, {model}."),
    (404, b'{"error":{"message":"model \'x\' not found","type":"not_found_error","code":null}}', "its name, {model}."),
    (404, b'{"detail":"Model \'x\' is not installed locally."}', "its name, {model}."),
    (401, b'"Invalid token"', "{key}"),
    (401, b'{"error":"Unauthorized"}', "{key}"),
    (403, b'"Forbidden"', "account"),
    (402, b'{"error":{"code":402,"message":"Insufficient credits","metadata":{}}}', "quota"),
    (498, b'{"error":{"message":"capacity exceeded"}}', "too busy"),
    (503, b'{"code":50505,"message":"System is too busy now.","data":null}', "too busy"),
]


def test_lm_studios_answer_to_any_path_names_the_endpoint() -> None:
    with pytest.raises(LLMError, match="endpoint"):
        Reply().receive(b'{"error":"Unexpected endpoint or method. (POST /chat/completions)"}')


def test_a_model_that_is_being_loaded_will_answer_soon() -> None:
    """llama.cpp's, while it starts."""
    refused = refusal(503, error_in(b'{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}'))
    assert "being loaded" in str(refused) and refused.retryable and not refused.fault.operator


@pytest.mark.parametrize(("status", "body", "said"), REFUSALS)
def test_a_refusal_names_what_is_to_be_mended(status: int, body: bytes, said: str) -> None:
    refused = refusal(status, error_in(body))
    assert said in str(refused)
    assert refused.retryable == (said == "too busy")
