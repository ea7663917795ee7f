"""What a browser or a load balancer is told."""

import json
import socket
from contextlib import closing
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPMessage

import pytest

from tests.running_server import RunningServer


def test_root_tells_name_version_status_engines_and_credit(server: RunningServer) -> None:
    status, about, _ = server.get("/")
    assert status == 200
    assert about["name"] and about["version"] and about["status"] == "running"
    assert about["engines"]["llm"] == {"name": "embedded", "reason": "DOUBAO_API_KEY not set"}
    assert about["engines"]["tts"] == {"name": "embedded", "reason": "MINIMAX_API_KEY not set"}
    assert set(about["engines"]) == {"llm", "tts", "asr", "vad"}
    asr = about["engines"]["asr"]
    assert asr["name"] == "embedded" and "BYTEDANCE_API_KEY" in asr["reason"] and "only the phrases" in asr["note"]
    assert about["engines"]["vad"] == {"name": "silero", "reason": "the only one"}
    assert any("Mei" in credit and "CC BY 3.0" in credit for credit in about["credits"])


def test_health_and_ready(server: RunningServer) -> None:
    assert server.get("/health")[:2] == (200, {"status": "ok"})
    assert server.get("/ready")[:2] == (200, {"status": "ready"})


def test_characters_are_listed_for_pages_of_any_origin(server: RunningServer) -> None:
    status, answer, headers = server.get("/characters", Origin="https://app.example")
    assert status == 200 and headers["access-control-allow-origin"] == "*"
    names = {item["name"]: item for item in answer["characters"]}
    assert names["anon"]["display_name"] == "千早爱音 (Chihaya Anon)"
    assert names["anon"]["description"] and {"anon", "tomori"} <= set(names)
    assert len(names["anon"]["suggestions"]) >= 4 and all(names["anon"]["suggestions"])
    assert "voice" not in str(answer) and "Japanese_" not in str(answer)


def test_messages_and_routes_are_documented(server: RunningServer) -> None:
    assert server.get("/asyncapi.json")[1]["asyncapi"] == "3.0.0"
    assert {"/", "/health", "/ready", "/characters"} <= set(server.get("/openapi.json")[1]["paths"])


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/characters", "/asyncapi.json"])
def test_head_is_get_without_the_body(server: RunningServer, path: str) -> None:
    answers = []
    for method in ("GET", "HEAD"):
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read()
            kept = ("content-type", "content-length", "access-control-allow-origin")
            answers.append((answer.status, [answer.headers[name] for name in kept], body))
    (*got, body), (*head, nothing) = answers
    assert got == head and body and nothing == b""
    assert got[0] == 200


def test_strangers_learn_no_numbers(server: RunningServer) -> None:
    assert not {"connections", "sessions"} & set(server.get("/")[1])


def test_start_is_told_in_one_clear_line_each(server: RunningServer) -> None:
    told = ("llm: embedded (DOUBAO_API_KEY not set)", "tts: embedded (MINIMAX_API_KEY not set)", "asr: embedded (BYTED")
    for line in (*told, "asr: knows only the phrases of the demo", "vad: silero (the only one)"):
        assert sum(line in entry for entry in server.log) == 1


# ---------------------------------------------------------------- what a browser may make of it


def ask(server: RunningServer, method: str, path: str, **headers: str) -> tuple[int, HTTPMessage, str]:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        *(
            (method, path, {}, 200)
            for method in ("GET", "HEAD")
            for path in ("/", "/health", "/ready", "/characters", "/asyncapi.json", "/docs")
        ),
        ("GET", "/openapi.json", {}, 200),
        ("GET", "/health", {"Origin": "https://app.example"}, 200),
        ("OPTIONS", "/health", {"Origin": "https://app.example", "Access_Control_Request_Method": "GET"}, 200),
        ("GET", "/ws", {}, 426),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/redoc", {}, 404),
        ("GET", "/docs/oauth2-redirect", {}, 404),
        ("GET", "/%00", {}, 404),
        ("DELETE", "/health", {}, 405),
        ("GET", "/nowhere", UPGRADE, 404),
    ],
)
def test_every_answer_keeps_browsers_from_making_more_of_it(
    server: RunningServer, method: str, path: str, headers: dict[str, str], expected: int
) -> None:
    status, told, _ = ask(server, method, path, **headers)
    assert status == expected
    assert told.get_all("X-Content-Type-Options") == ["nosniff"]
    assert told.get_all("Referrer-Policy") == ["no-referrer"]
    (policy,) = told.get_all("Content-Security-Policy") or [""]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy


RAW_UPGRADE = b"GET /ws HTTP/1.1\r\nHost: x\r\n" + b"".join(
    f"{name.replace('_', '-')}: {value}\r\n".encode() for name, value in UPGRADE.items()
)


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"HEAD /health HTTP/1.1\nHost: x\n\n",
        b"\x16\x03\x01",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
        b"GET /" + b"x" * 20_000,
        RAW_UPGRADE.replace(b": 13", b": 9") + b"\r\n",
        RAW_UPGRADE.replace(b"Key: dGhl", b"Key: ") + b"\r\n",
        RAW_UPGRADE + b"A: " + b"x" * 9_000 + b"\r\n\r\n",
        RAW_UPGRADE.replace(b"/ws", b"/ws?" + b"x" * 9_000) + b"\r\n",
        RAW_UPGRADE.replace(b"GET", b"POST") + b"\r\n",
    ],
)
def test_answer_to_what_never_reaches_the_app_is_one_and_no_page(server: RunningServer, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 30) as sock:
        sock.sendall(request_)
        head, _, body = sock.makefile("rb").read().lower().partition(b"\r\n\r\n")
    assert head.startswith(b"http/1.1 4")
    for name in (b"x-content-type-options: nosniff", b"referrer-policy: no-referrer", b"content-security-policy: "):
        assert head.count(b"\r\n" + name) == 1
    assert b"http/1.1" not in body.replace(b"no request of http/1.1", b"")


class Page(HTMLParser):
    """Every tag of a page, and where its links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name == "href"}


def test_page_about_the_routes_loads_nothing_and_names_them_all(server: RunningServer) -> None:
    status, headers, text = ask(server, "GET", "/docs")
    page = Page(text)
    assert status == 200 and headers.get_content_type() == "text/html"
    assert not page.tags & {"script", "link", "style", "img", "iframe", "object", "embed", "base", "form", "svg"}
    assert page.attributes <= {"href", "lang", "charset"} and "://" not in text
    paths = {f"/{link.removeprefix('./')}" for link in page.links}
    assert paths == {*json.loads(ask(server, "GET", "/openapi.json")[2])["paths"], "/openapi.json"}
    assert {ask(server, "GET", path)[0] for path in paths} == {200}
