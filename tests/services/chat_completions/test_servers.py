"""What kind a server is, by its address."""

import pytest

from services.chat_completions.parameters import wanted_of
from services.chat_completions.servers import NO_TALKERS, server_at

OWN = {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False, "thinking": False}}


@pytest.mark.parametrize(
    ("host", "off"),
    [
        ("ark.cn-beijing.volces.com", {"reasoning_effort": "minimal"}),
        ("api.openai.com", {"reasoning_effort": "none"}),
        ("eu.api.openai.com", {"reasoning_effort": "none"}),
        ("api.groq.com", {"reasoning_effort": "none"}),
        ("api.deepseek.com", {"thinking": {"type": "disabled"}}),
        ("api.siliconflow.cn", {"enable_thinking": False}),
        ("dashscope.aliyuncs.com", {"enable_thinking": False}),
        ("openrouter.ai", {"reasoning": {"enabled": False}}),
        ("api.mistral.ai", {}),
        ("127.0.0.1", OWN),
        ("localhost", OWN),
        ("gpu.example.org", OWN),
        ("api.openai.com.example.org", OWN),
        ("notopenai.com", OWN),
        ("", OWN),
    ],
)
def test_thinking_is_switched_off_in_the_words_of_who_is_asked(host: str, off: dict[str, object]) -> None:
    common = {"stream": True, "stream_options": {"include_usage": True}}
    assert wanted_of(server_at(host), stream=True, effort="minimal").values == common | off
    assert wanted_of(server_at(host), stream=True, effort="").values == common


@pytest.mark.parametrize(
    ("host", "on"),
    [
        ("api.deepseek.com", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("openrouter.ai", {"reasoning": {"effort": "high"}}),
        ("api.siliconflow.cn", {"enable_thinking": True}),
        ("127.0.0.1", {"reasoning_effort": "high"}),
    ],
)
def test_thinking_is_wanted_in_the_words_of_who_is_asked(host: str, on: dict[str, object]) -> None:
    assert wanted_of(server_at(host), stream=False, effort="high").fields() == {"stream": False} | on


@pytest.mark.parametrize(
    "name",
    [
        "nomic-embed-text:latest",
        "text-embedding-3-large",
        "BAAI/bge-m3",
        "whisper-large-v3",
        "tts-1",
        "bge-reranker",
    ],
)
def test_models_that_nobody_can_talk_with(name: str) -> None:
    assert NO_TALKERS.search(name)


@pytest.mark.parametrize(
    "name",
    [
        "qwen3:8b",
        "gpt-4o-mini",
        "deepseek-chat",
        "/models/gemma-3-270m-q4_k_m.gguf",
        "meta-llama/Llama-4",
        "glm-4.6",
    ],
)
def test_models_to_talk_with(name: str) -> None:
    assert not NO_TALKERS.search(name)
