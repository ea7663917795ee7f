"""VOICEVOX and AivisSpeech: whose style speaks and who is credited, parts without seams, and the times of morae."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from services.base import Emotion, SpokenPcm, Voice
from services.engine_voices import PerEmotion
from services.vendors.voicevox.voice import VoicevoxStyle, VoicevoxVoice
from tests.services.http_speech.asked_voices import LONG, SHORT, VOICEVOX, fail, hear, pieces_of
from tests.simulators.speech_server import Fault
from tests.simulators.voicevox import FRAME, RATE_HZ, Manner, VoicevoxSimulator

pytestmark = pytest.mark.anyio

ZUNDAMON = VoicevoxVoice("ずんだもん", emotions=PerEmotion(happy="あまあま", angry=8, sad=VoicevoxStyle(76, speed=0.8)))


def styles(simulator: VoicevoxSimulator) -> list[str]:
    return [call.query["speaker"] for call in simulator.spoken]


@pytest.mark.parametrize(
    ("voice", "emotion", "style"),
    [
        (VoicevoxVoice(), "auto", 3),  # the first that talks
        (VoicevoxVoice(8), "auto", 8),
        (VoicevoxVoice(8), "happy", 8),  # whose speaker has no style of such a name
        (VoicevoxVoice(3), "sad", 76),  # なみだめ
        (VoicevoxVoice(3), "angry", 7),  # ツンツン
        (VoicevoxVoice(3), "disgusted", 3),
        (VoicevoxVoice("春日部つむぎ"), "sad", 8),
        (VoicevoxVoice("ずんだもん", style="ツンツン"), "calm", 7),
        (VoicevoxVoice(3, style="あまあま"), "calm", 1),
        (ZUNDAMON, "happy", 1),
        (ZUNDAMON, "angry", 8),
        (ZUNDAMON, "sad", 76),
        (VoicevoxVoice(8, emotions=PerEmotion(sad=VoicevoxStyle(style="ノーマル"))), "sad", 8),
        (VoicevoxVoice(8, emotions=PerEmotion(sad=VoicevoxStyle(speaker="雨晴はう"))), "sad", 10),
        (VoicevoxVoice(8, emotions=PerEmotion(sad=VoicevoxStyle(speed=0.9))), "sad", 8),
    ],
)
async def test_the_style_is_the_characters_own_or_its_speakers_of_that_name(
    voice: VoicevoxVoice, emotion: Emotion, style: int
) -> None:
    async with VOICEVOX.running() as (simulator, tts), tts.open_synthesis(Voice(options=voice)) as synthesis:
        await hear(synthesis, SHORT, emotion)
        assert styles(simulator) == [str(style)]


async def test_speed_pitch_volume_and_intonation_go_into_the_query_and_the_rest_goes_back_as_it_came() -> None:
    voice = VoicevoxVoice(
        3, speed=1.2, pitch=-1.2, volume=0.7, intonation=1.5, emotions=PerEmotion(sad=VoicevoxStyle(speed=0.8, pitch=3))
    )
    async with VOICEVOX.running() as (simulator, tts), tts.open_synthesis(Voice(options=voice)) as synthesis:
        await hear(synthesis, SHORT)
        await hear(synthesis, SHORT, "sad")
        for call, speed, pitch in zip(simulator.spoken, (1.2, 0.8), (-0.1, 0.25), strict=True):
            body = call.body
            assert (body["speedScale"], body["volumeScale"], body["intonationScale"]) == (speed, 0.7, 1.5)
            assert body["pitchScale"] == pytest.approx(pitch) and body["tempoDynamicsScale"] == 1.0 and body["kana"]


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        LONG,
        "ほんとうに？",
        "え、あのね、きのうのことなんだけど、すこしはなしてもいいかな？もちろん、いまじゃなくてもいいよ。",
    ],
)
async def test_parts_have_one_query_and_no_seam_and_morae_have_their_times(text: str) -> None:
    async with VOICEVOX.running() as (simulator, tts), tts.open_synthesis(Voice(options=VoicevoxVoice(3))) as synthesis:
        pieces = await pieces_of(synthesis, text)
        queries = [call for call in simulator.calls if call.path == "audio_query"]
        bodies = [call.body for call in simulator.spoken]
        assert len(queries) == 1 and b"".join(pieces) == simulator.pcm
    phrases = [phrase for body in bodies for phrase in body["accent_phrases"]]
    assert [phrase["pause_mora"] is not None for phrase in phrases] and len(bodies) == len(pieces)
    assert [body["prePhonemeLength"] for body in bodies[1:]] == [0.0] * (len(bodies) - 1)
    assert [body["postPhonemeLength"] for body in bodies[:-1]] == [0.0] * (len(bodies) - 1)
    for piece, body in zip(pieces, bodies, strict=True):
        assert isinstance(piece, SpokenPcm)
        morae = piece.morae
        ends = round((body["postPhonemeLength"] / body["speedScale"]) * 93.75) * FRAME / RATE_HZ
        assert morae[-1].end_ms == pytest.approx((len(piece) / 2 / RATE_HZ - ends) * 1000, abs=1)
        assert all(a.end_ms == b.start_ms and a.start_ms <= a.vowel_ms <= a.end_ms for a, b in pairwise(morae))
        written = [mora["vowel"] for phrase in body["accent_phrases"] for mora in phrase["moras"]]
        added = sum(phrase["is_interrogative"] for phrase in body["accent_phrases"])
        assert len([mora for mora in morae if mora.vowel != "pau"]) == len(written) + added


async def test_times_of_morae_hold_at_another_rate() -> None:
    """Resampling holds a little back from part to part; in the whole, a part begins where its sound does."""
    async with VOICEVOX.running(sample_rate_hz=16_000) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        pieces = [piece for piece in await pieces_of(synthesis, LONG) if isinstance(piece, SpokenPcm)]
        assert len(pieces) == len(simulator.spoken) > 1
        heard_s, sent_s = 0.0, 0.0
        for piece, call in zip(pieces, simulator.spoken, strict=True):
            silent_s = round(call.body["prePhonemeLength"] * 93.75) * FRAME / RATE_HZ
            assert heard_s + piece.morae[0].start_ms / 1000 == pytest.approx(sent_s + silent_s, abs=0.002)
            heard_s += len(piece) / 2 / 16_000
            sent_s += len(call.sent) / 2 / RATE_HZ


async def test_a_question_rises_in_an_added_mora() -> None:
    async with VOICEVOX.running() as (_, tts), tts.open_synthesis(Voice()) as synthesis:
        (asked,) = await pieces_of(synthesis, "ほんと？")
        (said,) = await pieces_of(synthesis, "ほんと。")
        assert isinstance(asked, SpokenPcm) and isinstance(said, SpokenPcm)
        assert len(asked.morae) == len(said.morae) + 1 and asked.morae[-1].consonant == ""


async def test_an_engine_that_tells_no_lengths_gets_a_query_for_each_part() -> None:
    async with VOICEVOX.running(Manner(aivis=True), sample_rate_hz=44_100) as (simulator, tts):
        async with tts.open_synthesis(Voice(options=VoicevoxVoice("Anneli"))) as synthesis:
            pieces = await pieces_of(synthesis, LONG, "happy")
        assert styles(simulator) == ["-5"] * len(pieces) and len(pieces) > 1
        kanas = [call.body["kana"] for call in simulator.spoken]
        assert "".join(kanas) == LONG
        joined = np.frombuffer(b"".join(pieces), "<i2")
        quiet = np.flatnonzero(np.abs(joined) < 2)
        runs = [len(run) for run in np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1)]
        assert max(runs) / 44_100 < 0.25  # the engine's own silence around each part was 0.2 s on both sides


@pytest.mark.parametrize(
    ("manner", "credits"),
    [
        (Manner(), ("VOICEVOX:春日部つむぎ", "VOICEVOX:ずんだもん")),
        (Manner(tells_name=False), ("VOICEVOX:春日部つむぎ", "VOICEVOX:ずんだもん")),
    ],
)
async def test_whoever_is_heard_is_credited(manner: Manner, credits: tuple[str, ...]) -> None:
    voices = {"anon": Voice(options=ZUNDAMON), "rin": Voice(options=VoicevoxVoice("nobody"))}
    with capture_logs() as logs:
        async with VOICEVOX.running(manner, voices=voices) as (_, tts):
            async with tts.open_synthesis(voices["anon"]) as synthesis:
                await hear(synthesis, SHORT)
            assert set(tts.credits) == set(credits)
    (log,) = logs
    assert log["event"].startswith("rin: voices.voicevox: it has no speaker 'nobody'; it has ずんだもん, ")


async def test_aivis_is_credited_by_its_own_name() -> None:
    async with VOICEVOX.running(Manner(aivis=True), voices={"anon": Voice()}) as (_, tts):
        async with tts.open_synthesis(Voice()) as synthesis:
            await hear(synthesis, SHORT)
        assert tts.credits == ("AivisSpeech:Anneli",)


async def test_a_voice_is_loaded_while_somebody_still_speaks_once() -> None:
    voice = Voice(options=VoicevoxVoice(8))
    async with VOICEVOX.running() as (simulator, tts):
        tts.prepare(voice)
        await simulator.until(lambda: simulator.loaded == {8})
        tts.prepare(voice)
        async with tts.open_synthesis(voice) as synthesis:
            await hear(synthesis, SHORT)
        assert len([call for call in simulator.calls if call.path == "initialize_speaker"]) == 1


async def test_the_voices_of_all_characters_are_loaded_at_the_start() -> None:
    voices = {"anon": Voice(options=VoicevoxVoice(8)), "rin": Voice(options=ZUNDAMON)}
    async with VOICEVOX.running(voices=voices) as (simulator, _):
        await simulator.until(lambda: simulator.loaded == {3, 8})


@pytest.mark.parametrize(
    "voice",
    [
        VoicevoxVoice(4711),
        VoicevoxVoice(3001),  # a singer
        VoicevoxVoice("nobody"),
        VoicevoxVoice("ずんだもん", style="none"),
        VoicevoxVoice(3, style="none"),
        VoicevoxVoice(4711, style="ノーマル"),
    ],
    ids=str,
)
async def test_a_voice_the_engine_has_not_is_the_operators_to_mend(voice: VoicevoxVoice) -> None:
    with capture_logs() as logs:
        async with VOICEVOX.running() as (_, tts), tts.open_synthesis(Voice(options=voice)) as synthesis:
            for _ in range(2):
                error, _ = await fail(synthesis, SHORT)
                assert "voices.voicevox" in str(error) and not error.retryable and not error.one_sentence
    assert [(log["event"], log["code"]) for log in logs] == [("voice_refused", "voice")]


PHRASE: dict[str, Any] = {"moras": [{"vowel": "a", "vowel_length": "long", "pitch": 1}], "accent": 1}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'{"accent_phrases":null}', json.dumps({"accent_phrases": [PHRASE]}).encode()],
)
async def test_a_query_that_is_none_is_an_error_and_no_defect(body: bytes) -> None:
    async with VOICEVOX.running() as (simulator, tts):
        async with tts.open_synthesis(Voice(options=VoicevoxVoice(8))) as synthesis:
            simulator.faults.append(Fault("audio_query", status=200, body=body))
            error, _ = await fail(synthesis, SHORT)
            assert "endpoints.voicevox" in str(error)
            assert await hear(synthesis, SHORT)


async def test_an_engine_that_starts_later_is_asked_for_its_speakers_then() -> None:
    async with VOICEVOX.running() as (simulator, tts):
        simulator.faults.append(Fault("speakers", status=500, times=9))
        async with tts.open_synthesis(Voice()) as synthesis:
            error, _ = await fail(synthesis, SHORT)
            assert error.retryable
            simulator.faults.clear()
            assert await hear(synthesis, SHORT)
