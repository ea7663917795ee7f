"""Parameters a server does not take, as real servers say so: asked again without them, once for the whole process.

(Over 400 lines, because the tables of what servers say stand together.)
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from services.base import LLM, LLMError, Message, Prompt
from services.chat_completions.objections import read_objection
from services.chat_completions.parameters import Dialect, Parameters
from services.engine_settings import LLMSettings
from services.vendors.ark.llm import open_llm
from tests.simulators.ark import MODEL, REPLY, ArkSimulator, Behaviour, Refusal, serve_ark

PROMPT = Prompt("anon", (Message("user", "你好！"),))
WANTED = {"stream": True, "stream_options": {"include_usage": True}, "reasoning_effort": "minimal"}
WHOLE = {"stream": False, "reasoning_effort": "minimal"}
Judge = Callable[[dict[str, Any]], Refusal | None]


@pytest.fixture
async def ark() -> AsyncIterator[ArkSimulator]:
    async with serve_ark() as simulator:
        yield simulator
        with anyio.fail_after(60):
            await simulator.wait_idle()


def settings_for(ark: ArkSimulator) -> LLMSettings:
    return LLMSettings(endpoint=ark.endpoint, model=MODEL, secrets={"DOUBAO_API_KEY": "sk-of-the-tests"})


async def read(llm: LLM) -> str:
    async with aclosing(llm.stream(PROMPT)) as deltas:
        return "".join([delta async for delta in deltas])


def sent(ark: ArkSimulator) -> list[dict[str, Any]]:
    """What was asked for, beside model and messages."""
    return [{name: body[name] for name in body if name in WANTED} for body in ark.requests]


def refusing(status: int, body: str, *names: str) -> Judge:
    """A server that says this as long as any of these is asked for; `stream`: as long as it is to stream."""
    said = Refusal(status, html=body.encode())
    return lambda request: said if any(request.get(name) for name in names) else None


def error(message: str, **more: Any) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", **more}})


# How servers say of any parameter that they do not know it or do not take it; NAME stands for its name.
ANY = {
    "OpenAI": (400, error("Unrecognized request argument supplied: NAME", param=None, code=None)),
    "OpenAI, unknown": (400, error("Unknown parameter: 'NAME'.", param="NAME", code="unknown_parameter")),
    "OpenAI, unsupported": (
        400,
        error(
            "Unsupported parameter: 'NAME' is not supported with this model.",
            param="NAME",
            code="unsupported_parameter",
        ),
    ),
    "OpenAI, the field alone": (400, error("Not with this model.", param="NAME", code="unsupported_value")),
    "OpenAI, words alone": (400, error("Unsupported parameter: 'NAME'. Try again.", code="unsupported_parameter")),
    "Azure": (400, error("Unrecognized request argument supplied: NAME. Please contact us through a support request.")),
    "one-api": (400, error("Unrecognized request argument supplied: NAME (request id: 20240511)", param="", code=None)),
    "FastAPI": (
        422,
        '{"detail":[{"type":"extra_forbidden","loc":["body","NAME"],"msg":"Extra inputs are not permitted",'
        '"input":"x","url":"https://errors.pydantic.dev/2.6/v/extra_forbidden"}]}',
    ),
    "FastAPI, Pydantic 1": (
        422,
        '{"detail":[{"loc":["body","NAME"],"msg":"extra fields not permitted","type":"value_error.extra"}]}',
    ),
    "Mistral": (
        422,
        '{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","NAME"],"msg":'
        '"Extra inputs are not permitted","input":null}]},"type":"invalid_request_error","param":null,"code":null}',
    ),
    "Mistral, newer": (
        422,
        '{"object":"Error","message":[{"type":"extra_forbidden","loc":["body","NAME"],"msg":"Extra inputs are not '
        'permitted","input":[]}],"type":"invalid_request_error","code":3001}',
    ),
    "vLLM": (
        400,
        json.dumps(
            {
                "object": "error",
                "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'NAME'), 'msg': 'Extra inputs are not "
                "permitted', 'input': {'include_usage': True}}]",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            }
        ),
    ),
    "Groq": (400, error("property 'NAME' is unsupported, did you mean 'stop'?")),
    "Groq, naming another of ours": (400, error("property 'NAME' is unsupported, did you mean 'stream'?")),
    "Gemini": (
        400,
        '[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \\"NAME\\": Cannot find field.",'
        '"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest"}]}}]',
    ),
    "LiteLLM": (
        400,
        error(
            "litellm.UnsupportedParamsError: openai does not support parameters: ['NAME'], for model=m. To drop these, "
            "set `litellm.drop_params=True` or for proxy:\n\n`litellm_settings:\n drop_params: true`\n. \n If you want "
            "to use these params dynamically send allowed_openai_params=['NAME'] in your request.",
            param=None,
            code="400",
        ),
    ),
    "LiteLLM, of a vendor behind it": (
        400,
        error(
            'litellm.BadRequestError: OpenAIException - {\n "error": {\n "message": "Unknown parameter: \'NAME\'."}}'
        ),
    ),
    "LiteLLM, as a failure of its own": (500, error("litellm.APIError: unsupported parameter NAME", code="500")),
    "llama.cpp": (400, '{"error":{"code":400,"message":"Unsupported param: NAME","type":"invalid_request_error"}}'),
    "llama.cpp, a code of its own": (
        501,
        '{"error":{"code":501,"message":"NAME is not supported by this server","type":"not_supported_error"}}',
    ),
    "SiliconFlow": (
        400,
        '{"code":20015,"message":"Value error, current model does not support parameter `NAME`.","data":null}',
    ),
    "a number as code": (400, error("parameter NAME not supported", code=20015)),
    "DashScope": (400, error("Unsupported parameter: NAME", param=None, code="invalid_parameter_error")),
    "Ark": (
        400,
        error("The parameter `NAME` specified in the request is not valid.", param="", code="InvalidParameter"),
    ),
    "serde, naming all there are": (
        422,
        "Failed to deserialize the JSON body into the target type: NAME: unknown field `NAME`, expected one of "
        "`messages`, `model`, `reasoning_effort`, `stream`, `stream_options`, `temperature` at line 1 column 212",
    ),
    "Go": (400, '{"error":"json: unknown field \\"NAME\\""}'),
    "JSON schema": (400, '{"error":"Additional properties are not allowed (\'NAME\' was unexpected)"}'),
    "a list of errors": (400, '{"errors":[{"field":"NAME","message":"is not allowed"}]}'),
    "Rails": (422, '{"error":["Error in `NAME`: `NAME` is not supported for this model"]}'),
    "plain text": (400, "unknown parameter NAME"),
    "HTML": (400, "<!doctype html><title>400 Bad Request</title><h1>Bad Request</h1><p>Unknown parameter: NAME</p>"),
    "Chinese": (400, '{"code":1210,"message":"API 调用参数有误，不支持参数 NAME"}'),
    "xAI": (400, '{"code":"Client specified an invalid argument","error":"Model m does not support parameter NAME."}'),
    "Baidu": (400, '{"error_code":336003,"error_msg":"the parameter NAME is invalid"}'),
    "OpenRouter": (
        400,
        '{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\\"error\\":{\\"message\\":'
        '\\"Unknown parameter: NAME\\"}}","provider_name":"x"}}}',
    ),
    "an event": (400, 'data: {"error":{"message":"NAME: Extra inputs are not permitted"}}\n\n'),
    "not acceptable": (406, "NAME is not supported"),
    "not found": (404, error("Unknown parameter NAME")),
    "not allowed": (405, '{"message":"NAME is not allowed"}'),
    "forbidden": (403, '{"message":"NAME is not yet allowed."}'),
}


@pytest.mark.parametrize("name", ["reasoning_effort", "stream_options", "stream"])
@pytest.mark.parametrize("server", ANY)
async def test_a_parameter_that_is_refused_is_left_out_from_then_on(ark: ArkSimulator, server: str, name: str) -> None:
    status, body = ANY[server]
    ark.default = Behaviour(judge=refusing(status, body.replace("NAME", name), name))
    async with open_llm(settings_for(ark)) as llm:
        assert [await read(llm) for _ in range(2)] == [REPLY, REPLY]
    found = WHOLE if name == "stream" else {field: WANTED[field] for field in WANTED if field != name}
    assert sent(ark) == [WANTED, found, found]


# What is only said of one of them; what is asked for at last.
NO_EFFORT = {"stream": True, "stream_options": {"include_usage": True}}
ONE = {
    "OpenAI, the other interface": (
        400,
        error("Unsupported parameter: 'reasoning_effort'. In the Responses API, this parameter has moved to "
              "'reasoning.effort'.", param=None, code="unsupported_parameter"),
        NO_EFFORT,
    ),
    "OpenAI, nested": (400, error("Unsupported.", param="reasoning.effort", code="unsupported_parameter"), NO_EFFORT),
    "Ark, a combination": (
        400,
        error("Invalid combination of reasoning_effort and thinking type: minimal + enabled", code="InvalidParameter"),
        NO_EFFORT,
    ),
    "Ollama, by what it does": (400, error('"m" does not support thinking', param=None, code=None), NO_EFFORT),
    "Ollama, in its own form": (400, '{"error":"\\"m\\" does not support thinking"}', NO_EFFORT),
    "by a name with a blank": (400, error("Reasoning effort is not supported by this model"), NO_EFFORT),
    "Chinese, by what it does": (400, '{"code":20012,"message":"该模型不支持思考模式"}', NO_EFFORT),
    "the options nested": (
        422,
        '{"detail":[{"type":"missing","loc":["body","stream_options","x"],"msg":"Field required"}]}',
        {"stream": True, "reasoning_effort": "minimal"},
    ),
    "the options and their condition": (
        400,
        error("'stream_options' is not allowed, even with 'stream'"),
        {"stream": True, "reasoning_effort": "minimal"},
    ),
    "OpenAI, cannot stream": (
        400,
        error("Unsupported value: 'stream' does not support true with this model. Supported values are: false.",
              param="stream", code="unsupported_value"),
        WHOLE,
    ),
    "OpenAI, may not stream": (
        400,
        error("Your organization must be verified to stream this model.", param="stream", code="unsupported_value"),
        WHOLE,
    ),
    "cannot stream, in words": (400, error("Streaming is not supported for this model"), WHOLE),
    "may not stream, in words": (403, '{"message":"Streaming requests are not yet allowed."}', WHOLE),
    "cannot stream, not implemented": (501, '{"error":"streaming not implemented"}', WHOLE),
    "cannot stream, Chinese": (400, '{"error":{"message":"该模型不支持流式输出"}}', WHOLE),
}  # fmt: skip


# Where a model cannot but think, as little as it can.
LEAST = {
    "OpenAI, a value": (
        400,
        error("Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. Supported values are: "
              "'low', 'medium', and 'high'.", param="reasoning_effort", code="unsupported_value"),
    ),
    "DeepSeek": (
        400,
        error("Failed to deserialize the JSON body into the target type: reasoning_effort: unknown variant `minimal`, "
              "expected one of `high`, `low`, `medium`, `max` at line 1 column 80", code="invalid_request_error"),
    ),
    "Cerebras": (
        400,
        '{"message":"1 validation error for ChatCompletionServerRequest\\nreasoning_effort\\n  Input should be '
        "'low', 'medium' or 'high' [type=enum, input_value='minimal', input_type=str]\","
        '"type":"invalid_request_error","param":"validation_error","code":"wrong_api_format"}',
    ),
    "vLLM, a value": (
        400,
        error("[{'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low', "
              "'medium' or 'high'\", 'input': 'minimal', 'ctx': {'expected': \"'low' or 'high'\"}}]", code=400),
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", LEAST)
async def test_a_model_that_cannot_but_think_thinks_as_little_as_it_can(ark: ArkSimulator, said: str) -> None:
    refused = Refusal(LEAST[said][0], html=LEAST[said][1].encode())
    ark.default = Behaviour(judge=lambda body: refused if body.get("reasoning_effort") == "minimal" else None)
    async with open_llm(settings_for(ark)) as llm:
        assert [await read(llm) for _ in range(2)] == [REPLY, REPLY]
    assert sent(ark) == [WANTED, *[WANTED | {"reasoning_effort": "low"}] * 2]


@pytest.mark.parametrize("said", ONE)
async def test_what_is_said_of_one_parameter_alone(ark: ArkSimulator, said: str) -> None:
    status, body, found = ONE[said]
    names = [name for name in WANTED if WANTED[name] != found.get(name) and (found["stream"] or name == "stream")]
    ark.default = Behaviour(judge=refusing(status, body, *names))
    async with open_llm(settings_for(ark)) as llm:
        assert [await read(llm) for _ in range(2)] == [REPLY, REPLY]
    assert sent(ark) == [WANTED, found, found]


@pytest.mark.parametrize(("set_to", "known"), [("minimal", "none"), ("none", "minimal")])
async def test_the_servers_own_word_for_not_thinking_is_used(ark: ArkSimulator, set_to: str, known: str) -> None:
    said = error(f"invalid reasoning value: '{set_to}' (must be one of high, medium, low, {known})")
    refused = Refusal(400, html=said.encode())
    ark.default = Behaviour(judge=lambda body: refused if body.get("reasoning_effort") == set_to else None)
    ark.default = replace(ark.default, raw=b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n')
    async with open_llm(replace(settings_for(ark), reasoning_effort=set_to)) as llm:
        assert [await read(llm) for _ in range(2)] == ["x", "x"]
    assert [body["reasoning_effort"] for body in sent(ark)] == [set_to, known, known]


@pytest.mark.parametrize(
    "said",
    [
        "This model only support stream mode, please enable the stream parameter to access the model. ",
        "parameter.enable_thinking must be set to false for non-streaming calls",
    ],
)
async def test_a_server_that_can_only_stream_is_asked_to(ark: ArkSimulator, said: str) -> None:
    refused = Refusal(400, html=error(said, code="invalid_parameter_error").encode())
    ark.default = Behaviour(judge=lambda body: None if body.get("stream") else refused)
    async with open_llm(replace(settings_for(ark), stream=False)) as llm:
        assert [await read(llm) for _ in range(2)] == [REPLY, REPLY]
    assert sent(ark) == [WHOLE, WANTED, WANTED]


async def test_a_server_that_does_not_know_stream_at_all_is_asked_without_the_word(ark: ArkSimulator) -> None:
    refused = Refusal(422, html=ANY["FastAPI"][1].replace("NAME", "stream").encode())
    ark.default = Behaviour(judge=lambda body: refused if "stream" in body else None)
    async with open_llm(settings_for(ark)) as llm:
        assert [await read(llm) for _ in range(2)] == [REPLY, REPLY]
    assert sent(ark) == [WANTED, WHOLE, *[{"reasoning_effort": "minimal"}] * 2]


async def test_several_parameters_refused_one_by_one_and_at_once_are_all_left_out(ark: ArkSimulator) -> None:
    by_one = [refusing(400, error(f"Unknown parameter: '{name}'."), name) for name in sorted(WANTED)]
    ark.default = Behaviour(judge=lambda body: next((said for judge in by_one if (said := judge(body))), None))
    async with open_llm(settings_for(ark)) as llm:
        assert [await read(llm) for _ in range(2)] == [REPLY, REPLY]
    assert len(ark.requests) == 4 and sent(ark)[-1] == {"stream": False}
    ark.requests.clear()
    details = [{"type": "extra_forbidden", "loc": ["body", name]} for name in ("reasoning_effort", "stream_options")]
    ark.default = Behaviour(judge=refusing(422, json.dumps({"detail": details}), "reasoning_effort", "stream_options"))
    async with open_llm(settings_for(ark)) as llm:
        assert [await read(llm) for _ in range(2)] == [REPLY, REPLY]
    assert sent(ark) == [WANTED, {"stream": True}, {"stream": True}]


@pytest.mark.parametrize(
    ("kind", "form"), [("text/event-stream", "data: {}\n\ndata: [DONE]\n\n"), ("application/json", "{}")]
)
@pytest.mark.parametrize(
    "said",
    [
        error("'reasoning_effort' is not supported", code="invalid_parameter_error"),
        '{"error":"reasoning_effort is not supported"}',
        '{"object":"error","message":"reasoning_effort is not supported","code":400}',
        '{"base_resp":{"status_code":2013,"status_msg":"invalid params, unknown field reasoning_effort"}}',
    ],
    ids=["OpenAI", "text", "flat", "MiniMax"],
)
async def test_a_refusal_under_status_200_is_one(ark: ArkSimulator, kind: str, form: str, said: str) -> None:
    ark.plan(Behaviour(raw=form.replace("{}", said).encode(), raw_headers={"Content-Type": kind}))
    async with open_llm(settings_for(ark)) as llm:
        assert [await read(llm) for _ in range(2)] == [REPLY, REPLY]
    assert sent(ark) == [WANTED, NO_EFFORT, NO_EFFORT]


# What says nothing of its reason: one after another is left out, the least needed first.
UNEXPLAINED = {
    "nothing": "",
    "an empty object": "{}",
    "text": "Bad Request",
    "nginx": "<html><head><title>400 Bad Request</title></head><body><center><h1>400 Bad Request</h1></center><hr>"
    "<center>nginx/1.24.0</center></body></html>",
    "Flask": "<title>400 Bad Request</title><h1>Bad Request</h1><p>The browser (or proxy) sent a request that this "
    "server could not understand.</p>",
    "no name": error("Unsupported parameter", code="unsupported_parameter"),
    "FastAPI without a place": '{"detail":"Extra inputs are not permitted"}',
    "Chinese": '{"code":1210,"message":"请求参数错误"}',
    "Zhipu": '{"error":{"code":"1210","message":"API 调用参数有误，请检查文档。"}}',
}


@pytest.mark.parametrize("said", UNEXPLAINED)
@pytest.mark.parametrize(("name", "requests"), [("stream_options", 2), ("reasoning_effort", 3)])
async def test_a_refusal_without_a_reason_leaves_out_one_after_another(
    ark: ArkSimulator, said: str, name: str, requests: int
) -> None:
    ark.default = Behaviour(judge=refusing(400, UNEXPLAINED[said], name))
    async with open_llm(settings_for(ark)) as llm:
        assert await read(llm) == REPLY and len(ark.requests) == requests
        assert await read(llm) == REPLY and len(ark.requests) == requests + 1


async def test_what_was_left_out_without_a_reason_is_asked_for_again_some_turns_later(ark: ArkSimulator) -> None:
    ark.plan(Behaviour(refusal=Refusal(400, html=b"")), Behaviour(refusal=Refusal(400, html=b"")))
    async with open_llm(settings_for(ark)) as llm:
        for _ in range(40):
            assert await read(llm) == REPLY
    asked = sent(ark)
    assert asked[:4] == [
        WANTED,
        {name: WANTED[name] for name in ("stream", "reasoning_effort")},
        *[{"stream": True}] * 2,
    ]
    assert asked[-1] == WANTED and all(each["stream"] for each in asked)


@pytest.mark.parametrize("said", UNEXPLAINED)
async def test_refusals_without_a_reason_never_end_streaming(ark: ArkSimulator, said: str) -> None:
    ark.plan(*[Behaviour(refusal=Refusal(400, html=UNEXPLAINED[said].encode()))] * 3)
    async with open_llm(settings_for(ark)) as llm:
        with pytest.raises(LLMError):
            await read(llm)
        assert await read(llm) == REPLY
    assert sent(ark)[-1] == WANTED and all(each["stream"] for each in sent(ark))


# What is about something else; asking again is of no use.
OTHER = {
    "context length": (400, error("Maximum context length is 4096 tokens.", code="context_length_exceeded")),
    "context length, llama.cpp": (400, '{"error":{"code":400,"message":"exceeds the available context size"}}'),
    "model": (404, error("The model `stream-7b` does not exist", code="model_not_found")),
    "a model that thinks": (400, error("Unknown model: qwen/qwen3-thinking")),
    "content": (400, error("Your request was rejected by our content policy.", code="content_policy_violation")),
    "key": (401, error("stream is not allowed with this key", code="invalid_api_key")),
    "balance": (402, error("Insufficient Balance")),
    "balance, of a model that thinks": (400, error("The reasoning model is not available, insufficient balance")),
    "a stream that broke": (400, error("Error reading stream from upstream provider")),
    "a stream that broke, of a gateway": (400, error("Upstream stream failed; please retry", type="upstream_error")),
    "a stream that was closed": (400, error("Your prompt was blocked; the stream was closed", type="content_filter")),
    "what somebody said": (400, error('messages[1].content is invalid: "what is a stream?"', code="InvalidParameter")),
    "what somebody said, of another field": (400, error('content is invalid: "what is a stream?"')),
    "what somebody said, in other quotes": (400, error("invalid input 'is the stream not supported?'")),
    "what somebody said, cut off": (400, error('invalid content: "why is reasoning_effort unsupported and')),
    "what somebody said, in brackets": (400, error("内容无效：「推理不支持stream吗」")),
    "what somebody said, under a key": (400, '{"error":"invalid content \\"is stream_options unknown to you\\""}'),
    "what somebody said, in Chinese": (400, error("Input text may be sensitive: 你可以推理吗, invalid")),
    "a quota of a model that thinks": (403, error("Model thinking quota exceeded: must top up")),
    "a stream that timed out": (408, error("stream timeout")),
    "a picture": (400, error("bad request while streaming: cannot decode image")),
    "messages": (
        422,
        '{"detail":[{"type":"extra_forbidden","loc":["body","messages",0,"stream"],"msg":"Extra inputs are not '
        'permitted"}]}',
    ),
    "a field of ours is missing, all is repeated": (
        422,
        '{"detail":[{"type":"missing","loc":["body","prompt"],"msg":"Field required","input":{"model":"m",'
        '"stream":true,"stream_options":{"include_usage":true},"reasoning_effort":"minimal"}}]}',
    ),
    "the same, printed": (
        400,
        error("[{'type': 'missing', 'loc': ('body', 'prompt'), 'msg': 'Field required', 'input': {'model': 'm', "
              "'messages': [{'role': 'user'}], 'stream': True, 'stream_options': {'include_usage': True}}}]"),
    ),
    "another parameter": (400, error("Unknown parameter: 'model'.", param="model", code="unknown_parameter")),
    "role": (400, error("System role not supported")),
    "template": (400, '{"error":"Conversation roles must alternate user/assistant/user/assistant/..."}'),
    "path": (404, "404 page not found"),
}  # fmt: skip


@pytest.mark.parametrize("said", OTHER)
async def test_a_refusal_for_another_reason_is_not_asked_again(ark: ArkSimulator, said: str) -> None:
    status, body = OTHER[said]
    ark.default = Behaviour(refusal=Refusal(status, html=body.encode()))
    async with open_llm(settings_for(ark)) as llm:
        for _ in range(2):
            with pytest.raises(LLMError):
                await read(llm)
    assert sent(ark) == [WANTED, WANTED]


@pytest.mark.parametrize("said", ["", error("Unknown parameter: 'stream'.", param="stream"), ANY["plain text"][1]])
async def test_a_server_that_refuses_all_the_same_is_not_asked_so_often_again(ark: ArkSimulator, said: str) -> None:
    ark.default = Behaviour(refusal=Refusal(400, html=said.encode()))
    async with open_llm(settings_for(ark)) as llm:
        with pytest.raises(LLMError, match=r"models\.llm_model, llm\.reasoning_effort and llm\.stream"):
            await read(llm)
        before = len(ark.requests)
        with pytest.raises(LLMError):
            await read(llm)
    assert before <= 4 and len(ark.requests) == before + 1 and sent(ark)[-1] == WANTED


async def test_turns_at_the_same_time_all_succeed_and_the_next_costs_one_request(ark: ArkSimulator) -> None:
    by_one = [refusing(400, error(f"Unknown parameter: '{name}'."), name) for name in ("reasoning_effort", "stream")]
    ark.default = Behaviour(judge=lambda body: next((said for judge in by_one if (said := judge(body))), None))
    replies: list[str] = []

    async def take_a_turn() -> None:
        replies.append(await read(llm))

    async with open_llm(settings_for(ark)) as llm:
        async with anyio.create_task_group() as turns:
            for _ in range(5):
                turns.start_soon(take_a_turn)
        assert replies == [REPLY] * 5 and len(ark.requests) == 15
        await take_a_turn()
    assert len(ark.requests) == 16 and sent(ark)[-1] == {"stream": False}


async def test_what_is_left_out_is_logged_once_and_nothing_of_the_talk(ark: ArkSimulator) -> None:
    ark.default = Behaviour(judge=refusing(400, error("Unknown parameter: 'reasoning_effort'."), "reasoning_effort"))
    async with open_llm(settings_for(ark)) as llm:
        with capture_logs() as logs:
            for _ in range(2):
                await read(llm)
    told = [log for log in logs if log["log_level"] == "warning"]
    assert [log["parameters"] for log in told] == [("reasoning_effort",)] and "你好" not in str(logs)


async def test_a_turn_that_fails_for_another_reason_teaches_nothing(ark: ArkSimulator) -> None:
    ark.plan(
        Behaviour(refusal=Refusal(400, html=error("Unknown parameter: 'reasoning_effort'.").encode())),
        Behaviour(refusal=Refusal(400, "InputTextRiskDetection")),
    )
    async with open_llm(settings_for(ark)) as llm:
        with pytest.raises(LLMError, match="sensitive"):
            await read(llm)
        assert await read(llm) == REPLY
    assert sent(ark) == [WANTED, NO_EFFORT, WANTED]


# --- pure


def test_what_one_turn_found_is_not_undone_by_an_older_one() -> None:
    wanted = Parameters(WANTED)
    dialect = Dialect(wanted)
    assert dialect.answered(wanted.lacking("reasoning_effort")) == ("reasoning_effort",)
    assert dialect.answered(wanted.lacking("stream_options")) == ("stream_options",)
    assert dialect.answered(wanted) == ()
    assert dialect.known == Parameters({"stream": True})


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"\xff\xfe", b"null", b"0", b'"x"', b'{"error":{"loc":[null,{}]}}', b"x" * 1_000_000]
)
def test_any_body_at_all_is_read(body: bytes) -> None:
    assert not read_objection(400, body).names
