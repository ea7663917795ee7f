"""The first message: who may come in, and what the others are told."""

import hashlib
from collections.abc import Callable, Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.protocol_client import ProtocolClient, Wire
from tests.running_server import RunningServer, running_server

Start = Callable[..., RunningServer]


def refused(server: RunningServer, frame: str | bytes | None = None, **hello: object) -> tuple[int, Wire]:
    """Close code and last message of a handshake that must fail."""
    client = ProtocolClient(server.url)
    if frame is None:
        client.send("connect", **hello)
    else:
        client.send_raw(frame)
    code, messages = client.closed()
    assert [message["type"] for message in messages] == ["error"]
    assert messages[0]["message"] and isinstance(messages[0]["retryable"], bool)
    return code, messages[0]


@pytest.mark.parametrize("token", ["wrong", "", None, 7, 1.5, True, [], ["x"], {}, {"a": {}}, "x" * 3000])
def test_every_wrong_token_gets_the_same_answer(server: RunningServer, token: object) -> None:
    code, error = refused(server, api_token=token)
    assert (code, error) == (
        4500,
        {"type": "error", "message": "The token is not valid", "code": "unauthorized", "retryable": False},
    )


def test_connect_without_a_token_is_unauthorized(server: RunningServer) -> None:
    code, error = refused(server)
    assert (code, error["code"]) == (4500, "unauthorized")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ("nonsense", "bad_json"),
        ('["connect"]', "bad_message"),
        ("null", "bad_message"),
        ('{"type": "ping"}', "not_connected"),
        ('{"type": "message", "content": "你好"}', "not_connected"),
        ('{"type": "audio_message", "audio_base64": "!"}', "not_connected"),
        ('{"type": "hello"}', "not_connected"),
        (b"\x00\x01", "bad_message"),
        ('{"type": "connect", "api_token": "x", "character_name": 7}', "bad_message"),
        ('{"type": "connect", "api_token": "x", "audio_sample_rate": 7999}', "bad_message"),
        ('{"type": "connect", "api_token": "x", "audio_sample_rate": 48001}', "bad_message"),
        ('{"type": "connect", "api_token": "x", "audio_sample_rate": "16000"}', "bad_message"),
        ('{"type": "connect", "api_token": "x", "audio_sample_rate": 16000.5}', "bad_message"),
        ('{"type": "connect", "api_token": "x", "extensions": "turns"}', "bad_message"),
    ],
)
def test_first_message_that_is_no_connect_ends_the_connection(
    server: RunningServer, frame: str | bytes, expected: str
) -> None:
    code, error = refused(server, frame)
    assert (code, error["code"]) == (4502, expected)


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff \r\n"])
def test_byte_order_mark_before_the_first_message_is_skipped(server: RunningServer, mark: str) -> None:
    code, error = refused(server, mark + '{"type": "connect", "api_token": "wrong"}')
    assert (code, error["code"]) == (4500, "unauthorized")  # so it was read


def test_first_frame_may_not_be_large(server: RunningServer) -> None:
    code, error = refused(server, api_token="x", padding="x" * 4096)
    assert (code, error["code"]) == (1009, "message_too_big")


@pytest.mark.parametrize("name", ["nobody", "../anon", "anon/../tomori", "\x00", "\u202eanon", "a" * 3000, "/etc", "."])
def test_unknown_character_is_refused_with_the_names_there_are(server: RunningServer, token: str, name: str) -> None:
    code, error = refused(server, api_token=token, character_name=name)
    assert (code, error["code"]) == (4505, "unknown_character")
    assert "anon" in error["message"] and "tomori" in error["message"] and name not in error["message"].split()


@pytest.mark.parametrize("name", ["ANON", "Anon", None, ""])
def test_character_is_found_in_any_case_and_anon_by_default(
    talk: Callable[..., ProtocolClient], name: str | None
) -> None:
    assert talk(character_name=name).said[0]["character"] == "anon"


@pytest.mark.slow
def test_silent_socket_is_closed_after_the_handshake_timeout(start_server: Start) -> None:
    server = start_server(CHATANON_TIMEOUTS__WEBSOCKET_CONNECT="0.2")
    code, messages = ProtocolClient(server.url).closed()
    assert (code, messages[0]["code"]) == (4004, "handshake_timeout")


@pytest.mark.slow
def test_hashed_entry_admits_its_token(start_server: Start) -> None:
    digest = hashlib.sha256("虹色のトークン".encode()).hexdigest()
    server = start_server(VALID_API_TOKENS=f"sha256:{digest}")
    client = ProtocolClient(server.url)
    client.connect(api_token="虹色のトークン")
    client.close()
    assert refused(server, api_token=digest)[0] == 4500
    assert refused(server, api_token=f"sha256:{digest}")[0] == 4500
    assert refused(server, api_token="dev_token_001")[0] == 4500


@pytest.mark.slow
def test_demo_mode_says_so_and_takes_the_demo_token_from_this_machine_only(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="your_token_1, your_token_2", DOUBAO_API_KEY="your_llm_api_key")
    assert any("demo mode" in line and "dev_token_001" in line for line in server.log)
    here = ProtocolClient(server.url)
    here.connect(api_token="dev_token_001")
    here.close()
    assert refused(server, api_token="your_token_1")[0] == 4500
    # Behind a proxy on this machine the caller's own address counts (uvicorn trusts a loopback proxy's header).
    elsewhere = ProtocolClient(server.url, {"X-Forwarded-For": "203.0.113.9"})
    elsewhere.send("connect", api_token="dev_token_001")
    assert elsewhere.closed()[0] == 4500
    assert server.get("/")[1]["demo"] is True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "code"),
    [
        ("http://localhost:3000", None),
        ("http://127.0.0.1", None),
        ("http://[::1]:8080", None),
        ("https://evil.example", 4503),
        ("http://localhost.evil.example", 4503),
        ("null", 4503),
    ],
)
def test_demo_mode_refuses_pages_of_other_machines(demo_server: RunningServer, origin: str, code: int | None) -> None:
    client = ProtocolClient(demo_server.url, {"Origin": origin})
    if code is None:
        client.connect(api_token="dev_token_001")
        client.close()
    else:
        closed, messages = client.closed()
        assert (closed, messages[0]["code"]) == (code, "origin_not_allowed")
        told = messages[0]["message"]
        assert all(part in told for part in (f'"{origin}"', "demo mode", "VALID_API_TOKENS", "http://localhost"))
        demo_server.wait_for(told)  # who runs the server reads the same in its log


@pytest.fixture(scope="module")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("demo"), VALID_API_TOKENS="") as server:
        yield server


@pytest.mark.slow
def test_allowed_origins_are_enforced_outside_demo_mode(start_server: Start) -> None:
    server = start_server(
        VALID_API_TOKENS="a-token-that-is-long-enough", CHATANON_SERVER__ALLOWED_ORIGINS="[https://chat.example]"
    )
    page = ProtocolClient(server.url, {"Origin": "https://chat.example"})
    page.connect(api_token="a-token-that-is-long-enough")
    page.close()
    code, messages = ProtocolClient(server.url, {"Origin": "https://other.example"}).closed()
    assert (code, messages[0]["code"]) == (4503, "origin_not_allowed")
    native = ProtocolClient(server.url)
    native.connect(api_token="a-token-that-is-long-enough")
    native.close()


@pytest.mark.slow
def test_token_in_the_address_is_ignored_and_never_logged(start_server: Start) -> None:
    secret = "a-token-that-is-long-enough"
    server = start_server(VALID_API_TOKENS=secret, CHATANON_LOG__LEVEL="debug")
    client = ProtocolClient(f"{server.url}?api_token={secret}")
    client.send("connect")
    assert client.closed()[0] == 4500
    served = ProtocolClient(server.url)
    served.connect(api_token=secret)
    served.turn("你好")
    served.close()
    server.signal()
    assert server.wait() == 0
    assert secret not in "\n".join(server.log)


def test_extensions_are_granted_by_name(talk: Callable[..., ProtocolClient]) -> None:
    hello = talk(extensions=["turns", "resume", "no such thing", "history", "turns"]).said[0]
    assert hello["extensions"] == ["history", "turns"]
    assert hello["session_id"]
    assert talk(extensions=[]).said[0]["extensions"] == []


@pytest.mark.slow
def test_default_extensions_serve_clients_that_ask_for_none(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="", CHATANON_PROTOCOL__DEFAULT_EXTENSIONS="[stages]")
    client = ProtocolClient(server.url)
    assert "extensions" not in client.connect(api_token="dev_token_001")
    client.turn("你好")
    assert client.receive() == {"type": "turn_end"}
    assert {"llm_start", "llm_end", "tts_start"} < {message["type"] for message in client.said}
    asked = ProtocolClient(server.url)
    assert asked.connect(api_token="dev_token_001", extensions=[])["extensions"] == []
    asked.turn("你好")
    asked.ping()
    asked.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "stages"),
    [("http://localhost:3000", True), ("http://127.0.0.1", True), (None, False)],
)
def test_default_extensions_may_be_for_browsers_alone(
    for_browsers: RunningServer, origin: str | None, stages: bool
) -> None:
    client = ProtocolClient(for_browsers.url, {"Origin": origin} if origin is not None else None)
    assert "extensions" not in client.connect(api_token="dev_token_001")
    client.turn("你好")
    if stages:
        assert client.receive() == {"type": "turn_end"}
    client.ping()
    assert ("llm_start" in {message["type"] for message in client.said}) == stages
    client.close()
    asked = ProtocolClient(for_browsers.url, {"Origin": origin} if origin is not None else None)
    assert asked.connect(api_token="dev_token_001", extensions=["turns"])["extensions"] == ["turns"]
    asked.close()


@pytest.fixture(scope="module")
def for_browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("browsers")
    extensions = {"CHATANON_PROTOCOL__DEFAULT_EXTENSIONS": "{browsers: [stages]}"}
    with running_server(folder, VALID_API_TOKENS="", **extensions) as server:
        yield server


@pytest.mark.slow
def test_callers_who_leave_before_they_say_who_they_are_are_no_incident(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="")
    for _ in range(5):
        ProtocolClient(server.url).close()
    client = ProtocolClient(server.url)
    client.connect(api_token="dev_token_001")
    client.close()
    server.wait_for("gone")
    assert not [line for line in server.log if '"level": "error"' in line]


@pytest.mark.slow
def test_token_in_the_address_is_warned_of_once(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="")
    for _ in range(3):
        client = ProtocolClient(f"{server.url}?api_token=dev_token_001")
        client.connect(api_token="dev_token_001")
        client.close()
    server.wait_for("gone", 3)
    assert len([line for line in server.log if "into the address" in line]) == 1


@pytest.mark.slow
def test_newcomers_own_address_is_named_as_a_url(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="", CHATANON_SERVER__HOST="::1")
    assert any(f"'ws://[::1]:{server.port}/ws' --token dev_token_001" in line for line in server.log)


# ---------------------------------------------------------------- where


@pytest.mark.parametrize("path", ["/ws", "/ws/", "/ws?x=1", "/ws/?token=no"])
def test_the_path_may_end_in_a_slash(server: RunningServer, token: str, path: str) -> None:
    client = ProtocolClient(server.url.removesuffix("/ws") + path)
    assert client.connect(api_token=token)["type"] == "connected"
    client.close()


@pytest.mark.parametrize("path", ["/", "", "/WS", "/socket", "/ws/ws", "/health", "/ws//", "/%2e%2e/ws"])
def test_a_wrong_path_is_404_and_names_the_right_one(server: RunningServer, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        ProtocolClient(server.url.removesuffix("/ws") + path)
    assert refused.value.response.status_code == 404
    assert b"/ws" in (refused.value.response.body or b"")


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
def test_http_at_the_path_of_websockets_is_told_to_upgrade(server: RunningServer, path: str) -> None:
    status, answer, headers = server.get(path)
    assert (status, headers["upgrade"]) == (426, "websocket") and "ws://" in answer["detail"]
