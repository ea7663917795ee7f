"""What a browser or a load balancer is told."""

from contextlib import closing
from http.client import HTTPConnection

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
