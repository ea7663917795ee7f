"""HTTP requests in, transcripts out: a strict stand-in for servers with OpenAI's `/audio/transcriptions`, on loopback.

Written from the pages of the servers alone: it shares no constant and no code with the client. A `Server` says which of
them it is: what it takes, what it refuses and in which words, and in which shape it answers.
`python -m tests.simulators.openai_transcription` serves a person on port 8606.
"""

import argparse
import json
import re
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
from aiohttp import BodyPartReader, web

KEY = "sk-of-the-simulated-transcriber"
LANGUAGE_NAMES = {"zh": "chinese", "ja": "japanese", "en": "english"}
KNOWN_FIELDS = {
    "model", "language", "prompt", "response_format", "temperature", "timestamp_granularities[]", "stream",
}  # fmt: skip
FORMATS = {"json", "text", "srt", "vtt", "verbose_json"}

Errors = Literal["openai", "detail", "error string", "vllm", "siliconflow"]


@dataclass(frozen=True, slots=True)
class Server:
    """One of the servers people have."""

    name: str = "whisper-1"
    formats: frozenset[str] = frozenset(FORMATS)  # that it takes
    obeys_format: bool = True  # else it answers in JSON whatever was asked for
    takes_auto: bool = False  # language: auto
    default_language: str = ""  # what it takes speech for where no language is given; "" finds out
    takes_prompt: bool = True
    takes_temperature: bool = True
    models: tuple[str, ...] = ()  # that it has; none: it does not look
    confidences: bool = True  # in segments of verbose_json
    segments: bool = True
    language_names: bool = False
    errors: Errors = "openai"
    text_type: str = "text/plain"
    text_as_json: bool = False  # response_format: text is a JSON string
    wants_key: bool = False
    shortest_ms: int = 0


OPENAI = Server(language_names=True, models=("whisper-1",), wants_key=True, shortest_ms=100)
GPT_4O = Server("gpt-4o", frozenset({"json"}), models=("gpt-4o-transcribe", "whisper-1"), wants_key=True)
SPEACHES = Server("speaches", errors="detail")
WHISPER_CPP = Server(
    "whisper.cpp", takes_auto=True, default_language="en", language_names=True, errors="error string",
    text_type="text/html",
)  # fmt: skip
FUNASR = Server(
    "FunASR", takes_auto=True, confidences=False, errors="detail", text_as_json=True,
    models=("sensevoice", "paraformer", "whisper-1"),
)  # fmt: skip
GROQ = Server("Groq", takes_temperature=True, wants_key=True)
SILICONFLOW = Server(
    "SiliconFlow", frozenset({"json"}), obeys_format=False, takes_auto=True, segments=False, errors="siliconflow",
    wants_key=True,
)  # fmt: skip
VLLM = Server("vLLM", takes_temperature=True, errors="vllm")
MEAN = Server(
    "takes nothing", frozenset({"json"}), takes_prompt=False, takes_temperature=False, errors="error string",
)  # fmt: skip
SERVERS = (OPENAI, GPT_4O, SPEACHES, WHISPER_CPP, FUNASR, GROQ, SILICONFLOW, VLLM, MEAN)

FaultKind = Literal[
    "none",
    "silent",  # everything is read, not even a status line comes
    "silent_after_headers",
    "unread",  # the body is not read
    "drop",  # before an answer
    "drop_in_body",
    "end_early",  # the body is shorter than it was said to be
    "garbage",
    "empty",
    "bad_utf8",
    "page",  # of a gateway, with status 200
    "no_text",
    "error_in_200",
    "endless",
    "redirect",
    "raw",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request. With a `status`, it is refused in these words."""

    kind: FaultKind = "none"
    status: int = 0
    words: str = "vendor text that must not be shown"
    body: bytes | None = None  # instead of a JSON body with the words
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Said:
    """A segment, as the model sees it."""

    text: str
    no_speech_prob: float = 0.02
    avg_logprob: float = -0.2
    compression_ratio: float = 1.1
    language: str = "zh"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was understood."""

    fields: dict[str, str]
    pcm: bytes
    peer: tuple[str, int]
    headers: dict[str, str]


class Refused(Exception):
    """With this status, in these words."""

    def __init__(self, status: int, words: str, code: str = "", param: str = "") -> None:
        super().__init__(words)
        self.status, self.words, self.code, self.param = status, words, code, param


def hear_length(pcm: bytes) -> list[Said]:
    """The transcript that nobody set: how long it is."""
    return [Said(f"听到{len(pcm) // 32}毫秒")]


class TranscriptionSimulator:
    """What the tests set and read."""

    def __init__(self, server: Server, key: str) -> None:
        self.server = server
        self.key = key
        self.endpoint = ""
        self.hear: Callable[[bytes], list[Said]] | deque[list[Said]] = hear_length
        self.faults: deque[Fault] = deque()
        self.requests: list[Request] = []
        self.asked = 0
        self.open = 0
        self._cut: list[Any] = []  # transports nothing is read from, so that the other end's leaving goes unnoticed
        self.web: web.Server | None = None
        self._changed = anyio.Event()

    @property
    def audio(self) -> bytes:
        return b"".join(request.pcm for request in self.requests)

    @property
    def live(self) -> list[Any]:
        """The transports of the connections that are open now, asked over or not."""
        assert self.web is not None
        transports = [connection.transport for connection in self.web.connections]
        return [each for each in transports if each is not None and not each.is_closing()]

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until_live(self, some: bool) -> None:
        """Until connections are open, or none is: nobody tells of those that nothing was asked over."""
        while bool(self.live) != some:  # noqa: ASYNC110
            await anyio.sleep(0.005)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def restore(self) -> None:
        """The cut cables are mended, so to say: whoever left over one is noticed to have done so."""
        for transport in self._cut:
            transport.abort()
        self._cut.clear()

    def hang_up(self) -> None:
        for transport in self.live:
            transport.abort()

    def make_app(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        return app

    async def _elsewhere(self, _: web.Request) -> web.Response:
        raise AssertionError("a redirect was followed")

    async def _transcribe(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        self.open += 1
        self.changed()
        try:
            return await self._answer(request)
        except Refused as refused:
            return self._refusal(refused)
        finally:
            self.open -= 1
            self.changed()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.popleft() if self.faults else Fault()
        if fault.kind == "unread":
            assert request.transport is not None
            request.transport.pause_reading()
            self._cut.append(request.transport)
            await anyio.sleep_forever()
        if self.server.wants_key and request.headers.get("Authorization") != f"Bearer {self.key}":
            raise Refused(401, "Incorrect API key provided.", "invalid_api_key")
        fields, pcm = await _read_form(request)
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")[:2]
        self.requests.append(Request(fields, pcm, peer, dict(request.headers)))
        self.changed()
        if fault.kind != "none" or fault.status:
            return await _go_wrong(request, fault, self._refusal)
        self._judge(fields, pcm)
        return self._told(fields, self._heard(pcm))

    def _heard(self, pcm: bytes) -> list[Said]:
        if isinstance(self.hear, deque):
            return self.hear.popleft() if self.hear else hear_length(pcm)
        return self.hear(pcm)

    def _judge(self, fields: dict[str, str], pcm: bytes) -> None:
        """As this server does."""
        server = self.server
        model, language = fields.get("model", ""), fields.get("language", "")
        if not model:
            raise Refused(400, "you must provide a model parameter", param="model")
        if server.models and model not in server.models:
            raise Refused(404 if server.errors == "openai" else 400, f"Unknown model '{model}'.", "model_not_found")
        unknown = set(fields) - KNOWN_FIELDS
        if unknown and server.errors == "openai":
            raise Refused(400, f"Unknown parameter: '{min(unknown)}'.", "unknown_parameter", min(unknown))
        wanted = fields.get("response_format", "json")
        if server.obeys_format and wanted not in server.formats:
            words = f"response_format '{wanted}' is not compatible with model '{model}'. Use 'json' instead."
            raise Refused(400, words, "unsupported_value", "response_format")
        if language and not (re.fullmatch("[a-z]{2,3}", language) or (language == "auto" and server.takes_auto)):
            raise Refused(
                400, f"Invalid language '{language}'. Language parameter must be ISO-639-1.", param="language"
            )
        if "prompt" in fields and not server.takes_prompt:
            raise Refused(400, "property 'prompt' is unsupported")
        if "temperature" in fields and not server.takes_temperature:
            raise Refused(400, "property 'temperature' is unsupported")
        if len(pcm) < server.shortest_ms * 32:
            words = f"Audio file is too short. Minimum audio length is {server.shortest_ms / 1000} seconds."
            raise Refused(400, words, "audio_too_short", "file")

    def _told(self, fields: dict[str, str], said: list[Said]) -> web.Response:
        """In the shape of this server."""
        server = self.server
        wrong_language = not fields.get("language") and server.default_language
        if wrong_language and any(each.language != wrong_language for each in said):
            said = [Said("I cannot understand a word.", language=str(wrong_language))]
        text = "".join(each.text for each in said)
        wanted = fields.get("response_format", "json") if server.obeys_format else "json"
        if wanted == "text":
            body = json.dumps(text, ensure_ascii=False) if server.text_as_json else f"{text}\n"
            return web.Response(text=body, content_type="application/json" if server.text_as_json else server.text_type)
        if wanted == "json":
            return web.json_response({"text": text, "usage": {"type": "duration", "seconds": 1}})
        language = said[0].language if said else "zh"
        told: dict[str, Any] = {
            "task": "transcribe",
            "language": LANGUAGE_NAMES[language] if server.language_names else language,
            "duration": "1.0" if server.name == "vLLM" else 1.0,
            "text": text,
        }
        if server.segments:
            told["segments"] = [_segment(number, each, server.confidences) for number, each in enumerate(said)]
        return web.json_response(told)

    def _refusal(self, refused: Refused) -> web.Response:
        errors = self.server.errors
        bodies: dict[Errors, Any] = {
            "openai": {"error": {"message": refused.words, "type": "invalid_request_error", "param": refused.param,
                                 "code": refused.code or None}},
            "detail": {"detail": [{"loc": ["body", refused.param], "msg": refused.words, "type": "value_error"}]
                       if refused.status == 422 else refused.words},
            "error string": {"error": refused.words},
            "vllm": {"error": {"message": refused.words, "type": "BadRequestError", "param": None,
                               "code": refused.status}},
            "siliconflow": {"code": 20012, "message": refused.words, "data": None},
        }  # fmt: skip
        return web.json_response(bodies[errors], status=refused.status)


def _segment(number: int, said: Said, confidences: bool) -> dict[str, Any]:
    segment: dict[str, Any] = {"id": number, "start": 0.0, "end": 1.0, "text": said.text}
    if confidences:
        segment |= {
            "seek": 0,
            "tokens": [50364],
            "temperature": 0.0,
            "avg_logprob": said.avg_logprob,
            "compression_ratio": said.compression_ratio,
            "no_speech_prob": said.no_speech_prob,
        }
    return segment


async def _read_form(request: web.Request) -> tuple[dict[str, str], bytes]:
    """The text fields and the pcm; everything must be as forms are."""
    if request.content_type != "multipart/form-data":
        raise Refused(415, "Expected multipart/form-data")
    fields: dict[str, str] = {}
    pcm: bytes | None = None
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        name = part.name or ""
        content = bytes(await part.read(decode=False))
        if name == "file":
            if not part.filename or not re.fullmatch(r"[\w-]+\.wav", part.filename):
                raise Refused(400, "Unrecognized file format")
            if pcm is not None or not part.headers.get("Content-Type", "").startswith("audio/"):
                raise Refused(400, "no 'file' field in the request")
            pcm = _pcm_of(content)
        elif name in fields or not name:
            raise Refused(400, f"field {name!r} comes twice")
        else:
            fields[name] = content.decode()
    if pcm is None:
        raise Refused(400, "no 'file' field in the request")
    return fields, pcm


def _pcm_of(content: bytes) -> bytes:
    """Of a WAV file whose header is right in every size: 16 kHz, 16 bit, mono."""
    broken = Refused(400, "failed to read audio data")
    if len(content) < 44:
        raise broken
    riff, size, wave, fmt, fmt_size, kind, channels, rate, second, block, bits, data, length = struct.unpack_from(
        "<4sI4s4sIHHIIHH4sI", content
    )
    if (riff, wave, fmt, data) != (b"RIFF", b"WAVE", b"fmt ", b"data") or (size, length) != (
        len(content) - 8,
        len(content) - 44,
    ):
        raise broken
    if (fmt_size, kind, channels, rate, second, block, bits) != (16, 1, 1, 16000, 32000, 2, 16):
        raise broken
    return content[44:]


async def _go_wrong(
    request: web.Request, fault: Fault, refuse: Callable[[Refused], web.Response]
) -> web.StreamResponse:
    kind = fault.kind
    if fault.status:
        if fault.body is not None:
            return web.Response(
                status=fault.status, body=fault.body, content_type=fault.content_type, headers=fault.headers
            )
        response = refuse(Refused(fault.status, fault.words))
        response.headers.update(fault.headers)
        return response
    if kind == "silent":
        await anyio.sleep_forever()
    assert request.transport is not None
    if kind == "drop":
        request.transport.abort()
    if kind in ("silent_after_headers", "drop_in_body", "end_early", "endless"):
        return await _tell_in_part(request, kind)
    bodies: dict[str, tuple[bytes, str]] = {
        "garbage": (b'{"text": "\x00', "application/json"),
        "empty": (b"", "application/json"),
        "bad_utf8": (b'{"text": "\xff\xfe"}', "application/json"),
        "page": (b"<!DOCTYPE html><html><body>Sign in</body></html>", "text/html"),
        "no_text": (b'{"result": 1}', "application/json"),
        "error_in_200": (json.dumps({"error": {"message": fault.words}}).encode(), "application/json"),
        "raw": (fault.body or b"", fault.content_type),
        "drop": (b"", "text/plain"),
    }
    if kind == "redirect":
        return web.Response(status=307, headers={"Location": "/elsewhere"})
    body, content_type = bodies[kind]
    return web.Response(body=body, content_type=content_type)


async def _tell_in_part(request: web.Request, kind: FaultKind) -> web.StreamResponse:
    assert request.transport is not None
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if kind != "endless":
        response.content_length = 100
    await response.prepare(request)
    await response.write(b'{"text": "')
    if kind == "silent_after_headers":
        await anyio.sleep_forever()
    if kind == "endless":
        with anyio.move_on_after(20):
            while not request.transport.is_closing():
                await response.write(b"x" * 65536)
    request.transport.abort() if kind == "drop_in_body" else request.transport.close()
    return response


@asynccontextmanager
async def serve_transcription(
    server: Server = OPENAI, *, key: str = KEY, port: int = 0
) -> AsyncIterator[TranscriptionSimulator]:
    """A server on 127.0.0.1; `endpoint` is what `endpoints.openai_asr` wants."""
    simulator = TranscriptionSimulator(server, key)

    runner = web.AppRunner(
        simulator.make_app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1, handle_signals=False
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        simulator.web = runner.server
        simulator.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield simulator
    finally:
        simulator.hang_up()
        await runner.cleanup()


async def _serve_a_person(name: str, port: int) -> None:
    server = next(each for each in SERVERS if each.name == name)
    async with serve_transcription(server, port=port) as simulator:
        print(f"endpoints.openai_asr: {simulator.endpoint}   OPENAI_API_KEY={KEY}", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.openai_transcription", description=__doc__)
    parser.add_argument("--server", default="whisper-1", choices=[each.name for each in SERVERS])
    parser.add_argument("--port", type=int, default=8606)
    arguments = parser.parse_args()
    anyio.run(_serve_a_person, arguments.server, arguments.port)
