"""An endpoint's address in, what is wrong with it out, as the end of a sentence."""

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

_OVER_WEBSOCKET: Final = frozenset(("asr", "asr_batch", "tts", "funasr"))  # of `endpoints`; the others are HTTP


def wrong_with(name: str, address: str) -> str | None:
    """Of the key `endpoints.<name>`; None where the address can be used."""
    over_http = name not in _OVER_WEBSOCKET
    schemes = ("http", "https") if over_http else ("ws", "wss")
    parts = _split(address)
    if parts is None or parts.scheme not in schemes:
        return f"must be an address of the form {schemes[1]}://host/path ({schemes[0]}:// without encryption)"
    if "@" in address:  # also behind the host, where a slash in a password puts it
        return "must not hold an @, a user name or a password; keys belong in the environment or in credentials.py"
    if parts.fragment or (over_http and parts.query):
        return "must end with the path, because more is added to it; remove what follows the ? or #"
    return None


def readable_on_the_way(address: str) -> bool:
    """Whether it leads to another machine without encryption."""
    parts = urlsplit(address)
    return parts.scheme in ("http", "ws") and not _is_loopback(parts.hostname or "")


def is_strange_to_openai(name: str, address: str) -> bool:
    """Whether somebody else than OpenAI is asked by its protocol at `endpoints.<name>`."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    return name.startswith("openai_") and host != "openai.com" and not host.endswith(".openai.com")


def _split(address: str) -> SplitResult | None:
    """The parts of an address whose host and port can be used, else None."""
    if "\\" in address or any(character.isspace() for character in address):
        return None
    try:
        parts = urlsplit(address)
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
