"""A vendor's name in, an opened recogniser out.

This version hears nothing yet, so the table is empty and `engines.asr` can only be `auto`: voice messages are answered
with `wrong_state`. A recogniser is one file under services/vendors and one row here.
"""

from collections.abc import Mapping

from services.base import Vendor

ASR_VENDORS: Mapping[str, Vendor] = {}
VAD_VENDORS: Mapping[str, Vendor] = {}
