"""Ways to vendors that are not as they should be: one finding that says what to do."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import pytest

from server.checkup.endpoints import look_at_endpoint
from server.checkup.findings import Finding
from server.observability.language import tell

_QUICK_S = 0.2
_PATIENT_S = 30.0


@contextmanager
def _server(*answers: bytes) -> Iterator[int]:
    """Says the one and the other to whoever comes, once each; its port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            connected, _ = listener.accept()
            with connected:
                for answer in answers:
                    connected.recv(4096)
                    connected.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        if answers:
            thread.start()
        yield listener.getsockname()[1]
        if answers:
            thread.join()


def _look(scheme: str, port: int, patience_s: float = _PATIENT_S, host: str = "127.0.0.1") -> list[Finding]:
    return list(look_at_endpoint("endpoints.llm", f"{scheme}://{host}:{port}/v1", patience_s))


def _said(level: str, text: str, port: int, **fields: object) -> Finding:
    return Finding(level, tell(text, where=f"endpoints.llm (127.0.0.1:{port})", **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("clock", ["Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"])
def test_clock_that_is_wrong(clock: str) -> None:
    with _server(f"HTTP/1.1 404 Not Found\r\nDate: {clock}\r\nContent-Length: 0\r\n\r\n".encode()) as port:
        good, doubt = _look("http", port)
    assert good == _said("good", "doctor_endpoint_good", port)
    assert doubt.level == "doubt"
    assert "NTP" in doubt.sentence


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nDate: noon\r\n\r\n", b"\x00nonsense"],
)
def test_server_that_tells_no_time_is_no_fault(answer: bytes) -> None:
    with _server(answer) as port:
        assert _look("ws", port) == [_said("good", "doctor_endpoint_good", port)]


def test_nobody_listens() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    assert _look("ws", port) == [_said("bad", "doctor_no_connection", port, error="Connection refused")]


def test_server_that_speaks_no_tls() -> None:
    with _server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        (finding,) = _look("wss", port)
    assert finding == _said("bad", "doctor_no_tls", port, error="WRONG_VERSION_NUMBER")


def test_server_that_says_nothing() -> None:
    with _server() as port:
        assert _look("https", port, _QUICK_S) == [_said("bad", "doctor_endpoint_silent", port)]


def test_host_that_is_not() -> None:
    (finding,) = _look("https", 443, host="no-such-host.invalid")
    assert finding == Finding("bad", tell("doctor_no_name", where="endpoints.llm (no-such-host.invalid:443)"))
