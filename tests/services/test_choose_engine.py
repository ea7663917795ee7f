"""Which engine serves: by its keys, by its name, and with a sentence where it cannot."""

import pytest

from services.asr_service import ASR_VENDORS
from services.engine_choice import EngineUnavailable, choose_engine

OLD = {"BYTEDANCE_APP_KEY": "app", "BYTEDANCE_ACCESS_KEY": "access"}
NEW = {"BYTEDANCE_API_KEY": "key"}


@pytest.mark.parametrize(
    ("secrets", "name", "reason"),
    [
        (OLD, "bytedance", "BYTEDANCE_APP_KEY and BYTEDANCE_ACCESS_KEY set"),
        (NEW, "bytedance", "BYTEDANCE_API_KEY set"),
        (OLD | NEW, "bytedance", "BYTEDANCE_API_KEY set"),
        ({"BYTEDANCE_APP_KEY": "app"}, "embedded", "BYTEDANCE_API_KEY, BYTEDANCE_ACCESS_KEY not set"),
        ({}, "embedded", "BYTEDANCE_API_KEY, BYTEDANCE_APP_KEY, BYTEDANCE_ACCESS_KEY not set"),
    ],
)
def test_recogniser_with_two_kinds_of_keys_is_chosen_by_either(secrets: dict[str, str], name: str, reason: str) -> None:
    choice = choose_engine("asr", "auto", ASR_VENDORS, secrets)
    assert (choice.name, choice.reason) == (name, reason)


def test_engine_that_needs_more_than_a_key_is_taken_by_its_name_alone() -> None:
    assert choose_engine("asr", "sherpa", ASR_VENDORS, {}).name == "sherpa"
    assert ASR_VENDORS["sherpa"].only_named


def test_engine_named_without_its_keys_says_which_sets_would_do() -> None:
    with pytest.raises(EngineUnavailable) as raised:
        choose_engine("asr", "bytedance", ASR_VENDORS, {"BYTEDANCE_APP_KEY": "app"})
    assert "BYTEDANCE_API_KEY, or BYTEDANCE_APP_KEY and BYTEDANCE_ACCESS_KEY" in str(raised.value)


def test_engine_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(EngineUnavailable, match="auto or bytedance or sherpa or embedded"):
        choose_engine("asr", "whisper", ASR_VENDORS, {})
