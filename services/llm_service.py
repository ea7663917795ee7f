"""A vendor's name in, an opened mind out; the deadlines are the same for all of them."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module

from services.base import LLM, EngineChoice, LLMSettings, Vendor

# In order of preference; the last needs no secret. A new vendor is one file under services/vendors and one row here.
LLM_VENDORS: Mapping[str, Vendor] = {
    "doubao": Vendor("services.vendors.doubao_llm", secrets=("DOUBAO_API_KEY",)),
    "embedded": Vendor("services.vendors.embedded_llm"),
}


def open_llm(choice: EngineChoice, settings: LLMSettings) -> AbstractAsyncContextManager[LLM]:
    """Open the chosen mind for this process; its module is imported only now.

    Raises (on entering):
        EngineUnavailable: it cannot be opened, with what to do.
    """
    opened: AbstractAsyncContextManager[LLM] = import_module(choice.vendor.module).open_llm(settings)
    return opened
