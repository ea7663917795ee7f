"""HTTP requests in, the answers of Style-Bert-VITS2's `server_fastapi.py` out: a strict stand-in on loopback.

Written from the protocol page alone, section 8. `python -m tests.simulators.style_bert_vits2` serves a person without
an engine: it speaks in tones.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from aiohttp import web

from tests.simulators.speech_server import Manner as Pacing
from tests.simulators.speech_server import SpeechSimulator, running, said, tone

RATE_HZ = 44_100
LIMIT = 100
MODELS = {
    "jvnv-F1-jp": ["Neutral", "Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise"],
    "anon": ["Neutral", "元気"],
}
AROUND_S = 0.2  # of faint noise, before and after what is said


@dataclass
class Manner(Pacing):
    """As all of them."""


class StyleBertVits2Simulator(SpeechSimulator):
    """Bodies are ignored, as there; everything stands in the query."""

    sound_path = "voice"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/voice", self.voice),
            web.get("/voice", self.voice),
            web.get("/models/info", self.models),
        ]

    async def models(self, _: web.Request) -> web.Response:
        return said(
            {
                str(at): {
                    "config_path": f"model_assets/{name}/config.json",
                    "model_path": f"model_assets/{name}/{name}.safetensors",
                    "device": "cpu",
                    "spk2id": {name: 0},
                    "id2spk": {"0": name},
                    "style2id": {style: number for number, style in enumerate(styles)},
                }
                for at, (name, styles) in enumerate(MODELS.items())
            }
        )

    async def voice(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        if refusal := judge(dict(query)):
            return refusal
        model = query.get("model_name") or list(MODELS)[int(query.get("model_id", "0"))]
        style = [query.get("style", "Neutral"), query.get("style_weight", "1.0")]
        seconds = 0.06 * len(query["text"]) * float(query.get("length", "1.0"))
        faint = bytes((1, 0, 255, 255)) * int(AROUND_S * RATE_HZ / 2)
        return await self.speak(request, faint + tone([query["text"], model, style], seconds, RATE_HZ) + faint, RATE_HZ)


def judge(query: dict[str, str]) -> web.Response | None:
    text = query.get("text")
    if text is None:
        return invalid("missing", "text")
    if not 1 <= len(text) <= LIMIT:
        return invalid("string_too_long", "text")
    for name in ("style_weight", "length", "sdp_ratio", "noise", "noisew", "split_interval"):
        try:
            float(query.get(name, "1"))
        except ValueError:
            return invalid("float_parsing", name)
    if query.get("language", "JP") not in ("JP", "EN", "ZH"):
        return invalid("enum", "language")
    model = query.get("model_name", next(iter(MODELS)))
    if model not in MODELS:
        return invalid("invalid_params", "model_name")
    if query.get("speaker_name", model) != model or query.get("speaker_id", "0") != "0":
        return invalid("invalid_params", "speaker_name")
    if query.get("style", "Neutral") not in MODELS[model]:
        return invalid("invalid_params", "style")
    return None


def invalid(kind: str, name: str) -> web.Response:
    detail = [{"type": kind, "msg": f"{name}=... not found", "loc": ["query", name]}]
    return said({"detail": detail}, status=422)


@asynccontextmanager
async def simulate_style_bert_vits2(
    manner: Manner | None = None, *, port: int = 0
) -> AsyncIterator[StyleBertVits2Simulator]:
    """A running server on 127.0.0.1."""
    async with running(StyleBertVits2Simulator(manner or Manner()), "", port) as simulator:
        yield simulator


async def _serve(arguments: argparse.Namespace) -> None:
    async with simulate_style_bert_vits2(
        Manner(first_audio_s=arguments.first_audio_ms / 1000), port=arguments.port
    ) as simulator:
        print(f"Style-Bert-VITS2 simulator: endpoints.style_bert_vits2 {simulator.url}", flush=True)
        await anyio.sleep_forever()


def main() -> None:
    """The simulator by itself, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.style_bert_vits2", description=main.__doc__)
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--first-audio-ms", type=float, default=200)
    try:
        anyio.run(_serve, parser.parse_args())
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
