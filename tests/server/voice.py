"""Sound in, what a user of a server on the simulated cloud is told of it out: what the tests of voice share."""

import base64
import json
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from websockets.protocol import State

from tests.protocol_client import ProtocolClient, Wire, kinds
from tests.simulated_cloud import (
    ARK_KEY,
    MINIMAX_KEY,
    VENDORS_OWN_WORDS,
    CloudServer,
    Simulators,
    simulators,
    until,
)
from tests.simulators import bytedance
from tests.simulators.ark import REPLY
from tests.speech import chunks, say, silence

REPLY_CN = "".join(json.loads(line)["cn"] for line in REPLY.splitlines())
REPLY_KINDS = ["thinking", "audio_chunk", "audio_end", "response"]
BATCH = ["thinking", "transcription", "audio_chunk", "audio_end", "response"]
STREAM = ["audio_stream_started", "transcription", *REPLY_KINDS]
AGENT = ["transcription", *REPLY_KINDS, "agent_listening"]
LANGUAGES = ("zh", "ja", "en")
PHRASES = {"zh": "你好，爱音", "ja": "今日は練習ですか", "en": "good morning, how are you"}
# Whoever cuts their audio into 10 ms, or has it all at once, is no subject of these tests but of those of the limit.
ANY_RATE = {"CHATANON_LIMITS__AUDIO_CHUNKS_PER_SECOND": "0"}
ANY_SIZES = (1, 7, 333, 1601, 5000)  # samples
# The fields of the specification, and no other, in its order.
FIELDS = {
    "thinking": ["type", "message"],
    "transcription": ["type", "text", "is_partial"],
    "audio_chunk": ["type", "audio_base64", "audio_format", "audio_sample_rate"],
    "audio_end": ["type"],
    "response": ["type", "content_cn", "content_jp", "emotion", "audio_format", "audio_sample_rate"],
    "audio_stream_started": ["type", "message"],
    "agent_listening": ["type", "message"],
    "voice_call_listening": ["type", "message"],
    "history_cleared": ["type", "message"],
    "character_switched": ["type", "character", "character_display_name", "message"],
}


def words(language: str = "zh") -> bytes:
    """About a second of speech, with no silence around it."""
    return say(PHRASES[language], language)


def framed(pcm: bytes, before_s: float = 0.5, after_s: float = 1.0) -> bytes:
    """Speech with silence around it; after it enough for its end to be noticed."""
    return silence(before_s) + pcm + silence(after_s)


def uneven(pcm: bytes) -> list[bytes]:
    """In pieces of sizes that fit no frame and no packet."""
    pieces: list[bytes] = []
    at = 0
    while at < len(pcm):
        size = 2 * ANY_SIZES[len(pieces) % len(ANY_SIZES)]
        pieces.append(pcm[at : at + size])
        at += size
    return pieces


def cut(pcm: bytes, size: int | None) -> list[bytes]:
    """`size`: ms of each piece, None for uneven ones."""
    return uneven(pcm) if size is None else chunks(pcm, size)


def b64(pcm: bytes) -> str:
    return base64.b64encode(pcm).decode()


def finals(messages: Sequence[Wire]) -> list[str]:
    """The texts of the final transcriptions."""
    return [each["text"] for each in messages if each["type"] == "transcription" and not each["is_partial"]]


def check_specified(messages: Sequence[Wire]) -> None:
    """Each has the fields of the specification alone, and one final transcription ends those of its utterance."""
    for message, after in zip(messages, [*messages[1:], {"type": ""}], strict=True):
        assert list(message) == FIELDS[message["type"]], message
        if message["type"] == "transcription":
            assert message["text"] and message["is_partial"] == (after["type"] == "transcription")


def base_kinds(messages: Sequence[Wire]) -> list[str]:
    """Their types, runs of the same type once, without those of the extensions."""
    return kinds([message for message in messages if message["type"] in {"error", *FIELDS}])


def errors(messages: Sequence[Wire]) -> list[str]:
    """The codes of the errors in them."""
    return [message["code"] for message in messages if message["type"] == "error"]


class Guest:
    """A user, the vendors behind their server, and what must be true when they have gone."""

    def __init__(self, server: CloudServer, *extensions: str, **hello: object) -> None:
        self.server = server
        self.vendors = server.vendors
        self.ark, self.minimax, self.asr = server.vendors.ark, server.vendors.minimax, server.vendors.bytedance
        # The lines that shall be logged for the operator; None where that is another test's affair.
        self.operator: list[tuple[str, object]] | None = []
        self.log_from = len(server.process.log)
        self._kept_from = len(server.rows())
        self._others_before = server.descriptors.others
        self.client = server.client(*extensions, **hello)

    def kept(self) -> list[tuple[str, str, bool]]:
        """Role, Chinese text and the mark of a cut turn, of what was kept since the test began."""
        return self.server.rows()[self._kept_from :]

    def clip(self, data: bytes) -> list[Wire]:
        """Batch audio, to its `response` or `error`."""
        self.client.send("audio_message", audio_base64=b64(data))
        return self.client.until("response", "error")

    def push(self, pieces: Sequence[bytes], kind: str = "audio_stream_chunk") -> None:
        for piece in pieces:
            self.client.send(kind, audio_base64=b64(piece))

    def stream(self, pieces: Sequence[bytes]) -> list[Wire]:
        """A whole stream, to its `response` or `error`."""
        self.client.send("audio_stream_start")
        self.push(pieces)
        self.client.send("audio_stream_end")
        return self.client.until("response", "error")

    def start_agent(self) -> None:
        self.client.send("agent_mode_start")
        assert self.client.receive() == {"type": "agent_listening", "message": "Ready to listen"}

    def speak(self, pieces: Sequence[bytes]) -> list[Wire]:
        """In agent mode, to the next `agent_listening`."""
        self.push(pieces, "agent_audio_chunk")
        return self.client.until("agent_listening")

    def wait_heard(self, size: int) -> None:
        """Until so many bytes of the utterance that is being spoken have arrived at the vendor."""
        until(lambda: sum(len(call.audio) for call in self.asr.open_calls) >= size, "the vendor has heard it")

    def wait_unheard(self) -> None:
        """Until the vendor has no session open."""
        until(lambda: not self.asr.open_calls, "no session is open at the recogniser")

    def break_sessions(self) -> None:
        """The vendor's connections are gone, without a close frame."""
        self.vendors.portal.call(self._abort_sessions)
        self.wait_unheard()

    def _abort_sessions(self) -> None:
        for session in self.asr.sockets:
            session.transport.abort()

    def leave(self, client: ProtocolClient | None = None, *, politely: bool = True) -> None:
        """Be gone, with a close frame or without; on return the server has noticed."""
        client = client or self.client
        before = len(self.server.process.events("gone"))
        if not politely:
            with_reset = struct.pack("ii", 1, 0)
            client.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, with_reset)
            client.socket.socket.shutdown(socket.SHUT_RDWR)
        client.close()
        self.server.process.wait_for("gone", before + 1)

    def end(self) -> None:
        """The next turn works, and nothing is left of those before it."""
        said = json.dumps(self.client.said, ensure_ascii=False)
        if self.client.socket.state is State.OPEN:
            assert base_kinds(self.client.turn("然后呢？")) == REPLY_KINDS
            self.leave()
        log = self.server.process.log[self.log_from :]
        if self.operator is not None:
            told = [(error["event"], error["code"]) for error in self.server.errors(self.log_from)]
            assert told == self.operator
        for secret in (ARK_KEY, MINIMAX_KEY, bytedance.ACCESS_KEY, bytedance.APP_KEY, *VENDORS_OWN_WORDS):
            assert not any(secret in line for line in log), f"{secret} is in the log"
            assert secret not in said
        assert not any("Traceback" in line or "incident" in line for line in log)
        self._nothing_is_left()

    def _nothing_is_left(self) -> None:
        self.wait_unheard()
        self.vendors.portal.call(self.ark.wait_idle)
        until(lambda: self.minimax.open_calls == self.minimax.waiting, "no connection is open that has spoken")

        def settled() -> bool:
            now = self.server.descriptors
            return now.others == self._others_before and now.all_whole and not now.bytedance and len(now.ark) <= 2

        if Path("/proc/self/fd").exists():
            until(settled, "no descriptor is left")


@contextmanager
def cloud_server(folder: Path, **environment: str) -> Iterator[CloudServer]:
    """Vendors and a server of their own."""
    with simulators() as vendors, served(vendors, folder, **environment) as server:
        yield server


@contextmanager
def served(vendors: Simulators, folder: Path, **environment: str) -> Iterator[CloudServer]:
    """A server, warm: what is opened once is open."""
    vendors.reset()
    server = CloudServer(vendors, folder, **{**ANY_RATE, **environment})
    try:
        client = server.client()
        assert kinds(client.turn("热身")) == REPLY_KINDS
        client.send("audio_message", audio_base64=b64(words()))
        assert kinds(client.until("response", "error")) == BATCH
        server.goodbye(client)
        yield server
    finally:
        server.process.kill()


@contextmanager
def visit(server: CloudServer, *extensions: str, **hello: object) -> Iterator[Guest]:
    """Vendors as new, one user, and on the way out nothing left of them."""
    server.vendors.reset()
    guest = Guest(server, *extensions, **hello)
    yield guest
    guest.end()
