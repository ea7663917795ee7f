"""A socket in, a served user out: the handshake with its refusals, then the session."""

import uuid

import anyio
import structlog
from msgspec import UNSET
from starlette.websockets import WebSocket

from conversation.character import Character
from server.auth import User, one_party, origin_allowed, why_not_allowed
from server.backend import Backend
from server.message_handlers import handle
from server.observability.incidents import incident
from server.observability.line_limit import GUESSING, KIND
from server.protocol import close_codes, codec, wire
from server.protocol.extensions import Extensions
from server.protocol.wire import Connect, Error
from server.quantities import counted
from server.session.modes.build import build_modes
from server.session.session import Session
from server.transport.connection import Connection, ConnectionLost, HangUp
from server.transport.message_reader import MessageReader, check_frame_size, decode_frame

log = structlog.get_logger()

# A wrong token is answered after this long, whatever was wrong with it.
_REFUSAL_S = 0.05
# Said whatever the token, so that it tells nothing about tokens.
_DEMO_REFUSES = (
    "The server is in demo mode, for its own machine alone, and this connection comes from elsewhere or through a "
    "proxy; its operator can configure a token (VALID_API_TOKENS)"
)


async def serve(backend: Backend, websocket: WebSocket) -> None:
    """One connection from its first frame to its last. The outermost border: nothing is raised."""
    connection = Connection(websocket, backend.config.limits.send_timeout_seconds)
    try:
        await connection.accept()
        with backend.connections.unauthenticated(connection):
            hello, user, character = await _shake_hands(backend, connection)
        await _serve_user(backend, connection, hello, user, character)
    except ConnectionLost:
        pass
    except HangUp as end:
        await connection.hang_up(end)
    except Exception:
        await connection.hang_up(HangUp(incident(), close_codes.INTERNAL))


async def _serve_user(
    backend: Backend, connection: Connection, hello: Connect, user: User, character: Character
) -> None:
    by_default = backend.config.protocol.default_extensions_for(browser=connection.origin is not None)
    extensions = Extensions(hello.extensions, by_default)
    audio_rate_hz = hello.audio_sample_rate or backend.config.audio.asr_sample_rate
    session_id = uuid.uuid4().hex
    session = Session(
        connection,
        MessageReader(connection, backend.config.limits, backend.rates, session_id, extensions),
        *build_modes(backend, connection, user, character, extensions, audio_rate_hz),
    )
    greeting = wire.Connected(
        character.name,
        character.display_name,
        extensions=extensions.answer,
        session_id=UNSET if hello.extensions is None else session_id,
        audio_sample_rate=backend.tts.sample_rate_hz if "binary_audio" in extensions else UNSET,
    )
    async with backend.connections.claimed(session, user.token_hash):
        log.info("connected", user=user.label, character=character.name)
        await session.run(greeting, handle)
    log.info("gone", user=user.label)


async def _shake_hands(backend: Backend, connection: Connection) -> tuple[Connect, User, Character]:
    """The first message and who sent it.

    Raises:
        HangUp: it is not acceptable; a live session of the same token is untouched.
    """
    origin, demo = connection.origin, backend.authenticator.demo
    if origin is not None and not origin_allowed(origin, backend.config.server.allowed_origins, demo=demo):
        refusal = why_not_allowed(origin, demo=demo)
        log.warning(refusal, address=connection.address, **{KIND: "origin_not_allowed"})
        raise HangUp(Error(refusal, "origin_not_allowed", retryable=False), close_codes.ORIGIN)
    if connection.has_token_in_address and backend.connections.is_news("token in address"):
        log.warning("a client puts its token into the address, where it is ignored and others can read it")
    hello = await _first_message(backend, connection)
    user = await _authenticate(backend, connection, hello)
    name = hello.character_name
    character = backend.characters.default if not name else backend.characters.find(name)
    if character is None:
        raise HangUp(
            Error(backend.characters.unknown(), "unknown_character", retryable=False), close_codes.UNKNOWN_CHARACTER
        )
    wait_ms = backend.rates.retry_after_ms("connects", user.token_hash, anyio.current_time())
    if wait_ms is not None:
        raise HangUp(
            Error("Too many connections with this token", "rate_limited", retryable=True, retry_after_ms=wait_ms),
            close_codes.RATE_LIMITED,
        )
    connection.admit()
    return hello, user, character


async def _first_message(backend: Backend, connection: Connection) -> Connect:
    seconds = backend.config.timeouts.websocket_connect
    with anyio.move_on_after(seconds):
        frame = await connection.receive()
        check_frame_size(frame, backend.config.limits.max_first_frame_bytes)
        try:
            hello = decode_frame(frame)
        except codec.WireError as error:
            code: wire.ErrorCode = error.code if error.code in ("bad_json", "bad_message") else "not_connected"
            raise HangUp(Error(str(error), code, retryable=False), close_codes.BAD_HANDSHAKE) from None
        if isinstance(hello, Connect):
            return hello
        raise HangUp(
            Error("The first message must be `connect`", "not_connected", retryable=False), close_codes.BAD_HANDSHAKE
        )
    raise HangUp(
        Error(f"No `connect` message within {counted(seconds, 'second')}", "handshake_timeout", retryable=True),
        close_codes.HANDSHAKE_TIMEOUT,
    )


async def _authenticate(backend: Backend, connection: Connection, hello: Connect) -> User:
    began = anyio.current_time()
    address, forwarded = connection.address, connection.forwarded_by
    user = backend.authenticator.authenticate(hello.api_token, address, forwarded)
    if user is not None:
        return user
    refusal = Error("The token is not valid", "unauthorized", retryable=False)
    if backend.authenticator.demo_refuses(address, forwarded):
        refusal = Error(_DEMO_REFUSES, "unauthorized", retryable=False)
        log.warning("unauthorized", address=address, why="demo mode", forwarded_by=forwarded)
    else:
        log.warning("unauthorized", address=address)
    await anyio.sleep_until(began + _REFUSAL_S)  # which a busy server may have passed
    wait_ms = _wait_after_wrong_token(backend, address)
    if wait_ms is not None:
        raise HangUp(
            Error("Too many wrong tokens", "rate_limited", retryable=True, retry_after_ms=wait_ms),
            close_codes.RATE_LIMITED,
        )
    raise HangUp(refusal, close_codes.UNAUTHORIZED)


def _wait_after_wrong_token(backend: Backend, address: str | None) -> int | None:
    """Only whoever had a wrong one is counted and asked to wait: a right one gets in, however many wrong ones come."""
    now = anyio.current_time()
    wait_ms = backend.rates.retry_after_ms("wrong_tokens_overall", "", now)
    if wait_ms is None:
        return backend.rates.retry_after_ms("wrong_tokens", one_party(address), now)
    log.error(GUESSING, per_minute=backend.config.limits.wrong_tokens_per_minute_overall)
    return wait_ms
