"""No engine is forgotten: each of the vendor tables is held to the contract, or it is said why not."""

from collections.abc import Mapping

import pytest

from services.asr_service import ASR_VENDORS
from services.engine_choice import Vendor
from services.llm_service import LLM_VENDORS
from services.tts_service import TTS_VENDORS
from tests.services.engine_rows import LEFT_OUT, ROWS, Kind

TABLES: Mapping[Kind, Mapping[str, Vendor]] = {"llm": LLM_VENDORS, "tts": TTS_VENDORS, "asr": ASR_VENDORS}
ENGINES = [(kind, name) for kind, vendors in TABLES.items() for name in vendors]
WITH_ROW = {(row.kind, row.engine) for row in ROWS.values()}


@pytest.mark.parametrize(("kind", "name"), ENGINES)
def test_every_engine_is_held_to_the_contract_or_it_is_said_why_not(kind: Kind, name: str) -> None:
    held, excused = (kind, name) in WITH_ROW, bool(LEFT_OUT.get((kind, name)))
    assert held != excused, f"{kind} {name}: a row in ROWS of tests/services/engine_rows.py, or a reason in LEFT_OUT"


def test_no_row_and_no_excuse_is_of_an_engine_that_is_gone() -> None:
    assert WITH_ROW | set(LEFT_OUT) <= set(ENGINES)
