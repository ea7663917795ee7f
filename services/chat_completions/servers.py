"""Pure: all that is known of what servers that speak chat completions differ in, a line each.

The next server, or the next word for the same thing, is a line here, a row in the tests of this room, and a flavour in
tests/simulators/openai_chat.py.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.chat_completions import faults
from services.chat_completions.faults import Fault

# ---------------------------------------------------------------- what they are asked for

EFFORT: Final = "EFFORT"  # stands for the value of llm.reasoning_effort
NO_THINKING: Final = frozenset(("none", "minimal"))  # two words for it, of which a server may know but one


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is told whether to think, and how long its answer may be."""

    host: str  # a pattern of the name in its address
    off: Mapping[str, object] = field(default_factory=dict)  # the fields that say: do not think
    on: Mapping[str, object] = field(default_factory=lambda: {"reasoning_effort": EFFORT})
    limit: str = "max_tokens"  # its name for the most tokens of an answer


_SWITCHED_OFF: Final = {"thinking": {"type": "disabled"}}
_SWITCHED_ON: Final = {"thinking": {"type": "enabled"}}

# Beside an absent `thinking` Ark takes every value of `reasoning_effort`, and `minimal` means none.
ARK: Final = Server(r"(^|\.)volces\.com$", {"reasoning_effort": EFFORT})

SERVERS: Final = (
    ARK,
    Server(r"(^|\.)openai\.com$", {"reasoning_effort": "none"}, limit="max_completion_tokens"),
    Server(r"(^|\.)groq\.com$", {"reasoning_effort": "none"}, limit="max_completion_tokens"),
    Server(r"(^|\.)deepseek\.com$", _SWITCHED_OFF, {**_SWITCHED_ON, "reasoning_effort": EFFORT}),
    Server(r"(^|\.)(bigmodel\.cn|z\.ai|moonshot\.(cn|ai))$", _SWITCHED_OFF, _SWITCHED_ON),
    Server(r"(^|\.)(siliconflow\.(cn|com)|aliyuncs\.com)$", {"enable_thinking": False}, {"enable_thinking": True}),
    Server(r"(^|\.)openrouter\.ai$", {"reasoning": {"enabled": False}}, {"reasoning": {"effort": EFFORT}}),
    # These refuse all they do not know, and have no switch that all their models take.
    Server(r"(^|\.)(mistral\.ai|x\.ai|cerebras\.ai)$", {}, {"reasoning_effort": EFFORT}),
    # Servers of one's own. Ollama and newer llama.cpp take the first field; llama.cpp, vLLM and SGLang hand the others
    # to the template of the model, which has one of them (Qwen the one, DeepSeek the other). Each ignores the rest.
    Server(
        "",
        {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
    ),
)


def server_at(host: str) -> Server:
    return next(server for server in SERVERS if re.search(server.host, host))


# What people paste behind the address proper.
PASTED: Final = ("chat/completions", "completions", "models", "responses")
# Models in the list of a server that nobody can talk with, by a word in their names.
NO_TALKERS: Final = re.compile(
    r"embed|rerank|whisper|transcribe|(^|[^a-z])(tts|asr|bge|gte|e5|moderation|image|dall-e|sora)([^a-z]|$)", re.I
)

# ---------------------------------------------------------------- what they say of a parameter

# What a server calls each parameter that may be left out. These names mean nothing else.
_MEANT = (
    r"""["'`“‘「]NAME["'`”’」]|(parameter|argument|field|property|option|参数)s?\W{0,3}NAME\b|^NAME\b|(?<!\w)NAME[.:]"""
)
NAMES: Final[Mapping[str, re.Pattern[str]]] = {
    "reasoning_effort": re.compile(r"reasoning[_. ]?effort", re.I),
    "reasoning": re.compile(_MEANT.replace("NAME", "reasoning"), re.I),
    "thinking": re.compile(_MEANT.replace("NAME", "thinking") + r"|thinking[_. ]type", re.I),
    "enable_thinking": re.compile(r"enable_thinking", re.I),
    "chat_template_kwargs": re.compile(r"chat_template_kwargs|template kwargs", re.I),
    "max_tokens": re.compile(r"max_tokens", re.I),
    "max_completion_tokens": re.compile(r"max_completion_tokens", re.I),
    "response_format": re.compile(
        r"response[_ ]?format|json[_ ](schema|object|mode)|structured[_ ]outputs?|guided[_ ]\w|grammar|结构化输出", re.I
    ),
    "stream_options": re.compile(r"stream[_ ]?options?\b|include_usage", re.I),
    "stream": re.compile(r"(?<![\w./-])stream(?![\w/-])|non-?stream", re.I),
}
# What it calls them by what they do: ordinary words, that count only where a word of refusal stands beside them.
DEEDS: Final[Mapping[str, re.Pattern[str]]] = {
    "reasoning_effort": re.compile(r"(?<![\w./-])(reasoning|thinking)(?![\w/-])|思考|推理", re.I),
    "stream": re.compile(r"(?<![\w./-])(streaming|streamed)(?![\w/-])|流式", re.I),
}
# Of these any may be meant where thinking is refused by a name that was not sent.
THINKING: Final = ("reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template_kwargs")
# Where one name is refused, the other is asked for.
OTHER_NAME: Final[Mapping[str, str]] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
# What is left out first where a server does not say what it has against a request; never `stream`: all would wait.
LEAST_NEEDED: Final = (
    "stream_options",
    "response_format",
    "chat_template_kwargs",
    "reasoning_effort",
    "reasoning",
    "thinking",
    "enable_thinking",
)

# ---------------------------------------------------------------- what they say when something is wrong

# Codes are hierarchical ("RateLimitExceeded.EndpointRPMExceeded"): a name stands for itself and all beneath it.
BY_CODE: Final[Mapping[str, Fault]] = {
    code: fault
    for fault, codes in (
        (faults.REQUEST, "MissingParameter InvalidParameter"),
        (faults.SENSITIVE, "SensitiveContentDetected InputTextSensitiveContentDetected"),
        (faults.SENSITIVE, "OutputTextSensitiveContentDetected InputTextRiskDetection OutputTextRiskDetection"),
        (faults.CLOSED, "InvalidEndpoint.ClosedEndpoint"),
        (faults.MODEL, "InvalidEndpointOrModel ModelNotOpen UnsupportedModel model_not_found"),
        (faults.KEY, "AuthenticationError invalid_api_key"),
        (faults.DENIED, "AccessDenied OperationDenied"),
        # A used-up account is a 429 too, and waiting does not help there: the code decides, never the status.
        (faults.QUOTA, "AccountOverdueError QuotaExceeded AccountQuotaExceeded SetLimitExceeded"),
        (faults.QUOTA, "insufficient_quota billing_hard_limit_reached billing_not_active insufficient_balance"),
        (faults.BUSY, "RateLimitExceeded ModelAccountRpmRateLimitExceeded ModelAccountTpmRateLimitExceeded"),
        (faults.BUSY, "APIAccountRpmRateLimitExceeded AccountRateLimitExceeded RequestBurstTooFast"),
        (faults.BUSY, "ServerOverloaded InflightBatchsizeExceeded rate_limit_exceeded"),
        (faults.BROKEN, "InternalServiceError"),
        (faults.CONTEXT, "context_length_exceeded exceed_context_size_error"),
    )
    for code in codes.split()
}
# For bodies without a code that is known: the HTML of gateways too.
BY_STATUS: Final[Mapping[int, Fault]] = {
    401: faults.KEY,
    402: faults.QUOTA,
    403: faults.DENIED,
    404: faults.NOT_FOUND,
    405: faults.ADDRESS,
    408: faults.BROKEN,
    429: faults.BUSY,
    498: faults.BUSY,  # Groq's, where its capacity is
}
# For these the words alone tell, in what would else be the first of each line.
BY_WORDS: Final = (
    (
        faults.REQUEST,
        re.compile(r"context (length|size|window|limit)|(prompt|input) is too long|上下文长度", re.I),
        faults.CONTEXT,
    ),
    (faults.REQUEST, re.compile(r"model\b.{0,200}\b(not found|(does )?not exist)", re.I), faults.MODEL),
    (faults.NOT_FOUND, re.compile(r"\bmodel\b", re.I), faults.MODEL),
    (faults.BROKEN, re.compile(r"\bloading model|model is (still )?loading", re.I), faults.LOADING),
    (faults.BROKEN, re.compile(r"too busy|overloaded|system is busy", re.I), faults.BUSY),
    (faults.BROKEN, re.compile("unexpected endpoint", re.I), faults.ADDRESS),  # LM Studio: any path is a 200
)
# Why an answer ended, as servers say it, where that is not that it was whole.
TORN_BY: Final[Mapping[str, Fault]] = {
    reason: fault
    for fault, reasons in (
        (faults.TOO_LONG, "length max_tokens max_output_tokens model_length model_context_window_exceeded"),
        (faults.SENSITIVE, "content_filter content_filtered safety sensitive"),
        (faults.BROKEN, "error insufficient_system_resource"),
        (faults.CUT, "abort"),
    )
    for reason in reasons.split()
}
