"""Style-Bert-VITS2: what stands in the address, which style an emotion has, and the joints between parts."""

from urllib.parse import unquote

import numpy as np
import pytest
from structlog.testing import capture_logs

from services.base import Emotion, Voice
from services.engine_voices import PerEmotion
from services.vendors.style_bert_vits2.voice import StyleBertVits2Style, StyleBertVits2Voice
from tests.services.http_speech.asked_voices import LONG, SHORT, STYLE_BERT_VITS2, fail, hear
from tests.simulators.style_bert_vits2 import LIMIT, RATE_HZ

pytestmark = pytest.mark.anyio

OWN = StyleBertVits2Voice(
    "anon", style_weight=2, speed=1.25, emotions=PerEmotion(happy="元気", sad=StyleBertVits2Style(style_weight=5))
)


@pytest.mark.parametrize(
    ("voice", "emotion", "asked"),
    [
        (StyleBertVits2Voice(), "auto", {"style": "Neutral", "style_weight": "1", "length": "1", "language": "JP"}),
        (StyleBertVits2Voice(), "happy", {"style": "Happy"}),
        (StyleBertVits2Voice("jvnv-F1-jp"), "fearful", {"style": "Fear", "model_name": "jvnv-F1-jp"}),
        (StyleBertVits2Voice("anon"), "fearful", {"style": "Neutral"}),  # it has none of such a name
        (StyleBertVits2Voice(speaker=0), "calm", {"style": "Neutral", "speaker_id": "0"}),
        (StyleBertVits2Voice("anon", speaker="anon"), "calm", {"speaker_name": "anon"}),
        (OWN, "auto", {"style": "Neutral", "style_weight": "2", "length": "0.8"}),
        (OWN, "happy", {"style": "元気", "style_weight": "2"}),
        (OWN, "sad", {"style": "Neutral", "style_weight": "5"}),
    ],
)
async def test_the_style_is_the_characters_own_or_its_models_of_that_name(
    voice: StyleBertVits2Voice, emotion: Emotion, asked: dict[str, str]
) -> None:
    async with STYLE_BERT_VITS2.running() as (simulator, tts):
        async with tts.open_synthesis(Voice(options=voice)) as synthesis:
            assert await hear(synthesis, SHORT, emotion)
        (call,) = simulator.spoken
        assert {name: call.query.get(name) for name in asked} == asked
        assert call.query["text"] == SHORT and unquote(call.query["text"]) == SHORT


@pytest.mark.parametrize("text", [LONG, "あ" * 290, "あいうえお、" * 48, "一行目\n二行目"])
async def test_no_part_is_longer_than_the_server_takes(text: str) -> None:
    async with STYLE_BERT_VITS2.running() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, text)
        parts = [call.query["text"] for call in simulator.spoken]
        assert max(map(len, parts)) <= LIMIT and "".join(parts) == " ".join(text.split())


async def test_the_pause_between_parts_is_a_breath_and_no_more() -> None:
    async with STYLE_BERT_VITS2.running() as (_, tts), tts.open_synthesis(Voice()) as synthesis:
        samples = np.abs(np.frombuffer(await hear(synthesis, LONG), "<i2"))
    quiet = np.flatnonzero(samples < 64)
    runs = [len(run) / RATE_HZ for run in np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1)]
    between = [run for run in runs if run > 0.01][1:-1]
    assert between and all(0.1 < run < 0.3 for run in between)


@pytest.mark.parametrize(
    "voice",
    [StyleBertVits2Voice("nobody"), StyleBertVits2Voice(style="none"), StyleBertVits2Voice(speaker="nobody")],
    ids=str,
)
async def test_a_voice_the_server_has_not_is_the_operators_to_mend(voice: StyleBertVits2Voice) -> None:
    with capture_logs() as logs:
        async with STYLE_BERT_VITS2.running() as (_, tts), tts.open_synthesis(Voice(options=voice)) as synthesis:
            for _ in range(2):
                error, _ = await fail(synthesis, SHORT)
                assert "voices.style_bert_vits2" in str(error) and not error.retryable and not error.one_sentence
    assert [(log["event"], log["code"]) for log in logs] == [("voice_refused", "voice")]


async def test_a_model_the_server_has_not_is_told_of_at_the_start() -> None:
    with capture_logs() as logs:
        voices = {"anon": Voice(options=StyleBertVits2Voice("nobody"))}
        async with STYLE_BERT_VITS2.running(voices=voices) as (_, tts):
            async with tts.open_synthesis(Voice()) as synthesis:
                await hear(synthesis, SHORT, "happy")  # which asks for the list, too
    assert [log["event"] for log in logs] == [
        "anon: voices.style_bert_vits2: the server has no model 'nobody'; it has jvnv-F1-jp, anon"
    ]
