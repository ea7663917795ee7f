"""HTTP requests in, VOICEVOX ENGINE's answers out, or AivisSpeech's: a strict stand-in on loopback.

Written from the protocol page alone. `python -m tests.simulators.voicevox` serves a person without an engine: it speaks
in tones, of just the length that the page's six rules give.
"""

import argparse
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np
from aiohttp import web

from tests.simulators.speech_server import CALL, SpeechSimulator, running, said, tone
from tests.simulators.speech_server import Manner as Pacing

RATE_HZ = 24_000
FRAME = 256
VOWELS = "aiueo"
CONSONANTS = "kstnhmr"
REQUIRED = {
    "accent_phrases": list, "speedScale": (int, float), "pitchScale": (int, float), "intonationScale": (int, float),
    "volumeScale": (int, float), "prePhonemeLength": (int, float), "postPhonemeLength": (int, float),
    "outputSamplingRate": int, "outputStereo": bool,
}  # fmt: skip
MORA = {"text", "consonant", "consonant_length", "vowel", "vowel_length", "pitch"}
SPEAKERS = {
    "ずんだもん": {"ノーマル": 3, "あまあま": 1, "ツンツン": 7, "なみだめ": 76},
    "春日部つむぎ": {"ノーマル": 8},
    "雨晴はう": {"ノーマル": 10},
}
AIVIS_SPEAKERS = {"Anneli": {"ノーマル": 888753760, "Happy": -5, "Sad": 888753764}}


@dataclass
class Manner(Pacing):
    """`aivis`: the engine that tells no lengths, and wants its query back as it came."""

    aivis: bool = False
    tells_name: bool = True  # an engine manifest, which the oldest have not


class VoicevoxSimulator(SpeechSimulator):
    """`calls` of `synthesis` have what was sent; `loaded` are the styles that were initialised."""

    sound_path = "synthesis"

    def __init__(self, manner: Manner) -> None:
        super().__init__(manner)
        self.manner = manner
        self.speakers = AIVIS_SPEAKERS if manner.aivis else SPEAKERS
        self.rate_hz = 44_100 if manner.aivis else RATE_HZ
        self.loaded: set[int] = set()
        self._core = anyio.Lock()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/audio_query", self.audio_query),
            web.post("/synthesis", self.synthesis),
            web.get("/speakers", self.list_speakers),
            web.get("/engine_manifest", self.manifest),
            web.get("/version", self.version),
            web.get("/is_initialized_speaker", self.is_loaded),
            web.post("/initialize_speaker", self.load),
        ]

    async def audio_query(self, request: web.Request) -> web.Response:
        text = request.query.get("text")
        if text is None:
            return missing("query", "text")
        if refusal := self.judge_style(request):
            return refusal
        silent, lengths = not text.strip(), not self.manner.aivis
        return said(
            {
                "accent_phrases": [] if silent else list(phrases_of(text, timed=lengths)),
                "speedScale": 1.0, "pitchScale": 0.0, "intonationScale": 1.0, "volumeScale": 1.0,
                "prePhonemeLength": 0.1, "postPhonemeLength": 0.1, "pauseLength": None, "pauseLengthScale": 1.0,
                "outputSamplingRate": self.rate_hz, "outputStereo": False,
                "kana": text if self.manner.aivis else f"ダ'{len(text)}", "tempoDynamicsScale": 1.0,
            }
        )  # fmt: skip

    async def synthesis(self, request: web.Request) -> web.StreamResponse:
        body = request[CALL].body
        if refusal := self.judge_style(request) or self.judge_query(request, body):
            return refusal
        if body["speedScale"] == 0:
            return said({"detail": "Internal Server Error"}, status=500)
        style = request.query["speaker"]
        async with self._core:  # one after the other; what is rendered is not called off
            seconds = 0.06 * len(body["kana"]) if self.manner.aivis else frames_of(body) * FRAME / RATE_HZ
            pcm = bytearray(tone([style, body["pitchScale"], body["accent_phrases"]], seconds, self.rate_hz))
            if self.manner.aivis:  # silence around it
                pcm[:0], pcm[len(pcm) :] = bytes(2 * self.rate_hz // 5), bytes(2 * self.rate_hz // 5)
            return await self.speak(request, bytes(pcm), self.rate_hz)

    async def list_speakers(self, _: web.Request) -> web.Response:
        return said(
            [
                {
                    "name": name,
                    "speaker_uuid": f"uuid-of-{at}",
                    "styles": [
                        {"name": "歌", "id": 3000 + at, "type": "frame_decode"},
                        *({"name": style, "id": number, "type": "talk"} for style, number in styles.items()),
                    ],
                    "version": "0.16.0",
                    "supported_features": {"permitted_synthesis_morphing": "ALL"},
                }
                for at, (name, styles) in enumerate(self.speakers.items())
            ]
        )

    async def manifest(self, _: web.Request) -> web.Response:
        if not self.manner.tells_name:
            return said({"detail": "Not Found"}, status=404)
        brand = "AivisSpeech" if self.manner.aivis else "VOICEVOX"
        return said({"name": f"{brand} Engine", "brand_name": brand, "frame_rate": 93.75})

    async def version(self, _: web.Request) -> web.Response:
        return said("0.25.0")

    async def is_loaded(self, request: web.Request) -> web.Response:
        return self.judge_style(request) or said(int(request.query["speaker"]) in self.loaded)

    async def load(self, request: web.Request) -> web.Response:
        if refusal := self.judge_style(request):
            return refusal
        self.loaded.add(int(request.query["speaker"]))
        self.changed()
        return web.Response(status=204)

    def judge_style(self, request: web.Request) -> web.Response | None:
        given = request.query.get("speaker")
        if given is None:
            return missing("query", "speaker")
        try:
            number = int(given)
        except ValueError:
            return missing("query", "speaker", "int_parsing")
        if 3000 <= number < 3000 + len(self.speakers):
            told = "指定されたスタイルはこの機能をサポートしていません。"
            return said({"message": told}, status=422)
        if number not in {each for styles in self.speakers.values() for each in styles.values()}:
            return said({"message": "指定されたスタイルが見つかりませんでした。"}, status=422)
        return None

    def judge_query(self, request: web.Request, body: Any) -> web.Response | None:
        if request.content_type != "application/json" or not isinstance(body, dict):
            return missing("body", "", "model_attributes_type")
        for name, kind in REQUIRED.items():
            if not isinstance(body.get(name), kind):  # type: ignore[arg-type]
                return missing("body", name)
        for phrase in body["accent_phrases"]:
            for mora in (*phrase["moras"], *filter(None, [phrase.get("pause_mora")])):
                if not {"text", "vowel", "vowel_length", "pitch"} <= set(mora) or not set(mora) <= MORA:
                    return missing("body", "moras")
        if self.manner.aivis and not body.get("kana"):
            return said({"detail": "flat"}, status=422)  # it would sound flat: strict here
        return None


def missing(where: str, name: str, kind: str = "missing") -> web.Response:
    detail = [{"type": kind, "loc": [where, name], "msg": "Field required", "input": None}]
    return said({"detail": detail}, status=422)


def phrases_of(text: str, *, timed: bool) -> Iterator[dict[str, Any]]:
    """An accent phrase for every five signs, and a pause at each comma."""
    moras: list[dict[str, Any]] = []
    text = text.rstrip("。！ ")
    for at, sign in enumerate(text):
        pause = sign in "、，,。！!…"
        if pause or sign in "？?":
            if moras:
                yield phrase_of(moras, pause=pause, asked=sign in "？?", timed=timed)
            moras = []
            continue
        moras.append(mora_of(sign, timed=timed))
        if len(moras) == 5 and text[at + 1 : at + 2] not in tuple("、，,。！!…？?"):
            yield phrase_of(moras, pause=False, asked=False, timed=timed)
            moras = []
    if moras:
        yield phrase_of(moras, pause=False, asked=False, timed=timed)


def phrase_of(moras: list[dict[str, Any]], *, pause: bool, asked: bool, timed: bool) -> dict[str, Any]:
    mora = {"text": "、", "consonant": None, "consonant_length": None, "vowel": "pau", "pitch": 0.0}
    return {
        "moras": moras,
        "accent": 1,
        "pause_mora": {**mora, "vowel_length": 0.31 if timed else 0.0} if pause else None,
        "is_interrogative": asked,
    }


def mora_of(sign: str, *, timed: bool) -> dict[str, Any]:
    number = ord(sign)
    return {
        "text": sign,
        "consonant": CONSONANTS[number % 7],
        "consonant_length": (0.04 + number % 5 / 100) if timed else 0.0,
        "vowel": VOWELS[number % 5],
        "vowel_length": (0.08 + number % 7 / 100) if timed else 0.0,
        "pitch": 5.5 if timed else 0.0,
    }


def frames_of(query: dict[str, Any]) -> int:
    """How long a query is rendered (page, section 2)."""
    lengths: list[float] = [query["prePhonemeLength"]]
    for phrase in query["accent_phrases"]:
        for mora in phrase["moras"]:
            lengths += [mora["consonant_length"] or 0.0, mora["vowel_length"]]
        if phrase["is_interrogative"] and phrase["moras"][-1]["pitch"] > 0:
            lengths.append(0.15)
        if phrase["pause_mora"]:
            fixed = query.get("pauseLength")
            pause = phrase["pause_mora"]["vowel_length"] if fixed is None else fixed
            lengths.append(pause * query.get("pauseLengthScale", 1.0))
    lengths.append(query["postPhonemeLength"])
    return int(sum(np.rint(np.array(lengths) / query["speedScale"] * 93.75)))


@asynccontextmanager
async def simulate_voicevox(manner: Manner | None = None, *, port: int = 0) -> AsyncIterator[VoicevoxSimulator]:
    """A running engine on 127.0.0.1."""
    async with running(VoicevoxSimulator(manner or Manner()), "", port) as simulator:
        yield simulator


async def _serve(arguments: argparse.Namespace) -> None:
    manner = Manner(aivis=arguments.aivis, first_audio_s=arguments.first_audio_ms / 1000)
    async with simulate_voicevox(manner, port=arguments.port) as simulator:
        print(f"VOICEVOX simulator: endpoints.voicevox {simulator.url}", flush=True)
        await anyio.sleep_forever()


def main() -> None:
    """The simulator by itself, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.voicevox", description=main.__doc__)
    parser.add_argument("--port", type=int, default=50021)
    parser.add_argument("--aivis", action="store_true")
    parser.add_argument("--first-audio-ms", type=float, default=150)
    try:
        anyio.run(_serve, parser.parse_args())
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
