"""What servers that speak chat completions send and refuse, each as its own page or source has it: data alone.

The next server is a row of FLAVOURS. NAME stands for the field or model that an error is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Said = tuple[int, Any]  # a status, and a body: JSON, or bytes as they are


def _of(status: int, message: str, type_: str, code: str | int | None = None, param: str | None = None) -> Said:
    return status, {"error": {"message": message, "type": type_, "param": param, "code": code}}


_INVALID, _QUOTA = "invalid_request_error", "insufficient_quota"
_OPENAI: Mapping[str, Said] = {
    "key": _of(401, "Incorrect API key provided: ****.", _INVALID, "invalid_api_key"),
    "model": _of(404, "The model `NAME` does not exist or you do not have access to it.", _INVALID, "model_not_found"),
    "unknown": _of(400, "Unknown parameter: 'NAME'.", _INVALID, "unknown_parameter", "NAME"),
    "unsupported": _of(400, "Unsupported parameter: 'NAME' is not supported with this model.", _INVALID,
                       "unsupported_parameter", "NAME"),
    "value": _of(400, "Invalid value for 'NAME'.", _INVALID, "invalid_value", "NAME"),
    "busy": _of(429, "Rate limit reached for requests", "requests", "rate_limit_exceeded"),
    "quota": _of(429, "You exceeded your current quota, please check your plan.", _QUOTA, _QUOTA),
    "context": _of(400, "This model's maximum context length is 8 tokens.", _INVALID, "context_length_exceeded",
                   "messages"),
    "broken": _of(500, "The server had an error while processing your request.", "server_error"),
}  # fmt: skip


def _llama_cpp(status: int, message: str, type_: str) -> Said:
    return status, {"error": {"code": status, "message": message, "type": type_}}


def _vllm(status: int, message: str, type_: str = "BadRequestError") -> Said:
    return status, {"error": {"message": message, "type": type_, "param": None, "code": status}}


def _flat(status: int, message: str, type_: str = "BadRequestError") -> Said:
    return status, {"object": "error", "message": message, "type": type_, "param": None, "code": status}


def _plain(status: int, message: str, code: int | None = None) -> Said:
    """SiliconFlow's."""
    return status, {"code": code, "message": message, "data": None}


def _router(status: int, message: str) -> Said:
    return status, {"error": {"code": status, "message": message, "metadata": {}}}


_UNAUTHORIZED: Said = (401, {"error": "Unauthorized"})


@dataclass(frozen=True, slots=True)
class Flavour:
    """One kind of server."""

    says: Mapping[str, Said]  # its errors, by what they are about
    mid: bytes  # what it sends when it fails in the middle of a stream, to the end of the body
    roots: tuple[str, ...] = ("/v1",)  # before /chat/completions; the first is the usual one
    needs_key: bool = False
    lists_without_key: bool = False
    any_model: bool = False  # the name in a request is not looked at
    knows: frozenset[str] | None = None  # the fields it takes; None: others are ignored
    efforts: frozenset[str] | None = None  # of reasoning_effort; None: any
    off: tuple[tuple[str, Any], ...] = ()  # path and value of what switches thinking off
    only_thinking: frozenset[str] = frozenset()  # fields refused for a model that cannot think
    none_always: bool = False  # but reasoning_effort "none", which any model takes
    options_alone: bool = True  # stream_options without stream are let pass
    schema: bool = True  # takes response_format json_schema
    thoughts: Literal["", "reasoning_content", "reasoning", "reasoning_details", "<think>"] = "reasoning_content"
    first: Mapping[str, Any] | None = field(default_factory=lambda: {"role": "assistant", "content": ""})
    every_delta: Mapping[str, Any] = field(default_factory=dict)
    every_chunk: Mapping[str, Any] = field(default_factory=dict)
    finish_with_text: bool = False
    finish_choice: Mapping[str, Any] = field(default_factory=dict)
    finish_chunk: Mapping[str, Any] = field(default_factory=dict)
    usage: Literal["asked", "on finish", "on every"] = "asked"
    done: bool = True
    before: bytes = b""  # comments before the first event
    before_whole: bytes = b""  # the same, where nothing is streamed
    unknown_path: Said = (404, b"404 page not found")


_ROLE_NULL = {"role": "assistant", "content": None}
_COMMON = frozenset(
    "model messages stream stream_options temperature top_p max_tokens max_completion_tokens stop n user seed "
    "reasoning_effort response_format tools tool_choice".split()
)
_TEMPLATE_OFF = (("chat_template_kwargs.enable_thinking", False), ("chat_template_kwargs.thinking", False))
_EFFORT_OFF = (("reasoning_effort", "none"),)


def _event(data: str, name: str = "") -> bytes:
    return f"{name}data: {data}\n\n".encode()


FLAVOURS: Mapping[str, Flavour] = {
    "openai": Flavour(
        _OPENAI,
        _event('{"error":{"message":"No luck.","type":"server_error","param":null,"code":null}}'),
        needs_key=True,
        knows=_COMMON,
        efforts=frozenset(("none", "minimal", "low", "medium", "high", "xhigh")),
        off=_EFFORT_OFF,
        only_thinking=frozenset(("reasoning_effort",)),
        options_alone=False,
        thoughts="",
        every_chunk={"service_tier": "default", "system_fingerprint": "fp_1", "obfuscation": "x8Lq"},
    ),
    "ollama": Flavour(
        {
            **_OPENAI,
            "model": _of(404, "model 'NAME' not found", "not_found_error"),
            "value": _of(400, "invalid reasoning value: 'x' (must be one of high, medium, low, none)", _INVALID),
            "unsupported": _of(400, '"m" does not support thinking', _INVALID),
            "busy": _of(503, "server busy, please try again.  maximum pending requests exceeded", "api_error"),
            "broken": _of(500, "llama runner process has terminated: signal: killed", "api_error"),
        },
        _event(
            '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"","system_fingerprint":"fp_ollama",'
            '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}'
        ),
        efforts=frozenset(("none", "low", "medium", "high", "max", "minimal", "xhigh", "ultra")),
        off=(*_EFFORT_OFF, ("reasoning.effort", "none")),
        only_thinking=frozenset(("reasoning_effort",)),
        none_always=True,
        thoughts="reasoning",
        first=None,
        every_delta={"role": "assistant"},
        every_chunk={"system_fingerprint": "fp_ollama"},
    ),
    "llama_cpp": Flavour(
        {
            "key": _llama_cpp(401, "Invalid API Key", "authentication_error"),
            "value": _llama_cpp(400, 'invalid type for "NAME" (expected boolean, got string)', _INVALID),
            "busy": _llama_cpp(503, "Loading model", "unavailable_error"),
            "context": _llama_cpp(400, "the request exceeds the available context size", "exceed_context_size_error"),
            "broken": _llama_cpp(500, "Failed to parse messages", "server_error"),
            "unknown": _llama_cpp(501, "NAME is not supported by this server", "not_supported_error"),
        },
        _event('{"error":{"code":500,"message":"Compute error.","type":"server_error"}}'),
        roots=("/v1", ""),
        lists_without_key=True,
        any_model=True,
        off=(*_EFFORT_OFF, _TEMPLATE_OFF[0]),
        first=_ROLE_NULL,
        finish_chunk={"timings": {"predicted_n": 2, "predicted_ms": 34.5}},
        before=b":\n\n",
        unknown_path=_llama_cpp(404, "File Not Found", "not_found_error"),
    ),
    "vllm": Flavour(
        {
            "key": _UNAUTHORIZED,
            "model": _vllm(404, "The model `NAME` does not exist.", "NotFoundError"),
            "unknown": _vllm(400, "[{'type': 'extra_forbidden', 'loc': ('body', 'NAME'), 'msg': 'Extra inputs are not "
                             "permitted', 'input': {'include_usage': True}}]"),
            "value": _vllm(400, "1 validation error: {'loc': ('body', 'NAME'), 'msg': 'Input should be valid'}",
                           "Bad Request"),
            "context": _vllm(400, "This model's maximum context length is 8 tokens."),
            "busy": (503, {"error": "The server is overloaded"}),
            "broken": _vllm(500, "Internal server error", "InternalServerError"),
        },
        _event('{"error":{"message":"No luck.","type":"InternalServerError","param":null,"code":500}}')
        + b"data: [DONE]\n\n",
        options_alone=False,
        off=(*_EFFORT_OFF, *_TEMPLATE_OFF),
        thoughts="reasoning",
        finish_with_text=True,
        finish_choice={"stop_reason": None},
        unknown_path=(404, {"detail": "Not Found"}),
    ),
    "sglang": Flavour(
        {
            "key": _UNAUTHORIZED,
            "model": _flat(404, "The model `NAME` does not exist", "NotFoundError"),
            "unknown": _flat(400, "NAME: Extra inputs are not permitted"),
            "value": _flat(400, "Input should be a valid dictionary, field NAME"),
            "context": _flat(400, "The input is too long: it exceeds the model's context length"),
            "busy": _flat(503, "The request queue is full.", "ServiceUnavailable"),
            "broken": _flat(500, "Internal server error", "InternalServerError"),
        },
        _event('{"error":{"object":"error","message":"No luck.","type":"InternalServerError","param":null,"code":500}}')
        + b"data: [DONE]\n\n",
        off=(*_EFFORT_OFF, *_TEMPLATE_OFF),
        every_delta={"reasoning_content": None, "tool_calls": None},
        finish_choice={"matched_stop": 151645},
        unknown_path=(404, {"detail": "Not Found"}),
    ),
    "deepseek": Flavour(
        {
            **_OPENAI,
            "key": _of(401, "Authentication Fails, Your api key: ****ry is invalid", "authentication_error", _INVALID),
            "model": _of(400, "Model Not Exist", _INVALID, _INVALID),
            "value": _of(400, "Failed to deserialize the JSON body into the target type: NAME: unknown variant `x`, "
                         "expected one of `high`, `low`, `medium`, `max` at line 1 column 80", _INVALID, _INVALID),
            "schema": _of(400, "This response_format type is unavailable now", _INVALID, _INVALID),
            "busy": _of(503, "Service is too busy. Please retry later.", "service_unavailable_error"),
            "quota": _of(402, "Insufficient Balance", "unknown_error", _INVALID),
        },
        _event('{"error":{"message":"No luck.","type":"server_error","param":null,"code":null}}'),
        roots=("", "/v1"),
        needs_key=True,
        efforts=frozenset(("low", "medium", "high", "max")),
        off=(("thinking.type", "disabled"),),
        schema=False,
        first=_ROLE_NULL,
        usage="on finish",
        before=b": keep-alive\n\n" * 3,
        before_whole=b"\n\n\n",
    ),
    "siliconflow": Flavour(
        {
            "key": (401, "Invalid token"),
            "model": _plain(400, "Model does not exist. Please check it carefully.", 20012),
            "unknown": _plain(400, "Value error, current model does not support parameter `NAME`.", 20015),
            "unsupported": _plain(400, "Value error, current model does not support parameter `NAME`.", 20015),
            "value": _plain(400, "The parameter NAME is invalid. Please check again.", 20015),
            "busy": _plain(503, "System is too busy now. Please try again later.", 50505),
            "quota": (402, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}),
            "broken": (504, b"upstream request timeout"),
        },
        _event('{"code":50000,"message":"No luck.","data":null}'),
        needs_key=True,
        off=(("enable_thinking", False),),
        only_thinking=frozenset(("enable_thinking",)),
        first=_ROLE_NULL,
        usage="on every",
    ),
    "openrouter": Flavour(
        {
            "key": _router(401, "No auth credentials found"),
            "model": _router(400, "NAME is not a valid model ID"),
            "unknown": _router(400, "Unrecognized key(s) in object: 'NAME'"),
            "value": _router(400, "Invalid option for NAME"),
            "busy": _router(429, "Rate limit exceeded: free-models-per-min."),
            "quota": _router(402, "Insufficient credits. Add more using https://example.org"),
            "broken": (200, {"error": {"code": 502, "message": "Provider returned error"}}),
        },
        _event(
            '{"id":"gen-1","object":"chat.completion.chunk","created":1,"model":"m","provider":"x",'
            '"error":{"code":"server_error","message":"Provider disconnected"},'
            '"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}'
        ),
        roots=("/api/v1",),
        needs_key=True,
        lists_without_key=True,
        off=(("reasoning.enabled", False), ("reasoning.effort", "none"), *_EFFORT_OFF),
        thoughts="reasoning_details",
        every_delta={"role": "assistant"},
        every_chunk={"provider": "x"},
        finish_choice={"native_finish_reason": "STOP"},
        before=b": OPENROUTER PROCESSING\n\n" * 3,
        before_whole=b"\n         \n",
    ),
    "groq": Flavour(
        {
            **_OPENAI,
            "key": (401, {"error": {"message": "Invalid API Key", "type": _INVALID, "code": "invalid_api_key"}}),
            "unknown": (400, {"error": {"message": "property 'NAME' is unsupported, did you mean 'stop'?",
                                        "type": _INVALID}}),
            "value": (400, {"error": {"message": "`NAME` must be one of `low`, `medium`, or `high`",
                                      "type": _INVALID}}),
            "unsupported": (400, {"error": {"message": "`NAME` is not supported with this model", "type": _INVALID}}),
            "schema": (400, {"error": {"message": "This model does not support response format `json_schema`.",
                                       "type": _INVALID}}),
            "busy": (498, {"error": {"message": "Flex tier capacity exceeded", "type": "capacity_exceeded"}}),
        },
        _event('{"error":{"message":"No luck.","type":"internal_server_error"}}', "event: error\n"),
        roots=("/openai/v1",),
        needs_key=True,
        knows=_COMMON | {"reasoning_format", "include_reasoning"},
        efforts=frozenset(("none", "low", "medium", "high")),
        off=_EFFORT_OFF,
        only_thinking=frozenset(("reasoning_effort", "reasoning_format")),
        schema=False,
        thoughts="reasoning",
        every_chunk={"x_groq": {"id": "req_1"}},
    ),
    "lm_studio": Flavour(
        {
            "key": (401, {"error": {"message": "Invalid token", "type": "invalid_request", "code": "invalid_api_key"}}),
            "model": (404, {"error": {"message": 'Model "NAME" not found', "code": "model_not_found"}}),
            "unknown": (400, {"error": "'NAME' is not supported"}),
            "value": (400, {"error": "Invalid value of 'NAME'"}),
            "context": (400, {"error": "The number of tokens to keep is greater than the context length"}),
            "broken": (500, {"error": "The model has crashed without additional information."}),
        },
        _event('{"error":{"message":"No luck."},"message":"No luck."}', "event: error\n"),
        off=(),
        thoughts="<think>",
        unknown_path=(200, {"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
    ),
}  # fmt: skip
