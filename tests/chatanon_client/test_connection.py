"""Addresses as people type them, and when a lost connection is tried again."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatanon_client import ChatAnonError, mend_url
from chatanon_client.connection import LONGEST_DELAY_S, may_reconnect, reconnect_delay_s


@pytest.mark.parametrize(
    ("given_url", "meant"),
    [
        ("ws://localhost:8765/ws", "ws://localhost:8765/ws"),
        ("localhost:8765", "ws://localhost:8765/ws"),
        ("localhost：9000", "ws://localhost:9000/ws"),
        ("192.168.1.7", "ws://192.168.1.7:8765/ws"),
        ("[::1]", "ws://[::1]:8765/ws"),
        ("http://example.org", "ws://example.org/ws"),
        ("https://example.org/", "wss://example.org/ws"),
        ("https://example.org/talk", "wss://example.org/talk"),
        ("WSS://example.org:444/ws?room=1", "wss://example.org:444/ws?room=1"),
    ],
)
def test_addresses_people_type_are_mended(given_url: str, meant: str) -> None:
    assert mend_url(given_url) == meant


@pytest.mark.parametrize(
    ("nonsense", "code"),
    [
        ("", "url_no_host"),
        ("ws://", "url_no_host"),
        ("ftp://example.org", "url_scheme"),
        ("localhost:port", "url_unreadable"),
        ("a b", "url_no_host"),
        ("ws://h:99999", "url_unreadable"),
        ("[::1", "url_unreadable"),
        ("][::", "url_brackets"),
        ("a[::1]", "url_unreadable"),
        ("[::1]b", "url_unreadable"),
        ("[]", "url_unreadable"),
    ],
)
def test_addresses_that_cannot_be_mended_are_refused_for_good(nonsense: str, code: str) -> None:
    with pytest.raises(ChatAnonError) as refused:
        mend_url(nonsense)
    either = {"url_brackets", "url_unreadable"}  # Pythons differ in where they notice
    assert refused.value.fatal
    assert refused.value.code == code or {code, refused.value.code} <= either


@given(st.text(alphabet="aé中.:/?#[]@-1 ", max_size=12))
@example("][::")
def test_a_mended_address_stays_as_it_is(text: str) -> None:
    try:
        url = mend_url(text)
    except ChatAnonError:
        return
    assert mend_url(url) == url


@given(failures=st.integers(1, 100_000), chance=st.floats(0, 1, exclude_max=True))
def test_pauses_between_tries_grow_to_a_bound(failures: int, chance: float) -> None:
    delay_s = reconnect_delay_s(failures, chance)
    assert 0.25 <= delay_s <= LONGEST_DELAY_S
    assert delay_s <= reconnect_delay_s(failures + 1, chance)


def test_only_closes_that_allow_it_are_followed_by_a_new_connection() -> None:
    for code in itertools.chain(range(4000, 4500), (1001, 1006, 1012)):
        assert may_reconnect(code)
    for code in itertools.chain(range(4500, 5000), (1000, 1002, 1007, 1008)):
        assert not may_reconnect(code)
