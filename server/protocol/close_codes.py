"""Why the server ends a connection, as the code of its close frame: docs/wire.md, section 8.

4000 to 4499: the client may reconnect; 4500 to 4999: it must not without a change.
"""

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
