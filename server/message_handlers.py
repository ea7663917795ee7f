"""A client's message in, one call on its session out."""

from typing import assert_never

from server import wire
from server.session import Session
from server.wire import AnyClientMessage

_NO_VOICE_YET = "Voice input is not part of this version yet; send a text `message`"


async def handle(session: Session, message: AnyClientMessage) -> None:
    """Every message of the protocol, one arm each."""
    match message:
        case wire.Ping():
            await session.connection.send(wire.Pong())
        case wire.TextMessage(content):
            await session.talk.say(content)
        case wire.SwitchCharacter(character_name):
            await session.talk.switch_character(character_name)
        case wire.ClearHistory():
            await session.talk.clear_history()
        case wire.GetHistory(limit, before):
            await session.talk.show_history(limit, before)
        case wire.Connect():
            await session.connection.refuse("wrong_state", "This connection is connected already")
        case wire.AudioMessage() | wire.AudioStreamStart() | wire.AudioStreamChunk() | wire.AudioStreamEnd():
            await session.connection.refuse("wrong_state", _NO_VOICE_YET)
        case wire.AgentModeStart() | wire.AgentModeStop() | wire.AgentAudioChunk():
            await session.connection.refuse("wrong_state", _NO_VOICE_YET)
        case _:
            assert_never(message)
