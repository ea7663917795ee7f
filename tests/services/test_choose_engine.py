"""Which engine serves: by its keys, by its name, and with a sentence where it cannot."""

import pytest

from services.asr_service import ASR_VENDORS
from services.engine_choice import EngineUnavailable, Vendor, choose_engines

OLD = {"BYTEDANCE_APP_KEY": "app", "BYTEDANCE_ACCESS_KEY": "access"}
NAMED = "named in the configuration"
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
    (choice,) = choose_engines("asr", ("auto",), ASR_VENDORS, secrets, {})
    assert (choice.name, choice.reason) == (name, reason)


def test_engine_that_needs_more_than_a_key_is_taken_by_its_name_alone() -> None:
    assert [each.name for each in choose_engines("asr", ("sherpa",), ASR_VENDORS, {}, {})] == ["sherpa"]
    assert ASR_VENDORS["sherpa"].only_named


def test_engine_named_without_its_keys_says_which_sets_would_do() -> None:
    with pytest.raises(EngineUnavailable) as raised:
        choose_engines("asr", ("bytedance",), ASR_VENDORS, {"BYTEDANCE_APP_KEY": "app"}, {})
    assert "BYTEDANCE_API_KEY, or BYTEDANCE_APP_KEY and BYTEDANCE_ACCESS_KEY" in str(raised.value)


def test_engine_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(EngineUnavailable, match="there is no engine 'festival'; use auto or bytedance or "):
        choose_engines("asr", ("festival",), ASR_VENDORS, {}, {})


VENDORS = {
    "cloud": Vendor("", secrets=("CLOUD_KEY",)),
    "own": Vendor("", endpoint="own", own_server=True),
    "demo": Vendor(""),
}


@pytest.mark.parametrize(
    ("wanted", "secrets", "endpoints", "chosen"),
    [
        ("auto", {"CLOUD_KEY": "key"}, {"own": "http://own"}, [("cloud", "CLOUD_KEY set")]),
        ("auto", {}, {"own": "http://own"}, [("own", "endpoints.own set")]),
        ("auto", {}, {"own": ""}, [("demo", "CLOUD_KEY not set")]),
        ("own", {}, {"own": "http://own"}, [("own", NAMED)]),
        ("auto demo", {}, {"own": "http://own"}, [("own", "endpoints.own set"), ("demo", NAMED)]),
        ("auto demo", {}, {}, [("demo", "CLOUD_KEY not set")]),
        ("demo auto own demo", {}, {"own": "http://own"}, [("demo", NAMED), ("own", "endpoints.own set")]),
    ],
)
def test_several_engines_are_chosen_in_the_order_of_their_names(
    wanted: str, secrets: dict[str, str], endpoints: dict[str, str], chosen: list[tuple[str, str]]
) -> None:
    choices = choose_engines("tts", wanted.split(), VENDORS, secrets, endpoints)
    assert [(each.name, each.reason) for each in choices] == chosen


def test_own_server_without_its_address_says_which_key_wants_it() -> None:
    with pytest.raises(EngineUnavailable, match=r"engines\.tts: own needs endpoints\.own, which is not set; set it to"):
        choose_engines("tts", ("demo", "own"), VENDORS, {}, {"own": ""})
