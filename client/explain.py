"""A code in; what it means, in the reader's language, out. What the server sends is made harmless here."""

import re

from chatanon_client import ChatAnonError
from client.language import has_text, tell

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def printable(text: str) -> str:
    """One line without control characters: what a server sends must not steer the terminal."""
    return _CONTROL.sub(" ", text).strip()


def explain(kind: str, code: str, message: str = "") -> str:
    """What a code of the wire means; of one that is new what the server says."""
    code, message = printable(code), printable(message)
    name = f"{kind}.{code}"
    what = tell(name, message=message) if has_text(name) else message or tell("unknown")
    return tell("with_code", what=what, code=code) if code else what


def explain_end(error: ChatAnonError, url: str) -> str:
    """Why there is no connection."""
    if error.close_code:
        name = f"close.{error.close_code}"
        why = f"{error.close_code} {printable(error.detail)}".strip()
        return tell(name) if has_text(name) else tell("close", why=why)
    name = f"unreachable.{error.code}"
    reason = tell(name, detail=error.detail) if has_text(name) else str(error)
    return tell("cannot_connect", url=url, reason=reason)
