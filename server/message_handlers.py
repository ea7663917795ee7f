"""A client's message in, one call on its session out."""

from collections.abc import Mapping
from typing import assert_never

from server.protocol import wire
from server.protocol.wire import AnyClientFrame
from server.session.modes.agent import AgentMode
from server.session.modes.stream import StreamMode
from server.session.session import Session

# Those that are refused in the middle of a stream, by their names.
_REQUESTS: Mapping[type, str] = {
    wire.TextMessage: "message",
    wire.AudioMessage: "audio_message",
    wire.SwitchCharacter: "switch_character",
    wire.ClearHistory: "clear_history",
}


async def handle(session: Session, message: AnyClientFrame) -> None:
    """Every message of the protocol, one arm each."""
    modes = session.modes
    if (request := _REQUESTS.get(type(message))) and not await modes.voice.allow(request):
        return
    match message:
        case wire.Ping():
            await session.connection.send(wire.Pong())
        case wire.TextMessage(content):
            await modes.text.answer(content)
        case wire.AudioMessage(audio):
            await modes.batch.answer(audio)
        case wire.AudioStreamStart():
            await modes.voice.start_stream()
        case wire.AudioStreamChunk(audio):
            await modes.voice.receive(audio, StreamMode)
        case wire.AudioStreamEnd():
            await modes.voice.end_stream()
        case wire.AgentModeStart():
            await modes.voice.start_agent(wire.AgentListening())
        case wire.VoiceCallStart():
            await modes.voice.start_agent(wire.VoiceCallListening())
        case wire.AgentAudioChunk(audio) | wire.VoiceCallAudioChunk(audio):
            await modes.voice.receive(audio, AgentMode)
        case wire.AgentModeStop() | wire.VoiceCallStop():
            await modes.voice.stop_agent()
        case wire.AudioFrame(pcm):
            await modes.voice.receive(pcm)
        case wire.SwitchCharacter(character_name):
            await modes.text.switch_character(character_name)
        case wire.ClearHistory():
            await modes.text.clear_history()
        case wire.GetHistory(limit, before):
            await modes.text.show_history(limit, before)
        case wire.Interrupt(played_ms):
            await modes.turns.interrupt(played_ms)
        case wire.Connect():
            await session.connection.refuse("wrong_state", "This connection is connected already")
        case _:
            assert_never(message)
