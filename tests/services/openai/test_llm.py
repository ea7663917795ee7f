"""The client of chat completions against strict servers of every flavour: what they send, refuse and break off with."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from services.base import EMOTIONS, LLM, LLMError, Message, Prompt
from services.chat_completions.client import open_chat
from services.chat_completions.servers import server_at
from services.engine_choice import EngineUnavailable
from services.engine_settings import LLMSettings
from services.vendors.openai.llm import OPENAI, open_llm
from tests.simulators.openai_chat import FLAVOURS, REPLY, Behaviour, ChatServer, Refusal, serve_openai
from tests.simulators.openai_flavours import Flavour

KEY = "sk-of-the-tests-0123456789"
PROMPT = Prompt("anon", (Message("system", "你是爱音。"), Message("user", "你好！")))
# Where those stand that are somewhere; the others are servers of one's own, at any address.
HOSTS = {
    "openai": "api.openai.com",
    "deepseek": "api.deepseek.com",
    "siliconflow": "api.siliconflow.cn",
    "openrouter": "openrouter.ai",
    "groq": "api.groq.com",
}
every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)


@asynccontextmanager
async def serving(flavour: str, **manner: Any) -> AsyncIterator[ChatServer]:
    async with serve_openai(flavour, key=KEY, default=Behaviour(**manner)) as server:
        yield server
        with anyio.fail_after(60):
            await server.wait_idle()  # whatever a test did, no request is left open


@asynccontextmanager
async def asking(server: ChatServer, flavour: str = "", **changed: Any) -> AsyncIterator[LLM]:
    """The engine. `flavour`: it finds the server at the address that this one really has."""
    settings = LLMSettings(endpoint=server.endpoint, model="qwen3:8b", secrets={"OPENAI_API_KEY": KEY})
    row = replace(OPENAI, server=server_at(HOSTS[flavour])) if flavour in HOSTS else OPENAI
    async with open_chat(replace(settings, **changed), row) as llm:
        yield llm


async def read(llm: LLM) -> tuple[str, LLMError | None]:
    """The whole text, and the error it ended in."""
    text = ""
    try:
        async with aclosing(llm.stream(PROMPT)) as deltas:
            async for delta in deltas:
                text += delta
    except LLMError as error:
        return text, error
    return text, None


def spoken(text: str) -> str:
    """Without the thoughts that stand in the text itself, which conversation/reply takes out."""
    return text.rpartition("</think>\n")[2]


def thoughtless(body: dict[str, Any], flavour: Flavour) -> bool:
    """Whether a request switches thinking off in a way that the server knows."""
    return any(_at(body, path) == value for path, value in flavour.off)


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


# --- every flavour


@every_flavour
@pytest.mark.parametrize("stream", [True, False])
async def test_the_text_of_every_server_is_read(flavour: str, stream: bool) -> None:
    async with serving(flavour) as server, asking(server, flavour, stream=stream) as llm:
        for _ in range(2):
            text, error = await read(llm)
            assert (spoken(text), error) == (REPLY, None)
        assert len(server.connections) == 1


@every_flavour
@pytest.mark.parametrize("stream", [True, False])
async def test_thoughts_come_and_are_never_handed_out(flavour: str, stream: bool) -> None:
    async with serving(flavour) as server, asking(server, flavour, stream=stream, reasoning_effort="low") as llm:
        text, error = await read(llm)
        assert (spoken(text), error) == (REPLY, None)
        assert not thoughtless(server.requests[-1], server.flavour)
    assert "<think>" in text if server.flavour.thoughts == "<think>" else text == REPLY


@every_flavour
async def test_thinking_is_switched_off_as_each_server_wants_it(flavour: str) -> None:
    async with serving(flavour) as server, asking(server, flavour) as llm:
        assert spoken((await read(llm))[0]) == REPLY
        assert len(server.requests) == 1
        assert thoughtless(server.requests[0], server.flavour) or not server.flavour.off


@every_flavour
async def test_a_model_that_cannot_think_answers_all_the_same(flavour: str) -> None:
    async with serving(flavour) as server, asking(server, flavour) as llm:
        server.thinks = False
        for _ in range(2):
            assert await read(llm) == (REPLY, None)
        assert len(server.requests) <= 3


@every_flavour
@pytest.mark.parametrize("effort", ["minimal", "low", "max", ""])
async def test_a_server_behind_an_unknown_address_is_learned(flavour: str, effort: str) -> None:
    async with serving(flavour) as server, asking(server, reasoning_effort=effort) as llm:
        for _ in range(2):
            text, error = await read(llm)
            assert (spoken(text), error) == (REPLY, None)
        before = len(server.requests)
        await read(llm)
        assert before <= 4 and len(server.requests) == before + 1


@every_flavour
@pytest.mark.parametrize("name", ["stream_options", "chat_template_kwargs", "reasoning_effort", "response_format"])
async def test_a_refused_parameter_is_left_out_and_told_once(flavour: str, name: str) -> None:
    async with serving(flavour) as server, asking(server, json_schema=True) as llm:
        said = server.flavour.says.get("unknown", server.flavour.says["value"])
        refusal = Refusal(said, name)
        server.default = Behaviour(judge=lambda body: refusal if name in body else None)
        with capture_logs() as logs:
            for _ in range(2):
                text, error = await read(llm)
                assert (spoken(text), error) == (REPLY, None)
        assert name not in server.requests[-1] and server.requests[-1]["stream"] is True
    told = [log["parameters"] for log in logs if log["event"] == "llm_parameters_not_taken"]
    assert len(told) == 1 and name in told[0]


@every_flavour
async def test_an_error_in_the_middle_of_a_stream_ends_it(flavour: str) -> None:
    async with serving(flavour, fault="error_event", after=3, token_chars=4) as server, asking(server, flavour) as llm:
        text, error = await read(llm)
        assert spoken(text) == REPLY[:12] and error is not None and error.retryable and not error.timed_out
        server.default = Behaviour()
        assert spoken((await read(llm))[0]) == REPLY


# What each of a server's errors means: a word of the sentence, and whether it helps to ask again.
MEANT = {
    "key": ("OPENAI_API_KEY", False),
    "model": ("models.openai_llm", False),
    "busy": ("", True),
    "quota": ("quota", False),
    "context": ("llm.context_tokens", False),
    "broken": ("own side", True),
}


@pytest.mark.parametrize(
    ("flavour", "about"),
    [(name, about) for name, flavour in FLAVOURS.items() for about in MEANT if about in flavour.says],
)
async def test_an_error_before_the_stream_is_told_in_our_words(flavour: str, about: str) -> None:
    said = FLAVOURS[flavour].says[about]
    async with serving(flavour, refusal=Refusal(said, "m")) as server, asking(server, flavour) as llm:
        text, error = await read(llm)
        server.default = Behaviour()
        assert spoken((await read(llm))[0]) == REPLY  # the engine lives
    word, retryable = MEANT[about]
    assert text == "" and error is not None
    assert word in str(error) and error.retryable is retryable and not error.timed_out
    assert "{" not in str(error) and "Provider" not in str(error)


@every_flavour
async def test_a_wrong_path_points_to_the_endpoint(flavour: str) -> None:
    async with serving(flavour) as server:
        async with asking(server, flavour, endpoint=f"{server.endpoint}/wrong") as llm:
            _, error = await read(llm)
    assert error is not None and "endpoints.openai_llm" in str(error) and not error.retryable


# --- every fault

FAULTS = {
    "drop_before_headers": "",
    "drop": REPLY[:8],
    "end_early": REPLY[:8],
    "garbage": REPLY[:8],
    "bad_utf8": REPLY[:8],
    "deep": REPLY[:8],
    "endless_event": REPLY[:8],
    "empty": "",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_of_a_stream_is_a_retryable_error(fault: str) -> None:
    async with serving("ollama", fault=fault, after=2, token_chars=4) as server, asking(server) as llm:
        text, error = await read(llm)
        assert text == FAULTS[fault] and error is not None and error.retryable and not error.timed_out
        server.default = Behaviour()
        assert await read(llm) == (REPLY, None)


@pytest.mark.parametrize("fault", ["drop_before_headers", "drop", "garbage", "empty"])
async def test_every_fault_of_a_whole_answer_is_a_retryable_error(fault: str) -> None:
    async with serving("ollama", fault=fault) as server, asking(server, stream=False) as llm:
        text, error = await read(llm)
        assert text == "" and error is not None and error.retryable
        server.default = Behaviour()
        assert await read(llm) == (REPLY, None)


async def test_a_page_where_an_answer_should_be_names_the_endpoint() -> None:
    async with serving("ollama", fault="wrong_type") as server, asking(server) as llm:
        _, error = await read(llm)
        assert error is not None and "endpoints.openai_llm" in str(error) and not error.retryable


@pytest.mark.parametrize("fault", ["silent", "silent_after_headers", "stall"])
async def test_leaving_a_silent_server_leaves_nothing_open(fault: str) -> None:
    async with serving("llama_cpp", fault=fault, after=1) as server, asking(server) as llm:
        with anyio.move_on_after(0.2):
            await read(llm)
        with anyio.fail_after(60):
            await server.wait_idle()
        server.default = Behaviour()
        assert await read(llm) == (REPLY, None)


@pytest.mark.parametrize("fault", ["no_done", "stall_at_end"])
@pytest.mark.parametrize("flavour", ["openai", "vllm", "ollama", "llama_cpp"])
async def test_a_reply_is_whole_without_the_mark_of_its_end(flavour: str, fault: str) -> None:
    async with serving(flavour, fault=fault) as server, asking(server, flavour) as llm:
        text, error = await read(llm)
        assert (spoken(text), error) == (REPLY, None)


# --- the key


async def test_without_a_key_nothing_is_said_of_one() -> None:
    async with serving("ollama") as server, asking(server, secrets={}) as llm:
        assert await read(llm) == (REPLY, None)
    async with serving("groq") as server, asking(server, secrets={}) as llm:
        _, error = await read(llm)
        assert error is not None and "OPENAI_API_KEY" in str(error)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel"])
async def test_a_key_that_cannot_be_one_refuses_to_open(key: str) -> None:
    async with serving("ollama") as server:
        with pytest.raises(EngineUnavailable, match="OPENAI_API_KEY"):
            async with asking(server, secrets={"OPENAI_API_KEY": key}):
                pass


# --- the address


@pytest.mark.parametrize(
    "tail", ["", "/", "/v1", "/v1/", "/v1/chat/completions", "/v1/completions/", "/v1/models", " "]
)
async def test_an_address_is_taken_as_people_write_it(tail: str) -> None:
    async with serving("ollama") as server:
        given = server.endpoint.removesuffix("/v1") + tail
        with capture_logs() as logs:
            async with asking(server, endpoint=given) as llm:
                assert await read(llm) == (REPLY, None)
    told = [log["why"] for log in logs if log["event"] == "llm_endpoint_mended"]
    right = given.strip().rstrip("/") == server.endpoint
    assert told == ([] if right else [f"endpoints.openai_llm is taken for {server.endpoint}"])


@pytest.mark.parametrize("given", ["", "127.0.0.1:11434/v1", "ws://127.0.0.1/v1", "https://me:pw@x.example/v1"])
async def test_an_address_that_cannot_be_one_refuses_to_open(given: str) -> None:
    with pytest.raises(EngineUnavailable, match=r"endpoints\.openai_llm must be"):
        async with open_llm(LLMSettings(endpoint=given)):
            pass


# --- the model


async def test_an_unnamed_model_is_the_first_that_one_can_talk_with() -> None:
    async with serving("ollama") as server, asking(server, model="") as llm:
        server.models = ["nomic-embed-text:latest", "bge-m3", "whisper-large-v3", "qwen3:8b", "gemma3"]
        with capture_logs() as logs:
            for _ in range(3):
                assert await read(llm) == (REPLY, None)
        assert [body["model"] for body in server.requests] == ["qwen3:8b"] * 3 and server.listed == 1
    assert [log["model"] for log in logs if log["event"] == "llm_model_chosen"] == ["qwen3:8b"]


async def test_turns_at_the_same_time_ask_for_the_list_once() -> None:
    async with serving("vllm") as server, asking(server, model="") as llm:
        async with anyio.create_task_group() as turns:
            for _ in range(5):
                turns.start_soon(read, llm)
        assert server.listed == 1 and len(server.requests) == 5


async def test_a_server_without_any_model_is_the_operators_problem() -> None:
    async with serving("ollama") as server, asking(server, model="") as llm:
        server.models = []  # and its list is null
        with capture_logs() as logs:
            _, error = await read(llm)
        assert error is not None and "models.openai_llm" in str(error) and not error.retryable
        server.models = ["qwen3:8b"]
        assert await read(llm) == (REPLY, None)
    assert [log["log_level"] for log in logs] == ["error"]


async def test_a_server_that_was_started_with_another_model_is_asked_anew() -> None:
    async with serving("vllm") as server, asking(server, model="") as llm:
        assert await read(llm) == (REPLY, None)
        server.models = ["gemma3"]
        _, error = await read(llm)
        assert error is not None
        assert await read(llm) == (REPLY, None)
        assert server.requests[-1]["model"] == "gemma3"


@pytest.mark.parametrize("flavour", ["ollama", "vllm", "deepseek", "siliconflow", "openai"])
async def test_a_model_that_is_not_there_is_told_with_those_that_are(flavour: str) -> None:
    async with serving(flavour) as server:
        with capture_logs() as logs:
            async with asking(server, flavour, model="gemma3") as llm:
                for _ in range(2):
                    _, error = await read(llm)
                    assert error is not None and "models.openai_llm" in str(error) and not error.retryable
                with anyio.fail_after(60):
                    while not any(log["event"] == "llm_model_not_offered" for log in logs):
                        await anyio.lowlevel.checkpoint()
    (told,) = (log for log in logs if log["event"] == "llm_model_not_offered")
    assert (told["setting"], told["model"], told["offered"]) == ("models.openai_llm", "gemma3", ["qwen3:8b"])
    assert server.listed == 1 and KEY not in str(logs)


# --- the request


async def test_an_answer_is_as_long_as_the_operator_allows_by_the_servers_own_name() -> None:
    async with AsyncExitStack() as stack:
        for flavour, name in (("ollama", "max_tokens"), ("openai", "max_completion_tokens")):
            server = await stack.enter_async_context(serving(flavour))
            llm = await stack.enter_async_context(asking(server, flavour, max_tokens=300))
            assert await read(llm) == (REPLY, None)
            assert server.requests[-1][name] == 300


async def test_a_server_that_wants_the_other_name_gets_it() -> None:
    async with serving("openai") as server, asking(server, max_tokens=300) as llm:
        said = Refusal(
            (400, {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                                        "'max_completion_tokens' instead.", "param": "max_tokens"}})
        )  # fmt: skip
        server.default = Behaviour(judge=lambda body: said if "max_tokens" in body else None)
        for _ in range(2):
            assert await read(llm) == (REPLY, None)
        assert server.requests[-1]["max_completion_tokens"] == 300 and "max_tokens" not in server.requests[-1]


@every_flavour
async def test_the_reply_contract_is_asked_for_and_done_without(flavour: str) -> None:
    async with serving(flavour) as server, asking(server, flavour, json_schema=True) as llm:
        with capture_logs() as logs:
            for _ in range(2):
                assert spoken((await read(llm))[0]) == REPLY
        asked, last = server.requests[0]["response_format"], server.requests[-1]
        assert ("response_format" in last) == server.flavour.schema
    assert asked["type"] == "json_schema" and asked["json_schema"]["strict"]
    line = asked["json_schema"]["schema"]["properties"]["lines"]["items"]
    assert line["required"] == list(line["properties"]) and set(line["properties"]["emotion"]["enum"]) == EMOTIONS
    told = [log["parameters"] for log in logs if log["event"] == "llm_parameters_not_taken"]
    assert told == ([] if server.flavour.schema else [("response_format",)])
