"""The ways to the vendors: name, port, certificate, and what time it is there. No key is sent."""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from server.checkup.findings import Finding, found

CLOCK_DOUBT_S = 30.0
EXPIRES_SOON_S = 14 * 86400


def look_at_endpoint(name: str, address: str, patience_s: float, *, verify: bool = True) -> Iterator[Finding]:
    """`name`: as the configuration has it, `endpoints.llm`. `verify`: whether its certificate is looked at."""
    parts = urlsplit(address)
    encrypted = parts.scheme in ("https", "wss")
    context = _context(verify) if encrypted else None
    host, port = parts.hostname or "", parts.port or (443 if encrypted else 80)
    connection = (
        http.client.HTTPSConnection(host, port, timeout=patience_s, context=context)
        if encrypted
        else http.client.HTTPConnection(host, port, timeout=patience_s)
    )
    where = f"{name} ({host}:{port})"
    with closing(connection):
        try:
            connection.connect()
        except OSError as error:
            yield _unreachable(where, error)
            return
        yield found("good", "doctor_endpoint_good", where=where)
        if encrypted:
            yield from _look_at_certificate(where, connection.sock, verify)
        yield from _look_at_clock(where, connection)


def _context(verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _unreachable(where: str, error: OSError) -> Finding:
    if isinstance(error, ssl.SSLCertVerificationError):
        return found("bad", "doctor_certificate_bad", where=where, error=error.verify_message)
    if isinstance(error, ssl.SSLError):
        return found("bad", "doctor_no_tls", where=where, error=error.reason or error)
    if isinstance(error, socket.gaierror):
        return found("bad", "doctor_no_name", where=where)
    if isinstance(error, TimeoutError):
        return found("bad", "doctor_endpoint_silent", where=where)
    return found("bad", "doctor_no_connection", where=where, error=error.strerror or error)


def _look_at_certificate(where: str, connected: socket.socket, verify: bool) -> Iterator[Finding]:
    if not verify:
        yield found("doubt", "doctor_not_verified", where=where)
        return
    certificate = connected.getpeercert() if isinstance(connected, ssl.SSLSocket) else None
    left_s = ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time() if certificate else EXPIRES_SOON_S
    if left_s < EXPIRES_SOON_S:
        yield found("doubt", "doctor_certificate_ends", where=where, days=int(left_s // 86400))


def _look_at_clock(where: str, connection: http.client.HTTPConnection) -> Iterator[Finding]:
    """Every web server says what time it is (RFC 9110, 6.6.1); one that does not is no fault."""
    try:
        connection.request("HEAD", "/")
        said = connection.getresponse().headers.get("Date")
        theirs = parsedate_to_datetime(said) if said else None
    except (OSError, http.client.HTTPException, ValueError):
        return
    if theirs is None:
        return
    off_s = (datetime.now(UTC) - theirs.astimezone(UTC)).total_seconds()
    if abs(off_s) > CLOCK_DOUBT_S:
        yield found("doubt", "doctor_clock", where=where, seconds=round(off_s))
