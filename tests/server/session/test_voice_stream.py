"""Mode 3 of the specification: speech in chunks in, exactly its messages out, all of it heard; and what is refused."""

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr

from tests.protocol_client import Wire, kinds
from tests.server.voice import (
    BATCH,
    LANGUAGES,
    REPLY_CN,
    REPLY_KINDS,
    STREAM,
    Guest,
    b64,
    check_specified,
    cloud_server,
    cut,
    errors,
    finals,
    framed,
    served,
    visit,
    words,
)
from tests.simulated_cloud import CloudServer
from tests.simulators.ark import Behaviour
from tests.simulators.bytedance import Fault
from tests.speech import SPEECH_DB, chunks, mix, noise, silence

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("stream")) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud) as guest:
        yield guest


# --- what the specification promises


@pytest.mark.parametrize("language", LANGUAGES)
def test_mode_3_is_exactly_as_specified(guest: Guest, language: str) -> None:
    guest.asr.hear = lambda _: "早上好"
    messages = guest.stream(chunks(framed(words(language))))
    check_specified(messages)
    assert kinds(messages) == STREAM
    assert messages[0] == {"type": "audio_stream_started", "message": "Streaming ASR session started"}
    assert finals(messages) == ["早上好"]
    guest.client.ping()  # nothing came after
    assert guest.kept() == [("user", "早上好", False), ("assistant", REPLY_CN, False)]


def test_partial_transcriptions_arrive_while_audio_is_still_coming_in(guest: Guest) -> None:
    guest.client.send("audio_stream_start")
    guest.push(chunks(words("en")))
    messages = guest.client.until("transcription")
    assert kinds(messages) == STREAM[:2] and messages[-1]["is_partial"]
    guest.push([silence(0.1)])
    guest.client.send("audio_stream_end")
    messages += guest.client.until("response")
    assert kinds(messages) == STREAM
    check_specified(messages)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", [10, 20, 100, None], ids=["10 ms", "20 ms", "100 ms", "uneven"])
def test_every_sample_of_a_stream_reaches_the_recogniser(guest: Guest, language: str, size: int | None) -> None:
    pcm = mix(noise(2.0, SPEECH_DB - 25, color="pink"), framed(words(language), 0.3, 0.2))
    assert kinds(guest.stream(cut(pcm, size))) == STREAM
    (call,) = guest.asr.calls
    assert bytes(call.audio) == pcm and call.service == "bigmodel_async"


def test_one_stream_after_the_other_works_on_one_connection(guest: Guest) -> None:
    spoken = [framed(words(language), 0.2, 0.2) for language in (*LANGUAGES, "zh")]
    for pcm in spoken:
        assert kinds(guest.stream(chunks(pcm, 50))) == STREAM
    assert [bytes(call.audio) for call in guest.asr.calls] == spoken


def test_streams_sent_without_waiting_for_the_answers_are_answered_in_order(guest: Guest) -> None:
    spoken = [framed(words(language), 0.2, 0.2) for language in LANGUAGES]
    for pcm in spoken:
        guest.client.send("audio_stream_start")
        guest.push(chunks(pcm))
        guest.client.send("audio_stream_end")
    for _ in spoken:
        assert kinds(guest.client.until("response")) == STREAM
    assert [bytes(call.audio) for call in guest.asr.calls] == spoken


def test_all_modes_work_one_after_the_other_on_one_connection(guest: Guest) -> None:
    for _ in range(2):
        assert kinds(guest.stream(chunks(framed(words())))) == STREAM
        guest.start_agent()
        assert finals(guest.speak(chunks(framed(words()))))
        guest.client.send("agent_mode_stop")
        assert kinds(guest.clip(words())) == BATCH
        assert kinds(guest.client.turn("你好")) == REPLY_KINDS
    for call in guest.asr.calls:
        assert words() in bytes(call.audio)
    assert len(guest.asr.calls) == 6


# --- as fast as it comes, or later


@pytest.mark.parametrize(("seconds", "size"), [(16, 20), (60, 250), (16, 2000)])
def test_audio_pushed_as_fast_as_it_can_loses_nothing(guest: Guest, seconds: int, size: int) -> None:
    """The vendor takes it at twice the speed of speech, and until it has, the server reads no further."""
    speech = b"".join(itertools.islice(itertools.cycle([words("zh"), silence(0.4), words("en"), silence(0.3)]), 200))
    speech = speech[: seconds * 32000]
    assert kinds(guest.stream(chunks(speech, size))) == STREAM
    assert bytes(guest.asr.calls[-1].audio) == speech


def test_recording_sent_faster_than_it_was_spoken_is_held_back_and_not_refused(
    cloud: CloudServer, tmp_path: Path
) -> None:
    with (
        served(cloud.vendors, tmp_path, CHATANON_LIMITS__AUDIO_CHUNKS_PER_SECOND="60") as server,
        visit(server) as guest,
    ):
        pcm = (words("zh") + silence(0.4)) * 9
        assert len(pcm) > 14 * 32000  # in 20 ms chunks many more than may come at once
        assert kinds(guest.stream(chunks(pcm, 20))) == STREAM
        assert bytes(guest.asr.calls[-1].audio) == pcm


def test_a_stream_started_while_a_turn_runs_waits_and_its_chunks_are_kept(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))
    guest.client.send("message", content="你好")
    assert guest.client.receive()["type"] == "thinking"
    pcm = framed(words("ja"))
    assert kinds(guest.stream(chunks(pcm))) == REPLY_KINDS[1:]  # of the turn before
    assert kinds(guest.client.until("response")) == STREAM
    assert bytes(guest.asr.calls[-1].audio) == pcm


def test_a_stream_that_waits_may_have_more_than_the_buffer_holds(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))
    guest.client.send("message", content="你好")
    pcm = b"".join([words("en"), silence(0.5)] * 6) + silence(2)  # the buffer holds 10 s
    assert len(pcm) > 11 * 32000
    assert kinds(guest.stream(chunks(pcm))) == REPLY_KINDS
    assert kinds(guest.client.until("response")) == STREAM
    assert bytes(guest.asr.calls[-1].audio) == pcm


def test_no_more_is_read_ahead_of_the_recogniser_than_the_buffer_holds(cloud: CloudServer, tmp_path: Path) -> None:
    haste = {"CHATANON_TIMEOUTS__VENDOR_CONNECT": "1", "CHATANON_TIMEOUTS__ASR_FINAL": "2"}
    with served(cloud.vendors, tmp_path, **haste) as server, visit(server) as guest:
        guest.asr.faults = [Fault("handshake", stall=True, times=math.inf)]
        guest.client.send("audio_stream_start")
        for _ in range(45):
            guest.push([silence(1)])
            guest.client.send("ping")
        messages = guest.client.until("error")
        assert errors(messages) == ["asr_timeout"]
        guest.client.send("audio_stream_end")
        seconds = [message["type"] for message in messages].count("pong")
        while [message["type"] for message in guest.client.said].count("pong") < 45:
            guest.client.receive()
        assert 9 <= seconds <= 12


def test_a_stream_where_too_much_waits_already_is_busy_and_opens_nothing(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))
    for _ in range(9):
        guest.client.send("message", content="你好")
    guest.client.send("audio_stream_start")
    messages = guest.client.until("error")
    assert errors(messages) == ["busy"] and messages[-1]["retryable"] is True
    guest.push([words()])
    guest.client.send("audio_stream_end")
    for _ in range(9):
        messages += guest.client.until("response")
    assert errors(messages) == ["busy"]  # all that belongs to what was refused is dropped without another word
    assert "audio_stream_started" not in kinds(messages) and guest.asr.calls == []


# --- wrong states, each naming what is expected


def wrong_state(guest: Guest, *expected: str) -> Wire:
    """The refusal, which names these messages."""
    error = guest.client.receive()
    assert set(error) == {"type", "message", "code", "retryable"}
    assert (error["type"], error["code"], error["retryable"]) == ("error", "wrong_state", False), error
    assert all(name in error["message"] for name in expected), error["message"]
    return error


def test_a_chunk_or_an_end_without_its_start_is_wrong_state(guest: Guest) -> None:
    for _ in range(2):
        guest.push([words()])
        wrong_state(guest, "audio_stream_start", "agent_mode_start")
        guest.push([words()], "agent_audio_chunk")
        wrong_state(guest, "audio_stream_start", "agent_mode_start")
        guest.client.send("audio_stream_end")
        wrong_state(guest, "audio_stream_start")
        guest.client.send("agent_mode_stop")
        wrong_state(guest, "agent_mode_start")
    guest.client.ping()
    assert guest.asr.calls == [] and guest.kept() == []


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "audio_stream_start"},
        {"kind": "agent_mode_start"},
        {"kind": "voice_call_start"},
        {"kind": "message", "content": "你好"},
        {"kind": "audio_message", "audio_base64": b64(bytes(320))},
        {"kind": "switch_character", "character_name": "anon"},
        {"kind": "clear_history"},
        {"kind": "agent_audio_chunk", "audio_base64": b64(bytes(320))},
        {"kind": "agent_mode_stop"},
    ],
    ids=lambda message: message["kind"],
)
def test_another_message_in_a_stream_is_wrong_state_and_the_stream_goes_on(
    guest: Guest, message: dict[str, str]
) -> None:
    pcm = framed(words())
    guest.client.send("audio_stream_start")
    assert guest.client.receive()["type"] == "audio_stream_started"
    guest.push(chunks(pcm)[:4])
    guest.client.send(**message)
    told = guest.client.until("error")[-1]
    assert told["code"] == "wrong_state"
    guest.push(chunks(pcm)[4:])
    guest.client.send("audio_stream_end")
    assert kinds(guest.client.until("response")) == STREAM[1:]
    assert bytes(guest.asr.calls[-1].audio) == pcm
    assert "audio_stream_chunk" in told["message"] and "audio_stream_end" in told["message"]


def test_a_ping_in_a_stream_is_answered(guest: Guest) -> None:
    guest.client.send("audio_stream_start")
    assert guest.client.receive()["type"] == "audio_stream_started"
    guest.client.ping()
    guest.push(chunks(framed(words())))
    guest.client.send("audio_stream_end")
    assert kinds(guest.client.until("response")) == STREAM[1:]


def test_chunks_after_the_end_get_one_wrong_state_and_not_one_each(guest: Guest) -> None:
    guest.client.send("audio_stream_start")
    guest.push(chunks(framed(words())))
    guest.client.send("audio_stream_end")
    guest.push(chunks(words()))
    messages = guest.client.until("response")
    assert errors(messages) == ["wrong_state"]
    guest.push(chunks(words()))  # nor after the turn
    guest.client.ping()
    assert kinds(guest.stream(chunks(framed(words())))) == STREAM
    guest.push([words()])  # another stream, another one
    assert errors([guest.client.receive()]) == ["wrong_state"]


# --- bad chunks: refused one by one, and the stream goes on with the good ones

BAD_CHUNKS = {
    "base64 wrong": ("not base64!", "base64"),
    "odd": (b64(bytes(321)), "odd number of bytes"),
    "empty": ("", "no audio"),
    "too big": (b64(bytes(65538)), "65536"),
    "WAV": (b64(b"RIFF\x00\x01\x00\x00WAVEfmt " + bytes(100)), "WAV"),
    "MP3": (b64((b"\xff\xfb\x90\x00" + bytes(413)) * 4), "MP3"),
    "Ogg": (b64(b"OggS\x00\x02" + bytes(40)), "Ogg"),
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_a_bad_chunk_is_bad_audio_that_says_why_and_the_stream_goes_on(guest: Guest, name: str) -> None:
    bad, why = BAD_CHUNKS[name]
    pcm = framed(words())
    guest.client.send("audio_stream_start")
    guest.push(chunks(pcm)[:7])
    guest.client.send("audio_stream_chunk", audio_base64=bad)
    messages = guest.client.until("error")
    guest.push(chunks(pcm)[7:])
    guest.client.send("audio_stream_end")
    messages += guest.client.until("response")
    (error,) = [message for message in messages if message["type"] == "error"]
    assert (error["code"], error["retryable"]) == ("bad_audio", False) and why in error["message"]
    assert bytes(guest.asr.calls[-1].audio) == pcm


def test_a_stream_with_no_audio_in_it_is_no_speech(guest: Guest) -> None:
    messages = guest.stream([])
    assert kinds(messages) == ["audio_stream_started", "error"] and errors(messages) == ["no_speech"]
    assert "No audio came" in messages[-1]["message"]
    assert guest.kept() == [] and guest.ark.requests == []


@pytest.mark.parametrize("sound", ["silence", "noise"])
def test_a_stream_without_speech_is_no_speech_and_no_model_is_paid(guest: Guest, sound: str) -> None:
    guest.asr.hear = lambda _: ""
    pcm = silence(1.0) if sound == "silence" else noise(1.0, -35.0, color="pink")
    messages = guest.stream(chunks(pcm))
    assert kinds(messages) == ["audio_stream_started", "error"] and errors(messages) == ["no_speech"]
    assert guest.kept() == [] and guest.ark.requests == []


# --- limits


def test_a_stream_over_the_limit_is_audio_too_long_and_closed(cloud: CloudServer, tmp_path: Path) -> None:
    limit = {"CHATANON_LIMITS__MAX_AUDIO_SECONDS__STREAM": "3"}
    with served(cloud.vendors, tmp_path, **limit) as server, visit(server) as guest:
        exactly = words() + silence(3)[len(words()) :]
        assert kinds(guest.stream(chunks(exactly))) == STREAM  # as long as may be
        guest.client.send("audio_stream_start")
        guest.push([*chunks(exactly), *[bytes(320)] * 5])
        messages = guest.client.until("error")
        assert errors(messages) == ["audio_too_long"] and "3 seconds" in messages[-1]["message"]
        assert not finals(messages)
        guest.client.send("audio_stream_end")
        guest.client.ping()
        guest.wait_unheard()
        assert len(guest.kept()) == 2
        assert kinds(guest.stream(chunks(framed(words())))) == STREAM


def test_too_many_chunks_a_second_are_rate_limited_and_closed_where_it_goes_on(
    cloud: CloudServer, tmp_path: Path
) -> None:
    limits = {"CHATANON_LIMITS__AUDIO_CHUNKS_PER_SECOND": "1", "CHATANON_LIMITS__AUDIO_CHUNKS_BURST": "20"}
    with served(cloud.vendors, tmp_path, **limits) as server, visit(server) as guest:
        assert kinds(guest.stream(chunks(words(), 250))) == STREAM
        guest.client.send("audio_stream_start")
        guest.push([bytes(640)] * 60)
        code, messages = guest.client.closed()
        refusals = [message for message in messages if message["type"] == "error"]
        assert code == 4003 and len(refusals) > 20
        for refusal in refusals:
            assert (refusal["code"], refusal["retryable"]) == ("rate_limited", True) and refusal["retry_after_ms"] > 0
        guest.client.close()


@pytest.mark.parametrize("begun", [False, True], ids=["from its start", "after some"])
def test_a_stream_without_audio_for_15_seconds_is_stream_timeout(guest: Guest, begun: bool) -> None:
    guest.client.send("audio_stream_start")
    guest.push(chunks(words()) if begun else [])
    messages = guest.client.until("error")
    assert errors(messages) == ["stream_timeout"] and not finals(messages)
    guest.wait_unheard()
    guest.push(chunks(words()))
    guest.client.send("audio_stream_end")
    guest.client.ping()
    assert guest.kept() == []
    assert kinds(guest.stream(chunks(framed(words())))) == STREAM


@pytest.mark.parametrize(("configured", "rate_hz"), [(48_000, 48_000), (16_000, 48_000), (48_000, 8_000)])
def test_a_client_may_send_at_its_own_rate(cloud: CloudServer, tmp_path: Path, configured: int, rate_hz: int) -> None:
    """As it says in `connect`, and without that as the operator says of all."""
    rate = {"CHATANON_AUDIO__ASR_SAMPLE_RATE": str(configured)}
    hello = {} if rate_hz == configured else {"audio_sample_rate": rate_hz}
    spoken = framed(words("en"))
    narrow = (
        np.frombuffer(spoken, "<i2")
        if rate_hz > 16_000
        else soxr.resample(soxr.resample(np.frombuffer(spoken, "<i2"), 16_000, rate_hz), rate_hz, 16_000)
    )
    spoken = narrow.tobytes()
    wide = soxr.resample(narrow, 16_000, rate_hz).tobytes()
    with served(cloud.vendors, tmp_path, **rate) as server, visit(server, **hello) as guest:
        assert kinds(guest.stream(cut(wide, None))) == STREAM
        guest.start_agent()
        assert finals(guest.speak(chunks(wide, 20)))
        guest.client.send("agent_mode_stop")
        assert kinds(guest.clip(wide)) == BATCH
        streamed, hands_free, clip = (np.frombuffer(bytes(call.audio), "<i2") for call in guest.asr.calls)
        wanted = np.frombuffer(spoken, "<i2").astype(float)
        for heard in (streamed, clip):
            assert abs(len(heard) - len(wanted)) <= 2
            length = min(len(heard), len(wanted))
            assert np.abs(heard[:length] - wanted[:length]).max() < 0.02 * np.abs(wanted).max()
        inside = wanted[8000:-16000]
        places = np.correlate(hands_free.astype(float), inside, "valid")
        found = hands_free[(at := int(places.argmax())) : at + len(inside)]
        assert np.abs(found - inside).max() < 0.02 * np.abs(wanted).max()
