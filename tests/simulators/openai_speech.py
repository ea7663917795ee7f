"""HTTP requests in, the answers of `/v1/audio/speech` out, as OpenAI and those who speak its protocol give them.

Written from the protocol page alone, part B. `python -m tests.simulators.openai_speech` serves a person without a
server: it speaks in tones.
"""

import argparse
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import anyio
from aiohttp import web

from tests.simulators.speech_server import CALL, Sizes, SpeechSimulator, running, said, tone, wav_header
from tests.simulators.speech_server import Manner as Pacing

RATE_HZ = 24_000
KEY = "simulated-key"
MODEL = "gpt-4o-mini-tts"
VOICES = set("alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar".split())
FORMATS = set("mp3 opus aac flac wav pcm".split())
KNOWN = {"model", "input", "voice", "instructions", "response_format", "speed", "stream_format"}  # of OpenAI

Flavour = Literal["openai", "kokoro", "localai", "orpheus", "vllm_omni", "speaches", "mute_about_it"]


@dataclass
class Manner(Pacing):
    """`flavour`: whose server it is (page, B2)."""

    flavour: Flavour = "openai"
    rate_hz: int = RATE_HZ
    refused: frozenset[str] = frozenset()  # fields, beside those that the flavour does not know


class OpenAISpeechSimulator(SpeechSimulator):
    """`key`: None where none is wanted."""

    sound_path = "audio/speech"

    def __init__(self, manner: Manner, key: str | None) -> None:
        super().__init__(manner)
        self.manner = manner
        self.key = key

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/audio/speech", self.speech)]

    async def speech(self, request: web.Request) -> web.StreamResponse:
        body = request[CALL].body
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return self.refuse(401, "Incorrect API key provided: sim***", None, "invalid_api_key")
        if refusal := self.judge(body):
            return refusal
        about = [body["input"], body["voice"], body.get("instructions", "")]
        pcm = tone(about, 0.06 * len(body["input"]) / body.get("speed", 1.0), self.manner.rate_hz)
        return await self.answer(request, body, pcm)

    async def answer(self, request: web.Request, body: dict[str, Any], pcm: bytes) -> web.StreamResponse:
        wanted, flavour, rate_hz = body.get("response_format", "mp3"), self.manner.flavour, self.manner.rate_hz
        if flavour == "vllm_omni" and body.get("stream") and body.get("stream_format") != "audio":
            return await self.events(request, pcm)
        if body.get("stream_format") == "sse":
            return await self.events(request, pcm)
        if flavour == "orpheus" or (flavour == "localai" and (wanted == "pcm" or body.get("stream"))):
            wanted = "wav"
        if wanted == "pcm":
            kind = f"audio/pcm;rate={rate_hz}" if flavour == "speaches" else "audio/pcm"
            return await self.speak(request, pcm, rate_hz, kind=kind, header=b"")
        if wanted == "wav":
            sizes: Sizes = "true" if flavour == "orpheus" else "minus one"
            return await self.speak(request, pcm, rate_hz, header=wav_header(len(pcm), rate_hz, sizes))
        return web.Response(body=b"ID3\x04\0\0" + bytes(500), content_type="audio/mpeg")

    async def events(self, request: web.Request, pcm: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in (
            {"type": "speech.audio.delta", "audio": base64.b64encode(pcm).decode()},
            {"type": "speech.audio.done", "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}},
        ):
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        return response

    def judge(self, body: Any) -> web.Response | None:
        if not isinstance(body, dict):
            return self.refuse(400, "We could not parse the JSON body of your request.")
        for name in ("model", "input", "voice"):
            if not isinstance(body.get(name), str) or not body[name]:
                return self.refuse(400, f"Missing required parameter: '{name}'.", name)
        unknown = [name for name in body if name in self.manner.refused]
        if self.manner.flavour == "openai":
            unknown += [name for name in body if name not in KNOWN]
        if unknown and self.manner.flavour == "mute_about_it":
            return said({"detail": "Bad Request"}, status=400)
        if unknown:
            return self.refuse(400, f"Unknown parameter: '{unknown[0]}'.", unknown[0], "unknown_parameter")
        return self.judge_values(body)

    def judge_values(self, body: dict[str, Any]) -> web.Response | None:
        if body["model"] != MODEL:
            return self.refuse(404, f"The model `{body['model']}` does not exist.", None, "model_not_found")
        if len(body["input"]) > 4096:
            return self.refuse(400, "Invalid 'input': string too long.", "input")
        if body["voice"] not in VOICES:
            if self.manner.flavour == "kokoro":
                told = f"Voice '{body['voice']}' not found. Available voices: af_bella, jf_alpha"
                return said({"detail": {"error": "validation_error", "message": told}}, status=400)
            return self.refuse(400, f"Invalid value: '{body['voice']}'.", "voice", "invalid_value")
        if body.get("response_format", "mp3") not in FORMATS - self.manner.refused:
            return self.refuse(400, "Invalid value for response_format.", "response_format")
        if not 0.25 <= body.get("speed", 1.0) <= 4:
            return self.refuse(400, "Invalid value for speed.", "speed")
        return None

    def refuse(self, status: int, message: str, param: str | None = None, code: str | None = None) -> web.Response:
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        return said({"error": error}, status=status)


@asynccontextmanager
async def simulate_openai_speech(
    manner: Manner | None = None, *, key: str | None = None, port: int = 0
) -> AsyncIterator[OpenAISpeechSimulator]:
    """A running server on 127.0.0.1."""
    async with running(OpenAISpeechSimulator(manner or Manner(), key), "/v1", port) as simulator:
        yield simulator


async def _serve(arguments: argparse.Namespace) -> None:
    manner = Manner(flavour=arguments.flavour, first_audio_s=arguments.first_audio_ms / 1000, pace=4)
    async with simulate_openai_speech(manner, key=arguments.key, port=arguments.port) as simulator:
        print(f"speech simulator: endpoints.openai_tts {simulator.url}, models.openai_tts {MODEL}", flush=True)
        await anyio.sleep_forever()


def main() -> None:
    """The simulator by itself, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.openai_speech", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8880)
    parser.add_argument("--key", help="the one key that is right (default: none is wanted)")
    parser.add_argument("--flavour", default="openai", help="openai, kokoro, localai, orpheus, vllm_omni or speaches")
    parser.add_argument("--first-audio-ms", type=float, default=150)
    try:
        anyio.run(_serve, parser.parse_args())
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
