"""What reaches standard error: one line of JSON per event, and no secret in it."""

import contextlib
import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.logging import AccessFormatter

from server.auth import Authenticator
from server.observability.log_writer import LogWriter
from server.observability.logs import configure_logs, redact

CANARY = "canary-0c0ffee0-in-a-coal-mine"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Logs are the one thing that a process has only once."""
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "uvicorn.access")]
    filters = [list(logger.filters) for logger in loggers]
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers[:] = handlers
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    for logger, before in zip(loggers, filters, strict=True):
        logger.filters[:] = before


class Written(io.StringIO):
    """Standard error of a process that is no terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.writer = LogWriter(self)

    def lines(self) -> list[str]:
        assert self.writer.flush()
        text = self.getvalue()
        assert text == "" or text.endswith("\n")
        return text.split("\n")[:-1]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]


def configured(*levels: str) -> Written:
    """Where the logs go, after they were configured for these levels, one after the other."""
    written = Written()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        for level in levels:
            configure_logs(level, written.writer)
    return written


@pytest.fixture
def written() -> Written:
    return configured("info")


# ---------------------------------------------------------------- one line of JSON per event


def test_event_is_one_line_of_json_with_its_level_and_time(written: Written) -> None:
    structlog.get_logger().warning("unauthorized", address="192.0.2.7", attempts=3)
    (event,) = written.events()
    time = event.pop("timestamp")
    assert event == {"event": "unauthorized", "level": "warning", "address": "192.0.2.7", "attempts": 3}
    assert time.endswith("Z") and "T" in time


@pytest.mark.parametrize(
    "line_end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2J"]
)
def test_nobody_can_write_a_line_of_their_own_into_the_log(written: Written, line_end: str) -> None:
    forged = f'x{line_end}{{"event": "connected", "user": "admin"}}'
    structlog.get_logger().info(forged, name=forged, names=[forged], **{forged: forged})
    text = "\n".join(written.lines())
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert json.loads(text)["event"] == forged


@given(st.text(st.characters()), st.text(st.characters()))
@settings(max_examples=100, deadline=None)
def test_any_text_is_one_line_of_json(event: str, value: str) -> None:
    written = configured("info")
    structlog.get_logger().info(event, value=value)
    assert written.writer.flush()
    text = written.getvalue()
    assert len(text.splitlines()) == 1
    assert text.isascii()
    assert "event" in json.loads(text)


def test_what_json_cannot_hold_is_logged_all_the_same(written: Written) -> None:
    structlog.get_logger().info("odd", raw=b"\xff\n", values={1, 2}, thing=object(), number=float("nan"), half="\ud800")
    (line,) = written.lines()
    assert '"event": "odd"' in line


def test_exception_is_in_the_line_of_its_event(written: Written) -> None:
    try:
        raise ValueError("broken\nin two lines")
    except ValueError:
        structlog.get_logger().exception("incident", ref="abc")
    (event,) = written.events()
    assert (event["event"], event["level"], event["ref"]) == ("incident", "error", "abc")
    assert "Traceback (most recent call last)" in event["exception"]
    assert "ValueError: broken\nin two lines" in event["exception"]


def test_errors_of_a_task_group_are_all_in_the_line(written: Written) -> None:
    try:
        raise ExceptionGroup("two", [ValueError("one"), KeyError("other")])
    except ExceptionGroup:
        structlog.get_logger().exception("incident")
    (event,) = written.events()
    assert "ValueError: one" in event["exception"] and "KeyError: 'other'" in event["exception"]


def test_local_variables_are_in_no_traceback(written: Written) -> None:
    _raise_beside_a_secret()
    assert CANARY not in "".join(written.lines())


def _raise_beside_a_secret() -> None:
    said = "".join(["canary-", "0c0ffee0", "-in-a-coal-mine"])
    try:
        raise ValueError(len(said))
    except ValueError:
        structlog.get_logger().exception("incident")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("ERROR", ["error"]),
    ],
)
def test_level_is_the_least_that_is_shown(level: str, shown: list[str]) -> None:
    written = configured(level)
    log = structlog.get_logger()
    log.debug("x"), log.info("x"), log.warning("x"), log.error("x")
    assert [event["level"] for event in written.events()] == shown


def test_logger_made_before_the_logs_were_configured_obeys_them() -> None:
    """Every module makes its own at import, and main configures twice."""
    log = structlog.get_logger()
    written = configured("info", "warning")
    log.info("no")
    log.warning("yes")
    assert [event["event"] for event in written.events()] == ["yes"]


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "name",
    ["token", "api_token", "apitoken", "TOKEN", "key", "api_key", "apikey", "DOUBAO_API_KEY", "x-api-key", "secret",
     "client_secret", "password", "authorization", "Authorization", "cookie", "tokens", "keys", "credentials"],
)  # fmt: skip
@pytest.mark.parametrize(
    "value", [CANARY, "token1", "dev_token_001", "x", b"token1", 'tok"en', "令牌", "DEADBEEF", "a" * 64]
)
def test_field_named_like_a_secret_shows_nothing_of_it(written: Written, name: str, value: object) -> None:
    structlog.get_logger().info("x", **{name: value, "nested": {"deep": [{name: value}]}, "several": {name: [value]}})
    (line,) = written.lines()
    event = json.loads(line)
    assert event[name] == "***"
    assert event["nested"] == {"deep": [{name: "***"}]}
    assert event["several"] == {name: ["***"]}


def test_short_hash_and_count_of_tokens_are_shown(written: Written) -> None:
    user = Authenticator(["token1"]).authenticate("token1", None)
    assert user is not None
    structlog.get_logger().info("x", token=user.label, tokens=12, key=None, keys={"used": True}, user=user.label)
    (event,) = written.events()
    assert event["token"] == event["user"] == user.label
    assert (event["tokens"], event["key"], event["keys"]) == (12, None, {"used": True})


def test_bearer_token_is_hidden_wherever_it_stands(written: Written) -> None:
    log = structlog.get_logger()
    log.info(f"refused: Authorization: Bearer {CANARY}", header=f"bearer {CANARY}", seen=[f"BEARER  {CANARY}, x"])
    try:
        raise ValueError({"Authorization": f"Bearer {CANARY}"})
    except ValueError:
        log.exception("incident")
    text = "".join(written.lines())
    assert CANARY not in text
    assert "earer ***" in text


def test_bound_fields_are_redacted_too(written: Written) -> None:
    structlog.contextvars.bind_contextvars(api_key=CANARY)
    structlog.get_logger().bind(token=CANARY).info("x")
    assert CANARY not in "".join(written.lines())


def test_redaction_leaves_the_callers_own_objects_alone() -> None:
    config = {"api_key": CANARY, "keys": [CANARY]}
    redact(None, "info", {"event": "x", "config": config})
    assert config == {"api_key": CANARY, "keys": [CANARY]}


# ---------------------------------------------------------------- uvicorn's lines


def uvicorn_lines(*records: tuple[str, str, tuple[object, ...]]) -> list[str]:
    """What uvicorn's loggers write of these: (name, message, arguments)."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    for name, message, arguments in records:
        logger, handler = logging.getLogger(name), Lines()
        logger.addHandler(handler)
        try:
            logger.error(message, *arguments)
        finally:
            logger.removeHandler(handler)
    return lines


def test_query_string_of_a_path_is_hidden(written: Written) -> None:
    path = f"/ws?token={CANARY}&x=1"
    lines = uvicorn_lines(
        ("uvicorn.access", '%s - "%s %s HTTP/%s" %d', ("192.0.2.7:1", "GET", path, "1.1", 404)),
        ("uvicorn.error", '%s - "WebSocket %s" [accepted]', (("192.0.2.7", 1), path)),
    )
    assert lines == [
        '192.0.2.7:1 - "GET /ws?*** HTTP/1.1" 404',
        "('192.0.2.7', 1) - \"WebSocket /ws?***\" [accepted]",
    ]


def test_lines_without_a_query_are_as_they_were(written: Written) -> None:
    assert uvicorn_lines(
        ("uvicorn.access", '%s - "%s %s HTTP/%s" %d', ("192.0.2.7:1", "GET", "/health", "1.1", 200)),
        ("uvicorn.error", "Started server process [%d]", (7,)),
        ("uvicorn.error", "Waiting for application startup.", ()),
    ) == ['192.0.2.7:1 - "GET /health HTTP/1.1" 200', "Started server process [7]", "Waiting for application startup."]


def test_refusal_to_start_is_our_sentence_alone(written: Written) -> None:
    assert uvicorn_lines(("uvicorn.error", "Application startup failed. Exiting.", ())) == []


def test_configuring_twice_filters_once(written: Written) -> None:
    before = len(logging.getLogger("uvicorn.access").filters)
    configure_logs("debug", written.writer)
    assert len(logging.getLogger("uvicorn.access").filters) == before


# ---------------------------------------------------------------- libraries' lines


@pytest.mark.parametrize("name", ["uvicorn.error", "asyncio", "websockets.server", "aiohttp.client", "sqlalchemy.pool"])
def test_line_of_a_library_is_one_of_ours(written: Written, name: str) -> None:
    try:
        raise ValueError("broken\nin two lines")
    except ValueError:
        logging.getLogger(name).exception("Failed for %s\nwith %s", "x", f"Bearer {CANARY}")
    (event,) = written.events()
    assert (event["event"], event["level"], event["logger"]) == ("Failed for x\nwith Bearer ***", "error", name)
    assert "ValueError: broken\nin two lines" in event["exception"]


@pytest.mark.parametrize(
    ("level", "message", "arguments", "expected"),
    [
        (5, "trace", (), None),
        (logging.DEBUG, "debug", (), None),
        (35, "between", (), "warning"),
        (logging.CRITICAL, "worst", (), "critical"),
        (logging.ERROR, ValueError("no text"), (), "error"),
        (logging.ERROR, "%d", ("no number",), "error"),
        (logging.ERROR, "%s", (), "error"),
        (logging.ERROR, "100%", ("too many",), "error"),
    ],
)
def test_any_record_of_a_library_is_a_line(
    written: Written, level: int, message: Any, arguments: tuple[object, ...], expected: str | None
) -> None:
    root = logging.getLogger()
    root.handlers = [
        handler for handler in root.handlers if type(handler).__module__ == "server.observability.library_lines"
    ]
    logging.getLogger("asyncio").log(level, message, *arguments)
    assert [event["level"] for event in written.events()] == ([expected] if expected else [])


def test_lines_that_differ_only_in_their_particulars_are_of_one_kind(written: Written) -> None:
    for number in range(100):
        logging.getLogger("asyncio").error(f"Fatal error on transport <Transport fd={number}>\nprotocol: {number:x}")
        logging.getLogger("uvicorn.error").error("%s - failed", number)
    assert len(written.lines()) < 20


def test_handlers_of_uvicorn_make_room_and_those_of_an_operator_stay(written: Written) -> None:
    logger, own = logging.getLogger("uvicorn.access"), logging.NullHandler()
    uvicorns = logging.StreamHandler()
    uvicorns.setFormatter(AccessFormatter())
    logger.handlers[:], logger.propagate = [own, uvicorns], False
    try:
        configure_logs("info", written.writer)
        assert logger.handlers == [own] and logger.propagate
    finally:
        logger.handlers[:], logger.propagate = [], True


# ---------------------------------------------------------------- at a terminal


def test_terminal_shows_plain_lines_without_secrets_or_local_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        writer = LogWriter(terminal)
        configure_logs("info", writer)
        structlog.get_logger().info("ready 你好", token=CANARY, number=8765)
        _raise_beside_a_secret()
        assert writer.flush()
    text = _read_all(master)
    os.close(master)
    assert "ready 你好" in text and "8765" in text and "***" in text
    assert "ValueError: 30" in text
    assert CANARY not in text


@pytest.mark.parametrize("line_end", ["\n", "\r", "\x85", "\u2028", "\x1b[2J", "\u202e"])
def test_nobody_can_steer_the_terminal_or_write_a_line_of_their_own(
    monkeypatch: pytest.MonkeyPatch, line_end: str
) -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("NO_COLOR", "1")
        writer = LogWriter(terminal)
        configure_logs("info", writer)
        forged = f"x{line_end}12:00:00 [info     ] connected"
        structlog.get_logger().info(f"character left out: {forged}", name=forged, names=[forged])
        assert writer.flush()
    text = _read_all(master)
    os.close(master)
    assert text.endswith("\r\n") and text[:-2].isprintable()
    assert "这个角色没有加载：x" in text


def _read_all(terminal: int) -> str:
    data = b""
    with contextlib.suppress(OSError):  # how a terminal whose other end was closed says that this was all
        while piece := os.read(terminal, 65_536):
            data += piece
    return data.decode()
