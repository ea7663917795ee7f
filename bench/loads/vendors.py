"""An LLM, a TTS and an ASR for hundreds of talks at once, in one process that costs little: for load, not for tests.

    python -m bench.loads.vendors            prints where they are as JSON, and ends with its standard input

They speak the wire formats of Ark, MiniMax and ByteDance as a client that makes no mistake sees them, with the delays
of bench/loads/talk.py. Every answer is encoded before the first question comes. To each line of standard input it tells
what it has cost and served so far. What a client may do wrong is the matter of tests/simulators/.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from functools import cache, partial
from typing import Any, ClassVar, cast

import msgspec
import numpy as np
import uvloop

from bench.loads import talk
from bench.loads.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, frame, upgrade_answer
from bench.loads.wheel import Wheel

LLM_PATH, TTS_PATH, ASR_PATH = "/api/v3", "/ws/v1/t2a_v2", "/api/v3/sauc/bigmodel_async"


class Vendor(asyncio.Protocol):
    """One connection of a client."""

    served: ClassVar[Counter[str]] = Counter()

    def __init__(self, wheel: Wheel) -> None:
        self.wheel = wheel
        self.now = asyncio.get_running_loop().time
        self._transport: asyncio.Transport
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.served[f"{type(self).__name__} connections"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True

    def send(self, data: bytes) -> None:
        if not self.gone:
            self._transport.write(data)

    def hang_up(self) -> None:
        self._transport.close()


# ---------------------------------------------------------------- LLM


def _http_chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


@cache
def answer_events(*, spoken: bool) -> tuple[bytes, ...]:
    """The writes of one answer: token by token, as Ark has them."""
    tokens = talk.SPOKEN_TOKENS if spoken else talk.TOKENS

    def event(choices: list[Any], usage: Any = None) -> bytes:
        about = {"created": 1773460510, "id": "0217734605sim", "model": "doubao-seed-1-6-lite-251015"}
        kind = {"service_tier": "default", "object": "chat.completion.chunk", "usage": usage}
        text = json.dumps({"choices": choices, **about, **kind}, ensure_ascii=False, separators=(",", ":"))
        return _http_chunk(f"data: {text}\n\n".encode())

    def delta(content: str, **more: str) -> bytes:
        return event([{"delta": {"content": content, "role": "assistant"}, "index": 0, **more}])

    usage = {"completion_tokens": len(tokens), "prompt_tokens": 900, "total_tokens": 900 + len(tokens)}
    end = delta("", finish_reason="stop") + event([], usage) + _http_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    first, *others = map(delta, tokens)
    return (head + first, *others, end)


class Llm(Vendor):
    """Chat completions, streamed."""

    def __init__(self, wheel: Wheel) -> None:
        super().__init__(wheel)
        self._request = b""

    def data_received(self, data: bytes) -> None:
        self._request += data
        head, found, body = self._request.partition(b"\r\n\r\n")
        if not found:
            return
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0].strip()
        if len(body) < int(length or 0):
            return
        self._request = b""
        if head.startswith(b"POST "):
            self.served["replies"] += 1
            due = self.now() + talk.LLM_FIRST_S
            self.wheel.at(due, self._tell, answer_events(spoken=f'"{talk.SPOKEN}"'.encode() in body), 0, due)
        else:
            self.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def _tell(self, events: tuple[bytes, ...], token: int, due: float) -> None:
        if self.gone:
            return
        self.send(events[token])
        if token + 2 == len(events):
            self.send(events[-1])
        else:
            due += talk.LLM_TOKEN_S
            self.wheel.at(due, self._tell, events, token + 1, due)


# ---------------------------------------------------------------- WebSockets


class WebSocketVendor(Vendor):
    """What TTS and ASR have in common."""

    greeting = b""

    def __init__(self, wheel: Wheel) -> None:
        super().__init__(wheel)
        self._head: bytes | None = b""
        self._frames = FrameReader()

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head, found, data = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                return
            self.send(upgrade_answer(self._head, "X-Tt-Logid: simulated\r\nTrace-Id: simulated\r\n") + self.greeting)
            self._head = None
        for opcode, payload in self._frames.feed(data):
            if opcode in (TEXT, BINARY):
                self.receive(payload)
            elif opcode == PING:
                self.send(frame(PONG, payload))
            elif opcode == PONG:
                self.ponged()
            elif opcode == CLOSE:
                self.hang_up()

    def ponged(self) -> None:
        """Nobody here asks for it."""

    def receive(self, payload: bytes) -> None:
        raise NotImplementedError


def _minimax(event: str, **fields: Any) -> bytes:
    status = {"status_code": 0, "status_msg": "success"}
    message = {"session_id": "s", "event": event, "trace_id": "simulated-trace", **fields, "base_resp": status}
    return frame(TEXT, json.dumps(message).encode())


@cache
def spoken(text: str) -> tuple[bytes, ...]:
    """The messages that a text is spoken in."""
    pcm, size = talk.voice_of(text), talk.TTS_MESSAGE_BYTES
    pieces = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    info = {"audio_length": len(pcm) // talk.BYTES_PER_MS, "audio_sample_rate": talk.RATE_HZ, "audio_size": len(pcm)}
    return (
        *(_minimax("task_continued", is_final=False, data={"audio": piece.hex()}) for piece in pieces[:-1]),
        _minimax("task_continued", is_final=True, data={"audio": pieces[-1].hex()}, extra_info=info),
    )


class Tts(WebSocketVendor):
    """MiniMax's plain variant."""

    greeting = _minimax("connected_success")
    _started, _finished = _minimax("task_started"), _minimax("task_finished")

    def __init__(self, wheel: Wheel) -> None:
        super().__init__(wheel)
        self._texts: deque[str] = deque()

    def receive(self, payload: bytes) -> None:
        message = msgspec.json.decode(payload)
        match message["event"]:
            case "task_start":
                self.send(self._started)
            case "task_continue":
                self.served["sentences"] += 1
                self._texts.append(message["text"])
                if len(self._texts) == 1:
                    self._begin(talk.TTS_FIRST_S)
            case "task_finish":
                self.send(self._finished)
                self.hang_up()

    def _begin(self, delay_s: float) -> None:
        due = self.now() + delay_s
        self.wheel.at(due, self._speak, 0, due)

    def _speak(self, piece: int, due: float) -> None:
        if self.gone:
            return
        pieces = spoken(self._texts[0])
        self.send(pieces[piece])
        if piece + 1 < len(pieces):
            due += talk.TTS_MESSAGE_BYTES / talk.BYTES_PER_MS / 1000 / talk.TTS_PACE
            self.wheel.at(due, self._speak, piece + 1, due)
            return
        self._texts.popleft()
        if self._texts:
            self._begin(talk.TTS_QUEUED_S)


# ---------------------------------------------------------------- ASR


@cache
def heard(characters: int, end_ms: int, *, definite: bool, last: bool) -> bytes:
    """An answer with so much of the words; utterances without times of their own, so that answers can be kept."""
    text = talk.WORDS[:characters]
    additions = {"source": "two_pass" if definite else "stream", **({"invoke_type": "hard_vad"} if definite else {})}
    utterance = {"text": text, "start_time": 0, "end_time": end_ms, "definite": definite, "additions": additions}
    result = {"additions": {"log_id": "simulated"}, "text": text, "utterances": [utterance] if text else []}
    payload = json.dumps({"audio_info": {"duration": end_ms}, "result": result}, ensure_ascii=False).encode()
    head = bytes((0x11, 0x92 if last else 0x90, 0x10, 0)) + len(payload).to_bytes(4, "big")
    return frame(BINARY, head + payload)


class Asr(WebSocketVendor):
    """ByteDance's bigmodel_async: partial texts while somebody speaks, a definite one after silence or at the end."""

    _block = 10 * talk.BYTES_PER_MS // 2  # samples

    def __init__(self, wheel: Wheel) -> None:
        super().__init__(wheel)
        self._heard_ms = 0
        self._began_ms = self._ended_ms = self._told_ms = -1  # of the utterance that is being heard

    def receive(self, payload: bytes) -> None:
        if payload[1] >> 4 == 1:
            return
        last = bool(payload[1] & 2)
        pcm = payload[12 if payload[1] & 1 else 8 :]
        if pcm:
            self._listen(np.frombuffer(pcm, "<i2"))
        if last:
            self.served["recognitions"] += 1
            self._later(len(talk.WORDS) if self._began_ms >= 0 else 0, definite=True, last=True)
        elif self._began_ms >= 0 and self._heard_ms - self._ended_ms >= talk.ASR_WINDOW_MS:
            self.served["utterances"] += 1
            self._later(len(talk.WORDS), definite=True, last=False)
            self._began_ms = -1
        elif self._began_ms >= 0 and self._heard_ms - self._told_ms >= talk.ASR_PARTIAL_MS:
            self._told_ms = self._heard_ms
            said = (self._ended_ms - self._began_ms) * len(talk.WORDS) // talk.SPEECH_MS
            self.send(heard(said, self._ended_ms, definite=False, last=False))

    def _listen(self, samples: "np.typing.NDArray[np.int16]") -> None:
        whole = len(samples) // self._block * self._block
        peaks = samples[:whole].reshape(-1, self._block).max(axis=1) if whole else samples[:0]
        loud = np.flatnonzero(peaks > talk.LOUD)
        if len(loud):
            if self._began_ms < 0:
                self._began_ms = self._told_ms = self._heard_ms + 10 * int(loud[0])
            self._ended_ms = self._heard_ms + 10 * int(loud[-1]) + 10
        self._heard_ms += len(samples) * 2 // talk.BYTES_PER_MS

    def _later(self, characters: int, *, definite: bool, last: bool) -> None:
        answer = heard(characters, self._ended_ms, definite=definite, last=last)
        self.wheel.at(self.now() + talk.ASR_FINAL_S, self._tell, answer, last)

    def _tell(self, answer: bytes, last: bool) -> None:
        self.send(answer)
        if last and not self.gone:
            self.send(frame(CLOSE, (1000).to_bytes(2, "big")))
            self.hang_up()


async def serve() -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    wheel = Wheel(loop)
    ports = []
    for kind in (Llm, Tts, Asr):
        server = await loop.create_server(partial(kind, wheel), "127.0.0.1", 0, backlog=1024)
        ports.append(server.sockets[0].getsockname()[1])
    for sentence in talk.SENTENCES + talk.SPOKEN_SENTENCES:
        spoken(sentence.jp)
    tell(
        llm=f"http://127.0.0.1:{ports[0]}{LLM_PATH}",
        tts=f"ws://127.0.0.1:{ports[1]}{TTS_PATH}",
        asr=f"ws://127.0.0.1:{ports[2]}{ASR_PATH}",
    )
    done = asyncio.Event()

    def asked() -> None:
        if not sys.stdin.readline():
            done.set()
            return
        late = sorted(wheel.late_ms)
        wheel.late_ms.clear()
        p95 = late[int(len(late) * 0.95)] if late else 0.0
        tell(cpu_s=time.process_time(), late_p95_ms=p95, served=Vendor.served)

    loop.add_reader(sys.stdin.fileno(), asked)
    await done.wait()


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    uvloop.run(serve())
