"""Mode 2 of the specification: recordings of real speech in, exactly its messages out; and what is none."""

import io
import wave
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr

from tests.protocol_client import kinds
from tests.server.voice import (
    BATCH,
    LANGUAGES,
    REPLY_CN,
    REPLY_KINDS,
    Guest,
    b64,
    check_specified,
    cloud_server,
    errors,
    finals,
    framed,
    served,
    visit,
    words,
)
from tests.simulated_cloud import CloudServer, until
from tests.simulators.ark import Behaviour
from tests.simulators.bytedance import Fault
from tests.speech import SPEECH_DB, mix, noise, silence, wav

pytestmark = pytest.mark.slow

LONGEST_S = 5


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(
        tmp_path_factory.mktemp("batch"), CHATANON_LIMITS__MAX_AUDIO_SECONDS__BATCH=str(LONGEST_S)
    ) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud) as guest:
        yield guest


# --- what the specification promises


@pytest.mark.parametrize("language", LANGUAGES)
def test_mode_2_is_exactly_as_specified(guest: Guest, language: str) -> None:
    guest.asr.hear = lambda _: "早上好"
    messages = guest.clip(framed(words(language)))
    check_specified(messages)
    assert kinds(messages) == BATCH
    assert messages[0] == {"type": "thinking", "message": "Processing..."}
    assert finals(messages) == ["早上好"]
    assert messages[-1]["content_cn"] == REPLY_CN
    guest.client.ping()  # nothing came after
    assert guest.kept() == [("user", "早上好", False), ("assistant", REPLY_CN, False)]
    assert guest.ark.requests[-1]["messages"][-1]["content"].endswith("早上好")


def test_every_sample_of_a_clip_reaches_the_vendors_endpoint_for_whole_clips(guest: Guest) -> None:
    clips = [
        words("zh"),
        framed(words("ja"), 0.3, 0.3),
        mix(noise(3.0, SPEECH_DB - 20, color="pink"), framed(words("en"), 0.7, 0.2)),
        framed(words("zh"), 0.25, 0)[:-14],  # no whole frame, no whole packet
    ]
    for clip in clips:
        assert kinds(guest.clip(clip)) == BATCH
    assert [bytes(call.audio) for call in guest.asr.calls] == clips
    assert {call.service for call in guest.asr.calls} == {"bigmodel_nostream"}


def test_the_vendor_is_told_the_characters_names_and_what_was_said_before(guest: Guest) -> None:
    guest.asr.hear = lambda _: "我今天去看了演出"
    for _ in range(2):
        guest.clip(words())
    first, second = (call.context for call in guest.asr.calls)
    assert "千早爱音" in [each["word"] for each in first["hotwords"]] and "context_data" not in first
    assert [each["text"] for each in second["context_data"]] == [REPLY_CN, "我今天去看了演出"]


def test_clips_are_answered_in_order_and_their_turns_are_never_mixed(guest: Guest) -> None:
    guest.asr.hear = deque(["一", "二", "三"])
    for language in LANGUAGES:
        guest.client.send("audio_message", audio_base64=b64(words(language)))
    for text in ["一", "二", "三"]:
        messages = guest.client.until("response", "error")
        assert kinds(messages) == BATCH and finals(messages) == [text]
    assert [bytes(call.audio) for call in guest.asr.calls] == [words(language) for language in LANGUAGES]


# --- WAV containers


def wav_of(pcm: bytes, rate_hz: int, channels: int, width: int) -> bytes:
    """The same sound at another rate, the same on all channels."""
    mono = soxr.resample(np.frombuffer(pcm, "<i2").astype(np.float64) / 32768, 16_000, rate_hz)
    samples = np.repeat(mono, channels)
    match width:
        case 1:
            data = np.round(samples * 127 + 128).astype(np.uint8).tobytes()
        case 2:
            data = np.round(samples * 32767).astype("<i2").tobytes()
        case 3:
            data = np.round(samples * (2**23 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        case _:
            data = np.round(samples * (2**31 - 1)).astype("<i4").tobytes()
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(data)
    return made.getvalue()


def likeness(heard: bytes, spoken: bytes) -> float:
    """The correlation of two sounds of about the same length."""
    a, b = (np.frombuffer(pcm, "<i2").astype(np.float64) for pcm in (heard, spoken))
    length = min(len(a), len(b))
    return float(np.corrcoef(a[:length], b[:length])[0, 1])


def test_a_wav_file_as_the_vendor_wants_it_loses_nothing(guest: Guest) -> None:
    clip = framed(words("zh"), 0.2, 0.2)
    assert kinds(guest.clip(wav(clip))) == BATCH
    assert bytes(guest.asr.calls[-1].audio) == clip


@pytest.mark.parametrize(
    ("rate_hz", "channels", "width"),
    [(8_000, 1, 2), (44_100, 2, 2), (48_000, 1, 3), (22_050, 2, 1), (11_025, 1, 4), (96_000, 6, 2)],
)
def test_a_wav_file_of_another_rate_is_converted(guest: Guest, rate_hz: int, channels: int, width: int) -> None:
    spoken = words("en")
    messages = guest.clip(wav_of(spoken, rate_hz, channels, width))
    assert kinds(messages) == BATCH
    heard = bytes(guest.asr.calls[-1].audio)
    assert abs(len(heard) - len(spoken)) <= 4
    assert likeness(heard, spoken) > (0.9 if rate_hz < 16_000 or width == 1 else 0.999)


def test_a_wav_file_whose_writer_did_not_know_its_length_is_heard_whole(guest: Guest) -> None:
    spoken = words("ja")
    file = bytearray(wav(spoken))
    file[4:8] = file[40:44] = bytes(4)
    assert kinds(guest.clip(bytes(file))) == BATCH
    assert bytes(guest.asr.calls[-1].audio) == spoken


# --- what is no recording: told what came, connection and history untouched, no vendor asked


def refused(guest: Guest, data: bytes | str, code: str) -> str:
    """The message of the refusal, which is all that happens."""
    guest.client.send("audio_message", audio_base64=data if isinstance(data, str) else b64(data))
    error = guest.client.receive()
    assert set(error) == {"type", "message", "code", "retryable"}
    assert (error["type"], error["code"], error["retryable"]) == ("error", code, False), error
    guest.client.ping()
    assert guest.kept() == [] and guest.asr.calls == []
    message: str = error["message"]
    return message


@pytest.mark.parametrize(
    "text",
    ["!!!!", "YWJjZ", "YWJjZA=", "YW=Jj", "data:audio/wav,YWJj", "音"],
    ids=["signs", "a digit too many", "half a padding", "padding within", "a data URL of another kind", "not ascii"],
)
def test_base64_that_is_wrong_is_bad_audio(guest: Guest, text: str) -> None:
    assert "base64" in refused(guest, text, "bad_audio")


@pytest.mark.parametrize("field", [None, 17, ["AAAA"]])
def test_audio_that_is_no_text_is_a_bad_message_that_names_the_field(guest: Guest, field: object) -> None:
    guest.client.send("audio_message", **({} if field is None else {"audio_base64": field}))
    error = guest.client.receive()
    assert error["code"] == "bad_message" and "audio_base64" in error["message"]
    assert guest.kept() == []


def test_an_odd_number_of_bytes_is_bad_audio(guest: Guest) -> None:
    message = refused(guest, words()[:-1], "bad_audio")
    assert "odd number of bytes" in message and "16000 Hz" in message


def test_no_bytes_are_bad_audio(guest: Guest) -> None:
    assert "no audio" in refused(guest, "", "bad_audio")


MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(413)
OTHER_FORMATS = {
    "MP3": MP3_FRAME * 4,
    "MP3 with a title": b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(20) + MP3_FRAME,
    "Ogg": b"OggS\x00\x02" + bytes(40),
    "FLAC": b"fLaC\x00\x00\x00\x22" + bytes(40),
    "WebM": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm" + bytes(40),
    "M4A": b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00" + bytes(40),
    "AMR": b"#!AMR\n" + bytes(40),
    "AIFF": b"FORM\x00\x00\x00\x40AIFF" + bytes(40),
    "big-endian WAV": b"RIFX\x00\x00\x00\x40WAVE" + bytes(40),
}


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_another_format_is_bad_audio_that_says_what_came_and_what_is_wanted(guest: Guest, name: str) -> None:
    message = refused(guest, OTHER_FORMATS[name], "bad_audio")
    assert name.removesuffix(" with a title") in message
    assert "s16le" in message and "WAV" in message and "16000 Hz" in message


def broken_wavs() -> dict[str, tuple[bytes, str]]:
    """Files, and what must be said of them."""
    whole = bytearray(wav(words()))
    compressed, no_channels, slow = bytearray(whole), bytearray(whole), bytearray(whole)
    compressed[20:22] = (7).to_bytes(2, "little")
    no_channels[22:24] = bytes(2)
    slow[24:28] = (4000).to_bytes(4, "little")
    return {
        "mu-law": (bytes(compressed), "mu-law"),
        "no channels": (bytes(no_channels), "0 channels"),
        "4 kHz": (bytes(slow), "4000 Hz"),
        "no samples": (bytes(whole[:44]), "no samples"),
        "header only": (bytes(whole[:36]), "without samples"),
        "cut in its header": (bytes(whole[:20]), "broken header"),
    }


@pytest.mark.parametrize("name", ["mu-law", "no channels", "4 kHz", "no samples", "header only", "cut in its header"])
def test_a_wav_file_that_cannot_be_read_is_bad_audio_that_says_why(guest: Guest, name: str) -> None:
    file, why = broken_wavs()[name]
    message = refused(guest, file, "bad_audio")
    assert "WAV file" in message and why in message


def test_a_clip_over_the_limit_is_audio_too_long_that_says_how_long_it_may_be(guest: Guest) -> None:
    for clip in (silence(LONGEST_S) + bytes(2), wav_of(silence(LONGEST_S + 0.1), 8_000, 1, 2)):
        message = refused(guest, clip, "audio_too_long")
        assert f"at most {LONGEST_S} " in message


def test_a_clip_as_long_as_the_limit_is_heard(guest: Guest) -> None:
    pcm = words()
    clip = pcm + silence(LONGEST_S)[len(pcm) :]
    assert kinds(guest.clip(clip)) == BATCH
    assert bytes(guest.asr.calls[-1].audio) == clip


def test_a_clip_of_a_minute_is_heard_whole_as_the_server_ships(cloud: CloudServer, tmp_path: Path) -> None:
    minute = (framed(words("zh"), 0.2, 0.9) * 60)[: 60 * 32000]
    with served(cloud.vendors, tmp_path) as server, visit(server) as guest:
        assert kinds(guest.clip(minute)) == BATCH
        assert bytes(guest.asr.calls[-1].audio) == minute


# --- only silence or noise


@pytest.mark.parametrize("sound", ["silence", "noise"])
def test_a_clip_without_speech_is_no_speech_and_no_model_is_paid(guest: Guest, sound: str) -> None:
    guest.asr.hear = lambda _: ""
    clip = silence(1.5) if sound == "silence" else noise(1.5, -35.0, color="pink")
    messages = guest.clip(clip)
    assert kinds(messages) == ["thinking", "error"] and errors(messages) == ["no_speech"]
    assert messages[-1]["retryable"] is True
    assert guest.kept() == [] and guest.ark.requests == []


# --- beside other messages


def test_more_clips_than_may_wait_are_busy_and_those_before_are_answered(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))  # the first turn is being thought about
    guest.client.send("message", content="你好")
    assert guest.client.receive()["type"] == "thinking"
    for _ in range(9):
        guest.client.send("audio_message", audio_base64=b64(words()))
    messages = guest.client.until("error")
    assert errors(messages) == ["busy"] and messages[-1]["retryable"] is True
    for _ in range(9):
        messages += guest.client.until("response")
    assert errors(messages) == ["busy"] and len(finals(messages)) == 8


def test_a_ping_is_answered_while_a_clip_is_recognised(guest: Guest) -> None:
    guest.asr.faults = [Fault("final", stall=True)]
    guest.client.send("audio_message", audio_base64=b64(words()))
    assert guest.client.receive()["type"] == "thinking"
    until(lambda: any(call.ended for call in guest.asr.calls), "the clip is at the vendor")
    guest.client.ping()
    guest.break_sessions()
    assert kinds(guest.client.until("response", "error")) == BATCH[1:]  # heard by a second session


def test_a_clip_in_a_voice_call_is_a_turn_like_any_other(guest: Guest) -> None:
    guest.start_agent()
    guest.client.send("audio_message", audio_base64=b64(words()))
    assert kinds(guest.client.until("agent_listening")) == [*BATCH, "agent_listening"]
    guest.client.send("agent_mode_stop")
    assert kinds(guest.client.turn("你好")) == REPLY_KINDS
