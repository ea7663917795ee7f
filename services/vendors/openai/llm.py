"""Any server that speaks OpenAI's chat completions, by its address: a row on top of them.

`endpoints.openai_llm` is what stands before `/chat/completions`; an address without any path gets `/v1`. A server of
one's own wants no key, and its model need not be named: the first one that it offers is asked.
"""

from contextlib import AbstractAsyncContextManager
from typing import Final

from services.base import LLM
from services.chat_completions.client import Row, open_chat
from services.engine_settings import LLMSettings

OPENAI: Final = Row("endpoints.openai_llm", "models.openai_llm", "OPENAI_API_KEY", root="/v1")


def open_llm(settings: LLMSettings) -> AbstractAsyncContextManager[LLM]:
    """Raises EngineUnavailable on entering: the endpoint or the key cannot be used as they are."""
    return open_chat(settings, OPENAI)
