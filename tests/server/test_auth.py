"""Who may talk: the tokens and addresses that are let in, and all those that are not."""

import hashlib
import hmac
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.auth import (
    DEMO_TOKEN,
    Authenticator,
    User,
    hash_token,
    is_loopback,
    one_party,
    origin_allowed,
    why_not_allowed,
)
from server.transport.forwarded import forwarded_by

HERE = "127.0.0.1"
ELSEWHERE = "192.0.2.7"


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


# ---------------------------------------------------------------- tokens


def test_token_is_known_by_itself_and_kept_by_its_hash() -> None:
    user = Authenticator(["token1", "令牌"]).authenticate("令牌", ELSEWHERE)
    assert user == User(sha256("令牌"))


def test_hashed_entry_stands_for_its_token_and_gives_the_same_caller() -> None:
    plain = Authenticator(["a token"]).authenticate("a token", ELSEWHERE)
    for entry in (f"sha256:{sha256('a token')}", f"sha256:{sha256('a token').upper()}"):
        assert Authenticator([entry]).authenticate("a token", ELSEWHERE) == plain != None  # noqa: E711


def test_a_stolen_hash_is_no_token() -> None:
    stored = sha256("a token")
    for entries in (["a token"], [f"sha256:{stored}"]):
        for presented in (stored, f"sha256:{stored}", f"sha256:{stored.upper()}"):
            assert Authenticator(entries).authenticate(presented, HERE) is None


@pytest.mark.parametrize(
    "token",
    [None, "", " ", 0, 7, 1.5, True, False, [], ["token1"], {}, {"token1": 1}, ("token1",), {"token1"}, b"token1",
     "token1 ", " token1", "token1\x00", "Token1", "tokenl", "token", "token11", "\ud800", "x" * 100_000, object()],
    ids=lambda token: repr(token).partition(" at 0x")[0][:40],  # the same in each worker of pytest-xdist
)  # fmt: skip
def test_what_is_no_valid_token_is_refused_whatever_its_type(token: object) -> None:
    assert Authenticator(["token1", "token2"]).authenticate(token, HERE) is None
    assert Authenticator([]).authenticate(token, HERE) is None


@pytest.mark.parametrize("token", [None, "", 7, [], ["x"], {}])
def test_nothing_is_let_in_by_an_empty_entry(token: object) -> None:
    assert Authenticator(["", "sha256:", "sha256:" + sha256("")]).authenticate(token, HERE) is None


@given(token=st.text(min_size=1), others=st.lists(st.text(min_size=1)))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_a_token_and_only_that_text(token: str, others: list[str]) -> None:
    authenticator = Authenticator([f"sha256:{hash_token(token)}"])
    assert authenticator.authenticate(token, None) == User(hash_token(token))
    for other in others:
        assert (authenticator.authenticate(other, None) is not None) == (other == token)


def comparisons(authenticator: Authenticator, token: object) -> int:
    """How often a hash is compared with a hash."""
    count = 0

    def see(_frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "c_call" and argument is hmac.compare_digest

    sys.setprofile(see)
    try:
        authenticator.authenticate(token, HERE)
    finally:
        sys.setprofile(None)
    return count


def test_every_entry_is_compared_whichever_matches() -> None:
    tokens = [f"token{number}" for number in range(20)]
    authenticator = Authenticator(tokens)
    for token in (*tokens, "wrong", "", None, 7, ["token0"]):
        assert comparisons(authenticator, token) == len(tokens)


def test_log_shows_a_short_hash_of_the_token_and_nothing_of_it() -> None:
    user = Authenticator(["token1"]).authenticate("token1", HERE)
    assert user is not None
    assert user.label == sha256("token1")[:8]
    assert "token1" not in repr(user)


def test_authenticator_does_not_show_its_tokens() -> None:
    authenticator = Authenticator(["a secret token"])
    assert "a secret token" not in repr(authenticator) + repr(vars(authenticator))


# ---------------------------------------------------------------- demo mode

LOOPBACK = ["127.0.0.1", "127.0.0.2", "127.255.255.255", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1"]
NOT_LOOPBACK = [
    None, "", " ", "0.0.0.0", "::", "localhost", "testclient", "128.0.0.1", "126.255.255.255", "10.0.0.1",
    "192.168.0.1", "::ffff:192.0.2.7", "::ffff:0.0.0.0", "::127.0.0.1", "::2", "fe80::1", "127.0.0.1 ", "127.0.0.1:80",
    "[::1]", "127.1", "2130706433", "0x7f.0.0.1", "127.0.0.01", "127.0.0.1\n", "localhost.evil",
]  # fmt: skip


@pytest.mark.parametrize("address", LOOPBACK)
def test_addresses_of_this_machine_are_loopback(address: str) -> None:
    assert is_loopback(address)
    assert Authenticator([]).authenticate(DEMO_TOKEN, address) == User(sha256(DEMO_TOKEN))


@pytest.mark.parametrize("address", NOT_LOOPBACK)
def test_no_other_address_is_loopback(address: str | None) -> None:
    assert not is_loopback(address)
    assert Authenticator([]).authenticate(DEMO_TOKEN, address) is None


def test_demo_mode_is_on_without_tokens_and_off_with_one() -> None:
    assert Authenticator([]).demo
    real = Authenticator(["token1"])
    assert not real.demo
    assert real.authenticate(DEMO_TOKEN, HERE) is None
    assert real.authenticate("token1", ELSEWHERE) is not None


def test_demo_token_that_an_operator_chose_is_a_token_like_others() -> None:
    assert Authenticator([DEMO_TOKEN]).authenticate(DEMO_TOKEN, ELSEWHERE) is not None


DIRECT = [
    "host",
    "user-agent",
    "origin",
    "sec-websocket-key",
    "x-requested-with",
    "viable",
    "cf",
    "x-forward",
    "flying",
]
FORWARDED = [
    "Forwarded", "Via", "X-Forwarded-For", "x-forwarded-host", "X-FORWARDED-PROTO", "X-Forwarded", "Forwarded-For",
    "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP", "X-Original-Forwarded-For", "X-Original-Host", "True-Client-IP",
    "CF-Connecting-IP", "CF-Ray", "CDN-Loop", "Fastly-Client-IP", "Fly-Client-IP", "X-Envoy-External-Address",
    "X-Azure-ClientIP", "X-AppEngine-User-IP", "X-Amzn-Trace-Id", "Tailscale-User-Login",
]  # fmt: skip


@pytest.mark.parametrize("header", FORWARDED)
def test_demo_mode_takes_nothing_that_a_proxy_passed_on(header: str) -> None:
    mark = forwarded_by([*DIRECT, header])
    assert mark is not None
    assert Authenticator([]).authenticate(DEMO_TOKEN, HERE, mark) is None
    assert Authenticator(["token1"]).authenticate("token1", HERE, mark) is not None


def test_what_a_client_sends_by_itself_marks_nothing_as_forwarded() -> None:
    assert forwarded_by(DIRECT) is None


# ---------------------------------------------------------------- whom a limit per address counts

PARTIES: list[set[str | None]] = [
    {"192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207", "64:ff9b::192.0.2.7"},
    {"192.0.2.8", "::ffff:192.0.2.8", "64:ff9b::c000:208"},
    {"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff:ffff:ffff:ffff", "2001:0DB8::"},
    {"2001:db8:0:1::1", "2001:db8:0:1:ffff::1"},
    {"fe80::1%eth0", "fe80::2%eth1", "fe80::3"},
    {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"},
    {"testclient"},
    {None, ""},
]


def test_addresses_that_one_party_can_choose_between_are_one_and_others_are_others() -> None:
    assert [len({one_party(address) for address in addresses}) for addresses in PARTIES] == [1] * len(PARTIES)
    assert len({one_party(address) for addresses in PARTIES for address in addresses}) == len(PARTIES)


# ---------------------------------------------------------------- origins

OWN_ORIGINS = [
    "http://localhost", "http://localhost:3000", "https://localhost:8443", "HTTP://LOCALHOST:80", "http://127.0.0.1:8765",
    "http://127.9.9.9", "http://[::1]", "http://[::1]:8765", "http://[::ffff:127.0.0.1]:80", "tauri://localhost",
]  # fmt: skip
FOREIGN_ORIGINS = [
    "http://localhost.evil.example", "http://localhost.", "http://evil.example", "https://evil.example:8765",
    "http://127.0.0.1.evil.example", "http://127.0.0.1@evil.example", "http://evil.example@127.0.0.1",
    "http://evil.example#localhost", "http://localhost#.evil.example", "http://localhost/.evil.example",
    "http://localhost?.evil.example", "http://localhost\\.evil.example", "http://localhost%00.evil.example",
    "http://localhost\n.evil.example", "http://lo\tcalhost", "http://localhost, http://evil.example",
    "http://localhost http://evil.example", "http://0.0.0.0:8765", "http://[::]", "http://192.168.0.2", "http://[::1",
    "http://[::1%25lo]", "http://[v1.x]", "http://localhost:", "http://localhost:port", "http://ｌocalhost", "null",
    "localhost", "//localhost", "file://", "file:///home/me/page.html", "", " ", "http://", "://localhost", "🦊",
]  # fmt: skip


@pytest.mark.parametrize("origin", OWN_ORIGINS)
def test_demo_mode_takes_pages_of_this_machine(origin: str) -> None:
    assert origin_allowed(origin, [], demo=True)


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_demo_mode_takes_no_other_page_whatever_the_configuration_allows(origin: str) -> None:
    assert not origin_allowed(origin, ["*", origin], demo=True)


@given(st.text() | st.from_regex(r"[a-z]{1,5}://[^/]{0,20}\Z"))
@settings(max_examples=200, deadline=None)
def test_any_origin_gets_an_answer(origin: str) -> None:
    assert origin_allowed(origin, ["*"], demo=False)
    assert not origin_allowed(origin, [], demo=False)
    assert origin_allowed(origin, [], demo=True) in (True, False)


def test_native_clients_send_no_origin_and_are_taken() -> None:
    for demo in (True, False):
        assert origin_allowed(None, [], demo=demo)


def test_with_tokens_the_configuration_decides_to_the_letter() -> None:
    allowed = ["https://chat.example", "http://localhost:3000"]
    assert origin_allowed("https://chat.example", allowed, demo=False)
    for origin in ("http://chat.example", "https://chat.example:8443", "https://chat.example.evil.example", "null", ""):
        assert not origin_allowed(origin, allowed, demo=False)
    assert origin_allowed("https://anything.example", ["*"], demo=False)


SHOWN_ORIGINS = [
    ("https://evil.example:8443", '"https://evil.example:8443"'),
    ("null", '"null"'),
    ("capacitor://app", '"capacitor://app"'),
    ("", '""'),
    ("https://x\r\nerror: pay here \x1b[2J", '"https://x??error:?pay?here??[2J"'),
    ('https://x" may connect. Now run `rm`', '"https://x??may?connect.?Now?run??rm?"'),
    ("https://\u202eelpmaxe\u2028", '"https://?elpmaxe?"'),
    ("https://" + "a" * 5000, '"https://' + "a" * 92 + '..."'),
]


@pytest.mark.parametrize(("origin", "shown"), SHOWN_ORIGINS)
@pytest.mark.parametrize(("demo", "mends"), [(True, ("VALID_API_TOKENS", "localhost")), (False, ("allowed_origins",))])
def test_refused_page_is_told_what_helps_and_nothing_of_its_own_making(
    origin: str, shown: str, demo: bool, mends: tuple[str, ...]
) -> None:
    sentence = why_not_allowed(origin, demo=demo)
    assert f"origin {shown} may" in sentence and all(mend in sentence for mend in mends)
    assert ("demo mode" in sentence) == demo
    assert sentence.isprintable() and sentence.count('"') == 2 and len(sentence) < 320
