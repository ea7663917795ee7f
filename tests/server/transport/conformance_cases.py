"""RFC 6455 as data: what a connected client sends, byte for byte, and what it must get. Numbers are Autobahn's cases.

JSON pings carry the payloads, for this server sends nothing back; every one of them has exactly one answer.
"""

import struct
from dataclasses import dataclass

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


@dataclass(frozen=True, slots=True)
class Case:
    """`sent` leaves in these pieces. `close`: the code it is ended by; 1000 where the client itself then says goodbye.

    `answers`: how many messages are answered, None where the end may overtake them. `pongs`: what is sent back.
    """

    name: str
    sent: tuple[bytes, ...]
    close: int = 1000
    answers: int | None = 0
    pongs: tuple[bytes, ...] = ()
    says_goodbye: bool = False  # a close frame is among what is sent


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0) -> bytes:
    """A client's frame, masked as the RFC wants it."""
    size, mask = len(payload), b"\x37\xfa\x21\x3d"
    first = fin << 7 | reserved << 4 | opcode
    if size < 126:
        head = struct.pack(">BB", first, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", first, 0xFE, size)
    else:
        head = struct.pack(">BBQ", first, 0xFF, size)
    repeated = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
    return head + mask + masked


def carrier(size: int = 0, holds: bytes = b"") -> bytes:
    """A JSON ping of so many bytes, with something in a field that nobody knows."""
    begin, end = b'{"type": "ping", "x": "' + holds, b'"}'
    return begin + b"*" * (size - len(begin) - len(end)) + end


def fragments(payload: bytes, size: int) -> tuple[bytes, ...]:
    """A text message in frames of so many bytes."""
    cuts = range(0, len(payload), size)
    return tuple(frame(CONT if at else TEXT, payload[at : at + size], fin=at + size >= len(payload)) for at in cuts)


def octets(raw: bytes) -> tuple[bytes, ...]:
    """Each byte by itself."""
    return tuple(raw[at : at + 1] for at in range(len(raw)))


def close(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, struct.pack(">H", code) + reason)


SAID = carrier()
HALVES = frame(TEXT, SAID[:9], fin=False), frame(CONT, SAID[9:])
TEN = tuple(b"payload-%d" % number for number in range(10))

_FRAMING = (
    Case("1.1.1", (frame(TEXT),), answers=1),
    *(Case(f"1.1 {size}", (frame(TEXT, carrier(size)),), answers=1) for size in (125, 126, 127, 128, 65535, 65536)),
    Case("1.1.7 octets", octets(frame(TEXT, carrier(126))), answers=1),
    *(Case(f"1.2 {size}", (frame(BINARY, bytes(size)),), answers=1) for size in (0, 125, 126, 127, 128, 65535, 65536)),
)
_PINGS = (
    *(
        Case(f"2.1-4 {len(each)}", (frame(PING, each),), pongs=(each,))
        for each in (b"", b"Hello", b"\0\xff\xfe", b"\xfe" * 125)
    ),
    Case("2.5", (frame(PING, bytes(126)),), 1002),
    Case("2.6 octets", octets(frame(PING, b"\xfe" * 125)), pongs=(b"\xfe" * 125,)),
    Case("2.7-8", (frame(PONG), frame(PONG, b"unsolicited"), frame(TEXT, SAID)), answers=1),
    Case("2.9", (frame(PONG, b"unsolicited"), frame(PING, b"ours")), pongs=(b"ours",)),
    Case("2.10", (b"".join(frame(PING, each) for each in TEN),), pongs=TEN),
    Case("2.11 octets", octets(b"".join(frame(PING, each) for each in TEN)), pongs=TEN),
)
_RESERVED = (
    *(Case(f"3.1-3 text, bits {bits}", (frame(TEXT, SAID, reserved=bits),), 1002) for bits in range(1, 8)),
    *(Case(f"3.5-6 opcode {kind}", (frame(kind, b"", reserved=5),), 1002) for kind in (BINARY, PING, CLOSE)),
    Case("3.4 octets", octets(frame(TEXT, SAID) + frame(TEXT, SAID, reserved=4)), 1002, answers=None),
)
_OPCODES = tuple(
    Case(f"4 opcode {opcode}, {len(payload)} bytes", (frame(TEXT, SAID), frame(opcode, payload)), 1002, answers=None)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    for payload in (b"", b"reserved opcode")
)
_FRAGMENTS = (
    Case("5.1", (frame(PING, b"a", fin=False), frame(CONT, b"b")), 1002),
    Case("5.2", (frame(PONG, b"a", fin=False), frame(CONT, b"b")), 1002),
    Case("5.3-4", HALVES, answers=1),
    Case("5.5 octets", octets(b"".join(HALVES)), answers=1),
    Case("5.6-7", (HALVES[0], frame(PING, b"between"), HALVES[1]), answers=1, pongs=(b"between",)),
    Case("5.8 octets", octets(HALVES[0] + frame(PING, b"between") + HALVES[1]), answers=1, pongs=(b"between",)),
    Case("5.9-10", (frame(CONT, SAID), frame(TEXT, SAID)), 1002),
    Case("5.12", (frame(CONT, SAID, fin=False), frame(TEXT, SAID)), 1002),
    Case("5.15", (*HALVES, frame(CONT, b"", fin=False), frame(TEXT, SAID)), 1002, answers=None),
    Case("5.18", (HALVES[0], frame(TEXT, SAID)), 1002),
    Case("5.18 binary", (HALVES[0], frame(BINARY, b"a", fin=False)), 1002),
    Case(
        "5.19",
        tuple(part for at, each in enumerate(fragments(carrier(100), 20)) for part in (each, frame(PING, b"%d" % at))),
        answers=1,
        pongs=tuple(b"%d" % at for at in range(5)),
    ),
    Case("5 empty ones between", (HALVES[0], frame(CONT, fin=False), frame(CONT, fin=False), HALVES[1]), answers=1),
    Case("10.1.1", fragments(carrier(65536), 1300), answers=1),
)

# Of Markus Kuhn's stress test: first and last code points of every length, and the last before and first behind halves
# of surrogate pairs; then what no text holds.
VALID = (
    "κόσμε",
    "\x7f",
    "\x80",
    "\u07ff",
    "\u0800",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
    "\ud7ff",
    "\ue000",
    "\ufffd",
)
INVALID = (
    *(b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0", b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"),
    *(b"\xe0\x80", b"\xf0\x80\x80", b"\xce\xba\xe1\xbd", b"\xed\x9f", b"\xf4\x8f\xbf"),
    *(b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xc1\xbf", b"\xe0\x9f\xbf"),
    *(b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"),
)
_UTF8 = (
    *(Case(f"6 {text!a}", (frame(TEXT, carrier(holds=text.encode())),), answers=1) for text in VALID if text != "\x7f"),
    *(
        Case(f"6 {text!a} cut everywhere", fragments(carrier(holds=text.encode()), 1), answers=1)
        for text in ("κόσμε", "\U0010ffff")
    ),
    *(Case(f"6 {raw.hex()}", (frame(TEXT, carrier(holds=raw)),), 1007) for raw in INVALID),
    *(Case(f"6 {raw.hex()} cut everywhere", fragments(carrier(holds=raw), 1), 1007) for raw in INVALID[-8:]),
    Case("6.3 the end alone", (frame(TEXT, carrier(holds=b"\xce")[:-2]),), 1007),
)
VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
INVALID_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535)
_ENDS = (
    Case("7.1.1", (frame(TEXT, SAID), close(1000)), answers=None, says_goodbye=True),
    Case("7.1.2", (close(1000), close(1000)), says_goodbye=True),
    Case("7.1.3", (close(1000), frame(PING, b"late")), says_goodbye=True),
    Case("7.1.4", (close(1000), frame(TEXT, SAID)), says_goodbye=True),
    Case("7.1.5", (HALVES[0], close(1000), HALVES[1]), says_goodbye=True),
    Case("7.1.6", (frame(TEXT, carrier(262144)), close(1000), frame(PING)), answers=None, says_goodbye=True),
    Case("7.3.1", (frame(CLOSE),), 1005, says_goodbye=True),
    Case("7.3.2", (frame(CLOSE, b"a"),), 1002, says_goodbye=True),
    Case("7.3.4", (close(1000, b"Hello World!"),), says_goodbye=True),
    Case("7.3.5", (close(1000, b"*" * 123),), says_goodbye=True),
    Case("7.3.6", (close(1000, b"*" * 124),), 1002, says_goodbye=True),
    Case("7.5.1", (close(1000, b"\xce\xba\xe1\xbd\xb9\xed\xa0\x80edited"),), 1007, says_goodbye=True),
    *(Case(f"7.7 {code}", (close(code),), code, says_goodbye=True) for code in VALID_CODES),
    *(Case(f"7.9 {code}", (close(code),), 1002, says_goodbye=True) for code in INVALID_CODES),
)

CASES = (*_FRAMING, *_PINGS, *_RESERVED, *_OPCODES, *_FRAGMENTS, *_UTF8, *_ENDS)
