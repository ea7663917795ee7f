"""HTTP requests in, the answers of GPT-SoVITS's `api_v2.py` out: a strict stand-in on loopback.

Written from the protocol page alone, sections 1 to 6. `python -m tests.simulators.gpt_sovits` serves a person without
an engine: it speaks in tones, and knows the recordings of RECORDINGS.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from aiohttp import web

from tests.simulators.speech_server import CALL, SpeechSimulator, hang_up, running, said, tone, wav_header
from tests.simulators.speech_server import Manner as Pacing

RATE_HZ = 32_000
LANGUAGES = set("auto en zh ja all_zh all_ja auto_yue yue ko all_yue all_ko".split())
RECORDINGS = {"calm.wav", "sad.wav", "anon.wav"}
KINDS = {
    "text": str, "text_lang": str, "ref_audio_path": str, "aux_ref_audio_paths": list, "prompt_text": str,
    "prompt_lang": str, "top_k": int, "top_p": (int, float), "temperature": (int, float), "text_split_method": str,
    "batch_size": int, "speed_factor": (int, float), "fragment_interval": (int, float), "seed": int,
    "media_type": str, "streaming_mode": (bool, int, str),
}  # fmt: skip


@dataclass
class Manner(Pacing):
    """`older`: before 2025-11-28, when `streaming_mode` was a bool."""

    older: bool = False
    broken: str = ""  # what inference fails with: "silence", in the server's own way


class GptSovitsSimulator(SpeechSimulator):
    """`overlapped`: a request came while another was spoken, which a real server does not survive."""

    sound_path = "tts"

    def __init__(self, manner: Manner) -> None:
        super().__init__(manner)
        self.manner = manner
        self.overlapped = False
        self._speaking = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/tts", self.tts), web.get("/docs", self.docs)]

    async def docs(self, _: web.Request) -> web.Response:
        return web.Response(text="<html></html>", content_type="text/html")

    async def tts(self, request: web.Request) -> web.StreamResponse:
        body = request[CALL].body
        if refusal := self.judge(body):
            return refusal
        self.overlapped = self.overlapped or self._speaking > 0
        self._speaking += 1
        try:
            return await self.answer(request, body)
        finally:
            self._speaking -= 1

    async def answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        streamed = body.get("streaming_mode", False) not in (False, 0)
        if body["ref_audio_path"] not in RECORDINGS:
            if not streamed:
                told = f"{body['ref_audio_path']} not exists"
                return said({"message": "tts failed", "Exception": told}, status=400)
            return await self.break_off(request, b"")
        if self.manner.broken:
            second = bytes(32_000)
            if streamed:
                return await self.break_off(request, wav_header(0, 16_000, "zero") + second)
            return await self.speak(request, second, 16_000)
        about = [body["text"], body["ref_audio_path"], body["prompt_text"], body["text_lang"]]
        pcm = tone(about, 0.06 * len(body["text"]) / body.get("speed_factor", 1.0), RATE_HZ)
        pcm += bytes(2 * int(RATE_HZ * body.get("fragment_interval", 0.3)))
        header = wav_header(len(pcm), RATE_HZ, "zero" if streamed else "true")
        return await self.speak(request, pcm, RATE_HZ, header=header)

    async def break_off(self, request: web.Request, sent: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "audio/wav"})
        await response.prepare(request)
        if sent:
            await response.write(sent)
        await hang_up(request)
        return response

    def judge(self, body: Any) -> web.Response | None:
        if not isinstance(body, dict):
            return invalid("", "model_attributes_type")
        for name, value in body.items():
            kind: Any = KINDS.get(name, object)
            if value is None or not isinstance(value, kind):
                return invalid(name, "string_type")
        if self.manner.older and body.get("streaming_mode", False) not in (False, True, 0, 1):
            return invalid("streaming_mode", "bool_parsing")
        return next(map(refuse, complaints(body)), None)


def complaints(body: dict[str, Any]) -> list[str]:
    """In the server's own order."""
    found = [
        f"{name} is required" for name in ("ref_audio_path", "text", "text_lang", "prompt_lang") if not body.get(name)
    ]
    found += [
        f"{name}: {body[name]} is not supported in version v2"
        for name in ("text_lang", "prompt_lang")
        if body.get(name) and body[name] not in LANGUAGES
    ]
    if body.get("media_type", "wav") not in ("wav", "raw", "ogg", "aac"):
        found.append(f"media_type: {body['media_type']} is not supported")
    if body.get("text_split_method", "cut5") not in {f"cut{number}" for number in range(6)}:
        found.append(f"text_split_method:{body['text_split_method']} is not supported")
    if body.get("streaming_mode", False) not in (False, True, 0, 1, 2, 3):
        found.append("the value of streaming_mode must be 0, 1, 2, 3(int) or true/false(bool)")
    return found


def refuse(message: str) -> web.Response:
    return said({"message": message}, status=400)


def invalid(name: str, kind: str) -> web.Response:
    detail = [{"type": kind, "loc": ["body", name], "msg": "Input should be valid", "input": None}]
    return said({"detail": detail}, status=422)


@asynccontextmanager
async def simulate_gpt_sovits(manner: Manner | None = None, *, port: int = 0) -> AsyncIterator[GptSovitsSimulator]:
    """A running server on 127.0.0.1."""
    async with running(GptSovitsSimulator(manner or Manner()), "", port) as simulator:
        yield simulator


async def _serve(arguments: argparse.Namespace) -> None:
    manner = Manner(first_audio_s=arguments.first_audio_ms / 1000, pace=4)
    async with simulate_gpt_sovits(manner, port=arguments.port) as simulator:
        print(
            f"GPT-SoVITS simulator: endpoints.gpt_sovits {simulator.url}, {', '.join(sorted(RECORDINGS))}", flush=True
        )
        await anyio.sleep_forever()


def main() -> None:
    """The simulator by itself, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.gpt_sovits", description=main.__doc__)
    parser.add_argument("--port", type=int, default=9880)
    parser.add_argument("--first-audio-ms", type=float, default=300)
    try:
        anyio.run(_serve, parser.parse_args())
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
