"""A vendor's name in, an opened voice out; the deadlines are the same for all of them."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module

from services.base import TTS, EngineChoice, TTSSettings, Vendor

MEI_CREDIT = (
    'HTS Voice "Mei" by MMDAgent Project Team and Nagoya Institute of Technology, '
    "licensed under CC BY 3.0 (https://creativecommons.org/licenses/by/3.0/)"
)

# In order of preference; the last needs no secret. A new vendor is one file under services/vendors and one row here.
TTS_VENDORS: Mapping[str, Vendor] = {
    "minimax": Vendor("services.vendors.minimax_tts", secrets=("MINIMAX_API_KEY",)),
    "embedded": Vendor("services.vendors.embedded_tts", credit=MEI_CREDIT),
}


def open_tts(choice: EngineChoice, settings: TTSSettings) -> AbstractAsyncContextManager[TTS]:
    """Open the chosen voice for this process; its module is imported only now.

    Raises (on entering):
        EngineUnavailable: it cannot be opened, with what to do.
    """
    opened: AbstractAsyncContextManager[TTS] = import_module(choice.vendor.module).open_tts(settings)
    return opened
