"""Heads of HTTP requests in any pieces in; whole ones, or what is wrong with them, out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.transport.http_head import MAX_BYTES, MAX_HEADERS, BadHead, HeadBuffer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HEADERS = b"".join(b"A%d: 1\r\n" % number for number in range(MAX_HEADERS))


def taken(*pieces: bytes) -> list[bytes]:
    """All heads of a connection; the status of the refusal as the last of them, in bytes."""
    buffer, heads = HeadBuffer(), list[bytes]()
    for piece in pieces:
        buffer.feed(piece)
        try:
            while (head := buffer.take()) is not None:
                heads.append(head)
        except BadHead as bad:
            return [*heads, b"%d" % bad.status]
    return heads


@pytest.mark.parametrize(
    ("sent", "heads"),
    [
        (b"", []),
        (GET[:-1], []),
        (GET, [GET]),
        (GET * 3 + b"GE", [GET] * 3),
        (b"GET / HTTP/1.1\r\n" + HEADERS + b"\r\n", [b"GET / HTTP/1.1\r\n" + HEADERS + b"\r\n"]),
        (b"GET / HTTP/1.1\r\n" + HEADERS + b"One: more\r\n\r\n", [b"431"]),
        (b"GET /" + b"a" * MAX_BYTES, [b"431"]),
        (b"GET /" + b"a" * MAX_BYTES + GET, [b"431"]),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * (MAX_BYTES - 19) + b"\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", [b"400"]),
        (b"POST / HTTP/1.1\r\ncontent-length :  007\r\n\r\n", [b"400"]),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", [b"400"]),
        (b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", None),
        (b"GET /?content-length:9 HTTP/1.1\r\nX: transfer-encoding: no\r\n\r\n", None),
        (GET + b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", [GET, b"400"]),
        (b"\n", [b"400"]),
        (b"GET / HTTP/1.1\n", [b"400"]),
        (b"GET / HTTP/1.1\r\nHost: x\n", [b"400"]),
        (GET + b"GET / HTTP/1.1\nHost: x\n\n", [GET, b"400"]),
        (GET + b"\n", [GET, b"400"]),
        (b"GET / HTTP/1.1\r\nA: \0", [b"400"]),
        (b"\x16\x03\x01" + b"\0" * 500, [b"400"]),  # TLS at the wrong door
        ("GET / HTTP/1.1\r\nA: ä\t é\r\n\r\n".encode(), None),
    ],
)
def test_a_head_is_whole_or_refused(sent: bytes, heads: list[bytes] | None) -> None:
    assert taken(sent) == ([sent] if heads is None else heads)


@given(
    st.lists(
        st.sampled_from([GET, b"\r\n", b"\r", b"\n", b"\0", b"A: 1", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"])
    ),
    st.data(),
)
def test_any_pieces_give_the_same_heads(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert taken(*pieces) == taken(whole)


def test_what_is_left_goes_to_the_protocol_that_was_asked_for() -> None:
    buffer = HeadBuffer()
    buffer.feed(GET + b"\x81\x80rest")
    assert buffer.take() == GET
    assert buffer.rest() == b"\x81\x80rest" and not buffer
