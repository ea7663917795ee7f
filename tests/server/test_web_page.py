"""What browsers are given of web/: types, versions, a policy, and nothing from beside it."""

import re
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse

import pytest

from server.http_routes import prefers_page
from tests.running_server import ROOT, RunningServer


def ask(server: RunningServer, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer, answer.read()


FILES = {
    "/app/": "app/index.html",
    "/app/index.html": "app/index.html",
    "/app/style.css": "app/style.css",
    "/app/icon.svg": "app/icon.svg",
    "/app/chatanon-client.js": "chatanon-client.js",
    "/app/sound/player_worklet.js": "app/sound/player_worklet.js",
    "/app/examples/talk.html": "app/examples/talk.html",
}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@pytest.mark.parametrize(("path", "file"), FILES.items())
def test_file_has_its_type_and_is_sent_again_only_when_it_is_another(
    server: RunningServer, path: str, file: str
) -> None:
    answer, body = ask(server, path)
    kept = (ROOT / "web" / file).read_bytes()
    assert (answer.status, body) == (200, kept)
    assert answer.headers.get_content_type() == TYPES[(ROOT / "web" / file).suffix]
    assert answer.headers["Cache-Control"] == "no-cache"
    head, nothing = ask(server, path, "HEAD")
    assert (head.status, head.headers["Content-Length"], nothing) == (200, str(len(kept)), b"")
    tag = answer.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"another", {tag}', "*"):
        unchanged, nothing = ask(server, path, If_None_Match=known)
        assert (unchanged.status, unchanged.headers["ETag"], nothing) == (304, tag, b"")
    assert ask(server, path, If_None_Match='"another"')[0].status == 200


OUTSIDE = [
    "/app/../server/main.py",
    "/app/..%2f..%2fconfig.yaml",
    "/app/%2e%2e/%2e%2e/config.yaml",
    "/app/....//config.yaml",
    "/app//etc/passwd",
    "/app/%2fetc%2fpasswd",
    "/app/..%5c..%5cconfig.yaml",
    "/app/sound",
    "/app/sound/",
    "/app/index.html/",
    "/app/%00",
    "/app/tsconfig.json",
    "/app/worklet.d.ts",
    "/chatanon-client.js",
    "/web/app/index.html",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_nothing_beside_the_page_is_served(server: RunningServer, path: str) -> None:
    assert ask(server, path)[0].status == 404


def test_page_may_load_run_and_reach_its_own_server_alone(server: RunningServer) -> None:
    answer, _ = ask(server, "/app/", Host="chat.example:8765")
    (policy,) = answer.headers.get_all("Content-Security-Policy") or [""]
    rules = {name: rest.split() for name, _, rest in (rule.strip().partition(" ") for rule in policy.split(";"))}
    assert rules["default-src"] == rules["form-action"] == rules["frame-ancestors"] == ["'none'"]
    assert rules["script-src"] == rules["style-src"] == ["'self'"]
    assert rules["connect-src"] == ["'self'", "ws://chat.example:8765", "wss://chat.example:8765"]


@pytest.mark.parametrize("host", ["x; script-src *", "a b", "x,y", "'unsafe-inline'", "*"])
def test_host_that_is_none_gets_no_word_in_the_policy(server: RunningServer, host: str) -> None:
    answer, _ = ask(server, "/app/", Host=host)
    assert host not in str(answer.headers["Content-Security-Policy"])


def test_script_in_an_example_is_named_by_its_hash_and_by_no_more(server: RunningServer) -> None:
    policy = str(ask(server, "/app/examples/talk.html")[0].headers["Content-Security-Policy"])
    assert len(re.findall(r"'sha256-[\w+/]{43}='", policy)) == 1 and "unsafe" not in policy


ACCEPTS = [
    ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", True),  # browsers
    ("text/html", True),
    ("text/*, application/json;q=0.5", True),
    ("application/json;q=0.9, text/html", True),
    ("*/*", False),  # curl, fetch
    ("", False),
    ("application/json", False),
    ("application/json, text/html;q=0.9", False),
    ("text/html;q=0, */*", False),
    ("text/html;q=nonsense, */*;q=0.1", False),
    ("TEXT/HTML ; Q=1.0 , */* ; q=0.1", True),
    ("application/*", False),
    (",;,q=", False),
]


@pytest.mark.parametrize(("accept", "page"), ACCEPTS)
def test_who_asks_for_a_page_is_sent_to_it_and_programs_get_json(
    server: RunningServer, accept: str, page: bool
) -> None:
    assert prefers_page(accept) == page
    for method in ("GET", "HEAD"):
        answer, body = ask(server, "/", method, Accept=accept)
        assert "Accept" in str(answer.headers["Vary"])
        if page:
            assert (answer.status, answer.headers["Location"]) == (307, "app/")
        else:
            assert answer.status == 200 and answer.headers.get_content_type() == "application/json"
            assert method == "HEAD" or b'"app":"/app/"' in body


def test_address_without_its_slash_leads_to_the_page(server: RunningServer) -> None:
    answer, _ = ask(server, "/app")
    assert (answer.status, answer.headers["Location"]) == (307, "app/")
