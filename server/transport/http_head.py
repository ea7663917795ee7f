"""Pure: bytes of an HTTP connection in; whole heads of requests, each within the limits, out."""

import re

MAX_BYTES = 16 * 1024
MAX_HEADERS = 100

_END = b"\r\n\r\n"
# A line that ends in another way than HTTP's do (RFC 9112, 2.2), or what no head has anywhere: TLS at the wrong door.
_NO_HEAD = re.compile(rb"(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BODY = re.compile(rb"\r\n(?:content-length[ \t]*:[ \t]*0*[1-9]|transfer-encoding[ \t]*:)", re.IGNORECASE)


class BadHead(Exception):
    """A request that is not read any further; `status` of HTTP is the answer to it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class HeadBuffer:
    """What came and was not taken yet. No request of ours has a body: what follows a head is the next one."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0  # up to here there is no end of a head

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """More of it."""
        self._data += data

    def take(self) -> bytes | None:
        """The first head, if it is whole.

        Raises:
            BadHead: it is none, is too large, or announces a body.
        """
        end = self._data.find(_END, max(0, self._searched - len(_END) + 1), MAX_BYTES + len(_END))
        if _NO_HEAD.search(self._data, self._searched, end if end >= 0 else MAX_BYTES):
            raise BadHead(400, "This is no request of HTTP/1.1")
        if end < 0 and len(self._data) <= MAX_BYTES:
            self._searched = len(self._data)
            return None
        if end < 0 or end > MAX_BYTES or self._data.count(b"\r\n", 0, end) > MAX_HEADERS:
            why = f"A request may have {MAX_HEADERS} headers, and {MAX_BYTES} bytes before its body"
            raise BadHead(431, why)
        head = bytes(self._data[: end + len(_END)])
        if _BODY.search(head):
            raise BadHead(400, "No request to this server has a body")
        del self._data[: len(head)]
        self._searched = 0
        return head

    def rest(self) -> bytes:
        """All that is left, for another protocol."""
        data = bytes(self._data)
        self._data.clear()
        return data
