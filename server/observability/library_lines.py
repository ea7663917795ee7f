"""Lines of libraries, which use Python's own logging, in; the same through our log, in its form and its limits, out."""

import logging
import re
from typing import Any

import structlog

from server.observability.line_limit import KIND

_QUERY = re.compile(r"\?\S*")
_NOT_OF_A_KIND = re.compile(r"[^A-Za-z _.,]")
_LONGEST_KIND = 60
_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")


def take_library_lines() -> None:
    """Whatever was configured before, but for handlers that an operator chose: `uvicorn --log-config`."""
    root = logging.getLogger()
    if not any(isinstance(known, _IntoOurLog) for known in root.handlers):
        root.addHandler(_IntoOurLog())
    logging.captureWarnings(True)
    for name in _UVICORN:
        logger = logging.getLogger(name)
        if not any(isinstance(known, _UvicornFilter) for known in logger.filters):
            logger.addFilter(_UvicornFilter())
        for handler in [handler for handler in logger.handlers if _is_uvicorns_default(handler)]:
            logger.removeHandler(handler)
            logger.propagate = True


def _is_uvicorns_default(handler: logging.Handler) -> bool:
    return type(handler.formatter).__module__ == "uvicorn.logging"


class _IntoOurLog(logging.Handler):
    """A few lines a minute of each place in a library that speaks: any of them may be a stranger's doing."""

    def emit(self, record: logging.LogRecord) -> None:
        """One record; an event of ours."""
        try:
            event = record.getMessage().strip()
        except (TypeError, ValueError):  # its arguments do not fit
            event = str(record.msg)
        more: dict[str, Any] = {"exc_info": record.exc_info} if record.exc_info and record.exc_info[0] else {}
        level = min(logging.CRITICAL, max(logging.DEBUG, record.levelno // 10 * 10))  # uvicorn's TRACE is 5
        structlog.get_logger().log(level, event, logger=record.name, **{KIND: _kind(record)}, **more)


def _kind(record: logging.LogRecord) -> str:
    """Who speaks, and the words before whatever differs: asyncio logs everything at one place, addresses included."""
    words = _NOT_OF_A_KIND.split(str(record.msg).split("\n")[0])[0].strip()[:_LONGEST_KIND]
    return f"{record.name}: {words}" if words else record.name


class _UvicornFilter(logging.Filter):
    """uvicorn logs the path of every connection, and what stands behind the ? may be a token put there by mistake.

    And where a start is refused it adds a line of its own to our sentence.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg == "Application startup failed. Exiting.":
            return False
        if isinstance(record.args, tuple):
            record.args = tuple(_QUERY.sub("?***", value) if isinstance(value, str) else value for value in record.args)
        return True
