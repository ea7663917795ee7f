"""Why the server ends a connection, as the code and the reason of its close frame: docs/protocol.en.md, section 8.

4000 to 4499: the client may reconnect; 4500 to 4999: it must not without a change.
"""

from collections.abc import Mapping

SHUTDOWN = 4001
TOO_SLOW = 4002
RATE_LIMITED = 4003
HANDSHAKE_TIMEOUT = 4004
IDLE = 4005
SERVER_BUSY = 4010
UNAUTHORIZED = 4500
REPLACED = 4501
BAD_HANDSHAKE = 4502
ORIGIN = 4503
UNKNOWN_CHARACTER = 4505
TOO_BIG = 1009
INTERNAL = 1011

# What a browser shows beside the number: at most 123 bytes (RFC 6455, 5.5.1).
REASONS: Mapping[int, str] = {
    SHUTDOWN: "the server stops",
    TOO_SLOW: "too slow",
    RATE_LIMITED: "rate limited",
    HANDSHAKE_TIMEOUT: "handshake timeout",
    IDLE: "idle",
    SERVER_BUSY: "server busy",
    UNAUTHORIZED: "unauthorized",
    REPLACED: "replaced by a new connection",
    BAD_HANDSHAKE: "bad handshake, or too many protocol errors",
    ORIGIN: "origin not allowed",
    UNKNOWN_CHARACTER: "unknown character",
    TOO_BIG: "message too big",
    INTERNAL: "a defect of the server",
}
