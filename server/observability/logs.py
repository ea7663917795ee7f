"""Events in, lines on standard error out: JSON for machines; at a terminal lines for people, in their language."""

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Any

import structlog

from server.observability.language import translate
from server.observability.library_lines import take_library_lines
from server.observability.line_limit import LineLimit
from server.observability.log_writer import LogWriter

_SECRET_NAME = re.compile(r"(token|key|secret|password|credential|authorization|cookie)s?$", re.IGNORECASE)
_SHORT_HASH = re.compile(r"[0-9a-f]{8}")
_BEARER = re.compile(r"\b(bearer\s+)[^\s'\",]+", re.IGNORECASE)
_SAID_TWICE = ("port",)  # for machines; people find it in the sentence, whose last word they copy


def configure_logs(level: str, writer: LogWriter, limit: LineLimit | None = None) -> None:
    """At start, for our lines and those of libraries.

    Nothing of what people say is logged; a token appears as the first 8 digits of its hash.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            limit or LineLimit(),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *(_for_people() if sys.stderr.isatty() else _for_machines()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Lines(writer),
        cache_logger_on_first_use=False,
    )
    take_library_lines()


def _for_machines() -> list[Any]:
    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.JSONRenderer(),
    ]


def _for_people() -> list[Any]:
    is_plain = bool(os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")  # https://no-color.org
    # Its usual tracebacks show the local variables, and with them what people say and their tokens.
    plain_traceback = structlog.dev.plain_traceback
    renderer = partial(structlog.dev.ConsoleRenderer, exception_formatter=plain_traceback, pad_event_to=0)
    return [
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        redact,
        _printable,
        _translated,
        renderer(colors=False) if is_plain else renderer(),
    ]


def _translated(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if isinstance(event.get("event"), str):
        event["event"] = translate(event["event"])
    for name in _SAID_TWICE:
        event.pop(name, None)
    return event


def _printable(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What comes from outside must not steer the terminal, nor look like a line of its own."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = "".join(each if each.isprintable() else "?" for each in value)
    return event


class _Lines:
    """What structlog calls a logger: it is handed each event as a finished line."""

    def __init__(self, writer: LogWriter) -> None:
        self.msg = self.debug = self.info = self.warning = self.error = self.critical = writer.write


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A second line of defence: of a field named like a secret only a short hash or a number is shown."""
    for name, value in event.items():
        if name != "exc_info":
            event[name] = _redacted(name, value)
    return event


def _redacted(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(name, inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    if _SECRET_NAME.search(name) and not _SHORT_HASH.fullmatch(str(value)):
        return "***"
    return _BEARER.sub(r"\1***", value) if isinstance(value, str) else value
