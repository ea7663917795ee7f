"""A token in, a user or a refusal out."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

DEMO_TOKEN = "dev_token_001"
_HASHED = "sha256:"
_LONGEST_ORIGIN_SHOWN = 100
# IPv6 addresses that stand for an IPv4 address, in their last 32 bits: RFC 4291, 2.5.5.2 and RFC 6052, 2.1.
_IPV4_INSIDE = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
_BITS_OF_ONE_HOUSEHOLD = 64  # of IPv6: whoever has one such address has them all (RFC 6177)
# https://www.rfc-editor.org/rfc/rfc6454#section-6.2: scheme, host, port and nothing else.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^\s/?#@:,\\\[\]]+)(:[0-9]{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class User:
    """Who talks. `token_hash` is the SHA-256 of the token in hex: the key of everything that is kept for them."""

    token_hash: str

    @property
    def label(self) -> str:
        """What a log may say of the token."""
        return self.token_hash[:8]


class Authenticator:
    """Knows the valid tokens by their hashes. Without any it is in demo mode: DEMO_TOKEN, from this machine only."""

    def __init__(self, tokens: Iterable[str]) -> None:
        """`tokens`: each a token or `sha256:<its hash in hex>`."""
        self._hashes = [
            token.removeprefix(_HASHED).lower() if token.startswith(_HASHED) else hash_token(token) for token in tokens
        ]
        self.demo = not self._hashes
        if self.demo:
            self._hashes = [hash_token(DEMO_TOKEN)]

    def authenticate(self, token: object, address: str | None, forwarded_by: str | None = None) -> User | None:
        """The user, or None. Takes the same time whichever token it is compared with.

        `forwarded_by`: the header that shows that a proxy passed it on, if there is one.
        """
        text = token if isinstance(token, str) else ""
        presented = hash_token(text)
        known = False
        for stored in self._hashes:
            known |= hmac.compare_digest(stored, presented)
        if not known or not text or self.demo_refuses(address, forwarded_by):
            return None
        return User(presented)

    def demo_refuses(self, address: str | None, forwarded_by: str | None) -> bool:
        """Whether no token at all would do, because it is demo mode and who asks may be another machine."""
        return self.demo and (forwarded_by is not None or not is_loopback(address))


def hash_token(token: str) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def is_loopback(address: str | None) -> bool:
    """Whether an address is this machine's own; a name or nothing is not."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_loopback


def one_party(address: str | None) -> str:
    """What addresses have in common that one and the same party can choose between: what a limit per address counts."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(ip, IPv6Address) and any(ip in network for network in _IPV4_INSIDE):
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip.is_loopback:
        return "loopback"
    return str(ip if isinstance(ip, IPv4Address) else IPv6Network((int(ip), _BITS_OF_ONE_HOUSEHOLD), strict=False))


def origin_allowed(origin: str | None, allowed: Iterable[str], *, demo: bool) -> bool:
    """Whether a page of this origin may connect; native clients send none. In demo mode only this machine's own may."""
    if origin is None:
        return True
    if demo:
        match = _ORIGIN.fullmatch(origin)
        host = match[1].strip("[]").lower() if match else ""
        return host == "localhost" or is_loopback(host)
    return any(entry in ("*", origin) for entry in allowed)


def why_not_allowed(origin: str, *, demo: bool) -> str:
    """One sentence with the mend. Of the origin, which is a stranger's text, it shows one short word."""
    word = "".join(each if "!" <= each <= "~" and each not in "\"'`<>" else "?" for each in origin)
    shown = word if len(word) <= _LONGEST_ORIGIN_SHOWN else f"{word[:_LONGEST_ORIGIN_SHOWN]}..."
    if demo:
        return (
            f'Pages of the origin "{shown}" may not connect: the server is in demo mode, for this machine alone; '
            "configure a token (VALID_API_TOKENS), or open the page from http://localhost"
        )
    return f'Pages of the origin "{shown}" may not connect here; the operator can add it to server.allowed_origins'
