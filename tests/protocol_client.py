"""A client written from the specification alone: JSON in, JSON out, over a real WebSocket."""

import base64
import json
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

Wire = dict[str, Any]
_PATIENCE_S = 60.0


class ProtocolClient:
    """One connection. `said` is everything the server has sent so far."""

    def __init__(
        self, url: str, headers: Mapping[str, str] | None = None, *, receive_buffer: int | None = None, **more: Any
    ) -> None:
        """`more`: for websockets, such as `ssl`.

        `receive_buffer`: bytes the kernel keeps for a client that does not read; given back by reading on.
        """
        self.said: list[Wire] = []
        sock = None
        if receive_buffer is not None:
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            address = urlsplit(url)
            sock.connect((address.hostname, address.port))
        self._connection = ExitStack()
        self.socket: ClientConnection = self._connection.enter_context(
            connect(
                url,
                sock=sock,
                compression=None,
                max_size=None,
                proxy=None,
                additional_headers=headers,
                open_timeout=_PATIENCE_S,
                **more,
            )
        )

    def connect(self, **hello: object) -> Wire:
        """Shake hands; the server's answer, which must be `connected`."""
        self.send("connect", **hello)
        answer = self.receive()
        assert answer["type"] == "connected", answer
        return answer

    def send(self, kind: str, **fields: object) -> None:
        self.socket.send(json.dumps({"type": kind, **fields}, ensure_ascii=False))

    def send_raw(self, frame: str | bytes) -> None:
        self.socket.send(frame)

    def receive(self) -> Wire:
        message: Wire = json.loads(self.socket.recv(timeout=_PATIENCE_S))
        self.said.append(message)
        return message

    def until(self, *kinds: str) -> list[Wire]:
        """Everything up to and with the next message of one of these types."""
        messages = [self.receive()]
        while messages[-1]["type"] not in kinds:
            messages.append(self.receive())
        return messages

    def turn(self, content: str) -> list[Wire]:
        """Say something; everything up to `response` or `error`."""
        self.send("message", content=content)
        return self.until("response", "error")

    def closed(self) -> tuple[int, list[Wire]]:
        """The close code, and what came before it."""
        messages = []
        try:
            while True:
                messages.append(self.receive())
        except ConnectionClosed as closed:
            return (closed.rcvd.code if closed.rcvd else 1006), messages

    def ping(self) -> None:
        """A `ping` whose answer is the very next message: nothing else was on its way."""
        self.send("ping")
        assert self.receive() == {"type": "pong"}

    def close(self) -> None:
        self._connection.close()


def kinds(messages: list[Wire]) -> list[str]:
    """Their types, runs of the same type once."""
    types = [message["type"] for message in messages]
    return [kind for kind, before in zip(types, [None, *types], strict=False) if kind != before]


def audio(messages: list[Wire]) -> bytes:
    """All the pcm in them."""
    return b"".join(
        base64.b64decode(message["audio_base64"], validate=True)
        for message in messages
        if message["type"] == "audio_chunk"
    )
