"""A detector's name in, opened voice activity detection out."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module

from services.base import VAD
from services.engine_choice import EngineChoice, Vendor

# In order of preference; the last needs no secret. A new vendor is a folder under services/vendors and a row here.
VAD_VENDORS: Mapping[str, Vendor] = {
    "silero": Vendor("services.vendors.silero.vad"),
}


def open_vad(choice: EngineChoice) -> AbstractAsyncContextManager[VAD]:
    """Open the chosen detection for this process; its module is imported only now.

    Raises (on entering):
        EngineUnavailable: it cannot be opened, with what to do.
    """
    opened: AbstractAsyncContextManager[VAD] = import_module(choice.vendor.module).open_vad()
    return opened
