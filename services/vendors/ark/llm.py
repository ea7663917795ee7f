"""Doubao on Volcengine Ark: a row on top of chat completions.

Thinking is governed by `reasoning_effort` alone. No `response_format` by itself: the model we ship with has none, and
answers 400 (protocol page, section 5).
"""

from contextlib import AbstractAsyncContextManager
from typing import Final

from services.base import LLM
from services.chat_completions.client import Row, open_chat
from services.chat_completions.servers import ARK
from services.engine_settings import LLMSettings

DOUBAO: Final = Row(
    "endpoints.llm", "models.llm_model", "DOUBAO_API_KEY", key_needed=True, model_needed=True, server=ARK
)


def open_llm(settings: LLMSettings) -> AbstractAsyncContextManager[LLM]:
    """Raises EngineUnavailable on entering: the endpoint, the model or the key cannot be used as they are."""
    return open_chat(settings, DOUBAO)
