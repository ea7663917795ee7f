"""A client's message in, one call on its session out."""

from typing import assert_never

from server.protocol import wire
from server.protocol.wire import AnyClientFrame
from server.session.agent_session import AgentSession
from server.session.session import Session
from server.session.stream_session import StreamSession


async def handle(session: Session, message: AnyClientFrame) -> None:
    """Every message of the protocol, one arm each."""
    match message:
        case wire.Ping():
            await session.connection.send(wire.Pong())
        case wire.TextMessage(content):
            if await session.modes.allow("message"):
                await session.talk.say(content)
        case wire.AudioMessage(audio):
            if await session.modes.allow("audio_message"):
                await session.clips.take(audio)
        case wire.AudioStreamStart():
            await session.modes.start_stream()
        case wire.AudioStreamChunk(audio):
            await session.modes.hear(audio, StreamSession)
        case wire.AudioStreamEnd():
            await session.modes.end_stream()
        case wire.AgentModeStart():
            await session.modes.start_agent(wire.AgentListening())
        case wire.VoiceCallStart():
            await session.modes.start_agent(wire.VoiceCallListening())
        case wire.AgentAudioChunk(audio) | wire.VoiceCallAudioChunk(audio):
            await session.modes.hear(audio, AgentSession)
        case wire.AgentModeStop() | wire.VoiceCallStop():
            await session.modes.stop_agent()
        case wire.AudioFrame(pcm):
            await session.modes.hear(pcm)
        case wire.SwitchCharacter(character_name):
            if await session.modes.allow("switch_character"):
                await session.talk.switch_character(character_name)
        case wire.ClearHistory():
            if await session.modes.allow("clear_history"):
                await session.talk.clear_history()
        case wire.GetHistory(limit, before):
            await session.talk.show_history(limit, before)
        case wire.Connect():
            await session.connection.refuse("wrong_state", "This connection is connected already")
        case _:
            assert_never(message)
