"""The load of bench/capacity.py against a server that does one thing wrong: the figures have to say so."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from bench import capacity
from bench.loads import talk
from bench.loads.callers import Notes, Plan, call
from bench.loads.frames import BINARY, PING, TEXT, FrameReader, frame
from bench.loads.microphone import encoded
from bench.loads.vendors import WebSocketVendor
from bench.loads.wheel import Wheel

REPLY = b"".join(talk.voice_of(sentence.jp) for sentence in talk.SENTENCES)
CHUNK_BYTES = 2560
RESPONSE = {"type": "response"}
MICROPHONE = [encoded(bytes(320), binary=False)] * (talk.CYCLE_MS // talk.CHUNK_MS)


class Server(WebSocketVendor):
    """Answers the first chunk of a microphone with a reply, `broken` as the test says, and then a ping."""

    def __init__(self, wheel: Wheel, broken: Callable[[bytes], bytes], last: dict[str, object]) -> None:
        super().__init__(wheel)
        self._broken = broken
        self._last = last
        self._spoken = False
        self.heard, self.left = asyncio.Event(), asyncio.Event()

    def receive(self, payload: bytes) -> None:
        kind = msgspec.json.decode(payload)["type"]
        if kind == "connect":
            self._say(type="connected")
        elif kind == "agent_audio_chunk" and not self._spoken:
            self._spoken = True
            pcm = self._broken(REPLY)
            for at in range(0, len(pcm), CHUNK_BYTES):
                self._say(type="audio_chunk", audio_base64=pcm[at : at + CHUNK_BYTES])
            if self._last:
                self._say(**self._last)
            self.send(frame(PING, b""))

    def ponged(self) -> None:
        self.heard.set()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.left.set()

    def _say(self, **fields: object) -> None:
        self.send(frame(TEXT, msgspec.json.encode(fields)))


async def talk_to(broken: Callable[[bytes], bytes], last: dict[str, object]) -> dict[str, object]:
    """The row that one caller's one turn makes."""
    loop, notes = asyncio.get_running_loop(), Notes()
    wheel = Wheel(loop)
    answering = Server(wheel, broken, last)
    async with await loop.create_server(lambda: answering, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        plan = Plan(url, 1, 1, MICROPHONE, binary=False)
        (caller,) = await call(plan, loop.time(), wheel, notes)
        await answering.heard.wait()
        caller.hang_up()
        await answering.left.wait()
    cost = capacity.Cost(0.0, 0.0, 0.0, 0.0)
    return capacity.row_of(plan, notes, [], cost, capacity.Cost(1.0, 0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("broken", "last", "wrong"),
    [
        (lambda pcm: pcm, RESPONSE, {}),
        (lambda pcm: pcm[:1000] + bytes([pcm[1000] ^ 1]) + pcm[1001:], RESPONSE, {"audio not whole": 1}),
        (lambda pcm: pcm[:-2], RESPONSE, {"audio not whole": 1}),
        (lambda pcm: pcm + b"\0\0", RESPONSE, {"audio not whole": 1}),
        (lambda pcm: pcm[CHUNK_BYTES:] + pcm[:CHUNK_BYTES], RESPONSE, {"audio not whole": 1}),
        (lambda pcm: pcm, {}, {"missed": 1}),
        (lambda pcm: b"", RESPONSE, {"missed": 1}),
        (lambda pcm: b"", {"type": "error", "code": "busy"}, {"missed": 1, "errors": "1 busy"}),
        (lambda pcm: b"", {"type": "error", "code": "busy", "retry_after_ms": 1000}, {"refused": 1}),
        (lambda pcm: b"", {"type": "error", "code": "server_busy", "retry_after_ms": 1000}, {"refused": 1}),
        (
            lambda pcm: pcm[:-2],
            {"type": "error", "code": "busy", "retry_after_ms": 1},
            {"missed": 1, "audio not whole": 1},
        ),
        (lambda pcm: pcm, RESPONSE | {"incomplete": True}, {"errors": "1 reply not whole"}),
    ],
    ids="whole byte short long order unfinished silent busy refused away cut incomplete".split(),
)
def test_what_a_server_does_wrong_is_counted(
    broken: Callable[[bytes], bytes], last: dict[str, object], wrong: dict[str, object]
) -> None:
    row = asyncio.run(talk_to(broken, last))
    assert {name: row[name] for name in ("refused", "missed", "audio not whole", "errors")} == {
        **{"refused": 0, "missed": 0, "audio not whole": 0, "errors": 0},
        **wrong,
    }
    assert capacity.carried({**row, "p95 ms": 0.0}) is not bool(wrong)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_are_read_however_they_are_cut(size: int, masked: bool) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    stream = frame(BINARY, payload, masked=masked) + frame(TEXT, b"{}", masked=masked)
    for step in (1, 7, 70_000) if size < 1000 else (997, 140_000):
        reader = FrameReader()
        found = [each for at in range(0, len(stream), step) for each in reader.feed(stream[at : at + step])]
        assert found == [(BINARY, payload), (TEXT, b"{}")]
