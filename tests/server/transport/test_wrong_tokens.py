"""Who guesses tokens: each party is counted wherever it comes from, all together too, and right ones always get in."""

from collections.abc import Callable, Iterator

import pytest

from server.observability.line_limit import GUESSING
from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer, running_server

pytestmark = pytest.mark.slow

Start = Callable[..., RunningServer]
TOKEN = "a-token-that-is-long-enough"


def guess(server: RunningServer, address: str | None, token: str = "wrong") -> tuple[int, str]:
    """Close code and code of the error. `address`: as a proxy on this machine would tell it."""
    client = ProtocolClient(server.url, {"X-Forwarded-For": address} if address else None)
    client.send("connect", api_token=token)
    code, messages = client.closed()
    return code, messages[-1]["code"]


def get_in(server: RunningServer, address: str | None) -> None:
    client = ProtocolClient(server.url, {"X-Forwarded-For": address} if address else None)
    client.connect(api_token=TOKEN)
    client.close()


WRONG, TOO_MANY = (4500, "unauthorized"), (4003, "rate_limited")


def test_one_party_is_counted_as_one_whatever_its_address(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS=TOKEN, CHATANON_LIMITS__WRONG_TOKENS_PER_MINUTE="2")
    for addresses in (
        (None, None, None, None),  # from this machine, or through a proxy that does not say for whom
        ("2001:db8::1", "2001:db8::2", "2001:db8::a:b:c:d", "2001:db8::3"),
        ("203.0.113.9", "::ffff:203.0.113.9", "::ffff:cb00:7109", "203.0.113.9"),
    ):
        answers = [guess(server, address) for address in addresses]
        assert answers == [WRONG, WRONG, TOO_MANY, TOO_MANY], addresses
        get_in(server, addresses[0])
    assert guess(server, "2001:db8:0:1::1") == guess(server, "203.0.113.10") == WRONG


@pytest.mark.parametrize(("overall", "answers"), [("3", [WRONG] * 3 + [TOO_MANY] * 5), ("0", [WRONG] * 8)])
def test_all_wrong_tokens_together_have_a_budget_and_an_alert(
    start_server: Start, overall: str, answers: list[tuple[int, str]]
) -> None:
    server = start_server(VALID_API_TOKENS=TOKEN, CHATANON_LIMITS__WRONG_TOKENS_PER_MINUTE_OVERALL=overall)
    assert [guess(server, f"203.0.113.{number}") for number in range(8)] == answers
    get_in(server, None)
    server.signal()
    server.wait()
    alerts = server.events(GUESSING)
    assert {alert["level"] for alert in alerts} == ({"error"} if TOO_MANY in answers else set())


def test_one_network_has_the_places_of_one_address_for_who_says_nothing(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS=TOKEN, CHATANON_LIMITS__UNAUTHENTICATED_PER_ADDRESS="2")
    silent = [ProtocolClient(server.url, {"X-Forwarded-For": f"2001:db8::{number}"}) for number in range(3)]
    assert silent[-1].closed()[0] == 4010
    other = ProtocolClient(server.url, {"X-Forwarded-For": "2001:db8:0:1::1"})
    other.connect(api_token=TOKEN)
    for client in (*silent, other):
        client.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("demo")
    with running_server(folder, CHATANON_LIMITS__WRONG_TOKENS_PER_MINUTE="0") as running:
        yield running


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Forwarded", "for=203.0.113.9"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "203.0.113.9"),
        ("X-Real-IP", "127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("X-FORWARDED-HOST", "localhost"),
        ("Via", "1.1 proxy"),
        ("Via", ""),
        ("CF-Connecting-IP", "127.0.0.1"),
        ("True-Client-IP", "::1"),
    ],
)
@pytest.mark.parametrize("token", ["dev_token_001", "wrong"])
def test_demo_mode_lets_nobody_in_through_a_proxy_and_says_why(
    demo: RunningServer, header: str, value: str, token: str
) -> None:
    client = ProtocolClient(demo.url, {header: value})
    client.send("connect", api_token=token)
    code, (error,) = client.closed()
    assert (code, error["code"], error["retryable"]) == (4500, "unauthorized", False)
    assert "demo mode" in error["message"] and "proxy" in error["message"] and "VALID_API_TOKENS" in error["message"]


def test_demo_mode_tells_its_operator_which_header_it_was(start_server: Start) -> None:
    server = start_server()
    assert guess(server, None, "dev_token_002") == WRONG
    client = ProtocolClient(server.url, {"X-Real-IP": "127.0.0.1"})
    client.send("connect", api_token="dev_token_001")
    assert client.closed()[0] == 4500
    server.wait_for("unauthorized", 2)
    assert [event.get("forwarded_by") for event in server.events("unauthorized")] == [None, "x-real-"]
    here = ProtocolClient(server.url)
    here.connect(api_token="dev_token_001")
    here.close()
