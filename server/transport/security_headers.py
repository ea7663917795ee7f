"""An ASGI app in, the same with headers on every answer that keep browsers from making more of it than it is."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# No answer loads, runs or frames anything, unless it says itself what it does: the page people talk on.
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
)
_BEGINS = ("http.response.start", "websocket.http.response.start")


def with_security_headers(app: App) -> App:
    """Around all else of an app, so that its errors have them too."""

    async def answer(scope: Message, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] in _BEGINS:
                own = list(message.get("headers", ()))
                named = {name.lower() for name, _ in own}
                message["headers"] = [*own, *(header for header in HEADERS if header[0] not in named)]
            await send(message)

        await app(scope, receive, add)

    return answer
