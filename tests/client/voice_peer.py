"""A scripted server that hears: chunks in, transcripts and replies out. It tells speech from silence by its bytes."""

import base64
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection

from tests.client.peer import Message, Peer, answer_everything, reply, say

VOICE_EXTENSIONS = ("sentences", "turns", "speech_events")
CHUNK_BYTES = 3200
SILENCE_WINDOW_BYTES = 6 * CHUNK_BYTES


def audio_of(message: Message) -> bytes:
    return base64.b64decode(message["audio_base64"], validate=True)


def is_silent(pcm: bytes) -> bool:
    return not any(pcm)


@dataclass
class Recogniser:
    """Answers for a Peer: the sound of every utterance is kept, half duplex as the wire says."""

    utterances: list[bytes] = field(default_factory=list)
    received_ms: float = 0
    speech: bytearray = field(default_factory=bytearray)
    silence: int = 0

    async def answer(self, peer: Peer, socket: ServerConnection, message: Message) -> None:
        match message["type"]:
            case "audio_message":
                self.utterances.append(audio_of(message))
                await self.take_turn(peer, socket, "audio")
            case "audio_stream_start":
                self.speech = bytearray()
                await say(socket, "audio_stream_started", message="Streaming ASR session started")
            case "audio_stream_chunk":
                self.speech += audio_of(message)
                await say(socket, "transcription", text="听到一", is_partial=True)
            case "audio_stream_end":
                self.utterances.append(bytes(self.speech))
                await self.take_turn(peer, socket, "stream")
            case "agent_mode_start":
                self.speech, self.silence, self.received_ms = bytearray(), 0, 0
                await say(socket, "agent_listening", message="Ready to listen")
            case "agent_audio_chunk":
                await self.listen(peer, socket, audio_of(message))
            case "agent_mode_stop":
                pass
            case _:
                await answer_everything(peer, socket, message)
                if "agent_mode_start" in [each["type"] for each in peer.talks[-1]]:
                    await say(socket, "agent_listening", message="Ready to listen")

    async def listen(self, peer: Peer, socket: ServerConnection, pcm: bytes) -> None:
        self.received_ms += len(pcm) / 32
        if not self.speech and is_silent(pcm):
            return
        self.speech += pcm
        self.silence = self.silence + len(pcm) if is_silent(pcm) else 0
        if self.silence < SILENCE_WINDOW_BYTES:
            return
        utterance = bytes(self.speech[: -self.silence])
        if "speech_events" in peer.extensions:
            await say(socket, "speech_stopped", at_ms=self.received_ms - self.silence / 32)
        self.utterances.append(utterance)
        self.speech, self.silence = bytearray(), 0
        await self.take_turn(peer, socket, "agent")

    async def take_turn(self, peer: Peer, socket: ServerConnection, kind: str) -> None:
        number = len(self.utterances)
        has_turns = "turns" in peer.extensions
        if has_turns:
            await say(socket, "turn_started", turn_id=f"t{number}", input=kind, turn_number=number)
        await say(socket, "transcription", text=f"第{number}句", is_partial=False)
        await reply(socket, jp=f"{number}番", cn=f"答{number}", chunks=[b"\1\0" * 800])
        if has_turns:
            timings = {"end_of_speech": 0, "first_audio": 345}
            await say(socket, "turn_end", turn_id=f"t{number}", status="completed", timings_ms=timings)
        if kind == "agent":
            await say(socket, "agent_listening", message="Ready to listen")
