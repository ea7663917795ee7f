"""Every fault of the ASR, and every way to leave it, as the person meets it, in each mode of voice.

After each test: the same connection is heard in each mode, no session is open at the vendor, no descriptor is left, no
error is logged but the one line an operator needs, and neither a key nor a word of a vendor's own is in the log or has
reached a client.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.protocol_client import ProtocolClient, Wire, kinds
from tests.server.voice import (
    AGENT,
    BATCH,
    REPLY_CN,
    REPLY_KINDS,
    STREAM,
    Guest,
    b64,
    cloud_server,
    errors,
    finals,
    framed,
    served,
    visit,
    words,
)
from tests.simulated_cloud import TOKENS, CloudServer, until
from tests.simulators import minimax
from tests.simulators.ark import Behaviour
from tests.simulators.bytedance import Fault, Manner
from tests.speech import chunks, silence

pytestmark = pytest.mark.slow

# Short enough to wait for, and long enough for a machine that is busy with something else.
HASTE = {"CHATANON_TIMEOUTS__ASR_FINAL": "1.2", "CHATANON_TIMEOUTS__VENDOR_CONNECT": "1"}
# So long that only what the test does can end it.
PATIENCE = {
    "CHATANON_TIMEOUTS__ASR_FINAL": "300",
    "CHATANON_TIMEOUTS__LLM_FIRST_TOKEN": "120",
    "CHATANON_TIMEOUTS__LLM_TOTAL": "120",
}
BUSY, QUOTA, IDLE, GRANT = 55000031, 45000292, 45000081, 45000010


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("faults"), **HASTE) as server:
        yield server


@pytest.fixture(scope="module")
def patient_cloud(cloud: CloudServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with served(cloud.vendors, tmp_path_factory.mktemp("patient"), **PATIENCE) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud) as guest:
        yield guest


@pytest.fixture
def patient(patient_cloud: CloudServer) -> Iterator[Guest]:
    with visit(patient_cloud) as guest:
        yield guest


# --- what goes wrong

FOREVER: dict[str, Any] = {"times": math.inf}
REFUSED = {  # not tried again, not worth to be said again, and the operator is told
    "a key refused at the handshake": ("http", None, "HTTP 403", "check the account"),
    "a key refused in a frame": ("frame", None, GRANT, "refused the key"),
    "handshake 401": ("http", Fault("handshake", status=401, **FOREVER), "HTTP 401", "refused the key"),
    "handshake 404": ("http", Fault("handshake", status=404, **FOREVER), "HTTP 404", "not at the address"),
}
BROKEN = {
    "busy in mid-utterance": (Fault("audio", code=BUSY, after_bytes=6400, **FOREVER), "too busy"),
    "an error frame in mid-utterance": (Fault("audio", code=55000001, after_bytes=6400, **FOREVER), "failed"),
    "drop at the handshake": (Fault("handshake", drop=True, **FOREVER), "cannot be reached"),
    "drop in mid-utterance": (Fault("audio", drop=True, after_bytes=6400, **FOREVER), "broke"),
    "drop at its end": (Fault("final", drop=True, **FOREVER), "broke"),
    "garbage": (Fault("audio", raw=b"\x11\x90\x10\x00garbage", **FOREVER), "cannot be read"),
    "busy at once": (Fault("first", code=BUSY, **FOREVER), "too busy"),
    "busy at its end": (Fault("final", code=BUSY, **FOREVER), "too busy"),
    "an unknown code": (Fault("audio", code=12345, **FOREVER), "failed"),
    "handshake 503": (Fault("handshake", status=503, **FOREVER), "failed"),
    "handshake 429": (Fault("handshake", status=429, **FOREVER), "too busy"),
    "drop after the upgrade": (Fault("upgrade", drop=True, **FOREVER), "broke"),
    "drop before the first answer": (Fault("first", drop=True, **FOREVER), "broke"),
    "closed in mid-utterance": (Fault("audio", close=1011, after_bytes=6400, **FOREVER), "broke"),
    "a text message": (Fault("audio", raw="hello", **FOREVER), "cannot be read"),
}
SILENT = {
    "stall in mid-utterance": Fault("audio", stall=True, after_bytes=6400, **FOREVER),
    "half-open at its end": Fault("final", half_open=True, **FOREVER),
    "stall at the handshake": Fault("handshake", stall=True, **FOREVER),
    "half-open at the handshake": Fault("handshake", half_open=True, **FOREVER),
    "stall after the upgrade": Fault("upgrade", stall=True, **FOREVER),
    "stall before the first answer": Fault("first", stall=True, **FOREVER),
    "half-open in mid-utterance": Fault("audio", half_open=True, after_bytes=6400, **FOREVER),
    "stall at its end": Fault("final", stall=True, **FOREVER),
    "idle": Fault("final", code=IDLE, **FOREVER),
}


def meet(guest: Guest, fault: Fault | None) -> Iterator[Wire]:
    """The error that this fault is, in batch, streamed and in agent mode, where it goes back to listening."""
    guest.asr.faults = [replace(fault)] if fault is not None else []
    messages = guest.clip(framed(words()))
    assert kinds(messages) == ["thinking", "error"]
    yield messages[-1]
    guest.client.send("audio_stream_start")
    guest.push(chunks(framed(words())))
    guest.client.send("audio_stream_end")
    messages = guest.client.until("error")
    assert [kind for kind in kinds(messages) if kind != "transcription"] == ["audio_stream_started", "error"]
    assert not finals(messages)
    yield messages[-1]
    guest.client.send("ping")
    assert errors(guest.client.until("pong")) in ([], ["wrong_state"])  # for all chunks that came too late
    guest.start_agent()
    at_its_end = fault is not None and (fault.at == "final" or fault.stall or fault.half_open)
    spoken = words("en") + silence(1) if at_its_end else words("en")[: 2 * 12800]
    messages = guest.speak(chunks(silence(0.5) + spoken))
    assert [kind for kind in kinds(messages) if kind != "transcription"] == ["error", "agent_listening"]
    assert not finals(messages) and guest.kept() == []
    yield messages[-2]


def recover(guest: Guest) -> None:
    """The vendor is well again: agent mode goes on, and each other mode works."""
    guest.asr.faults = []
    assert kinds(guest.speak(chunks(framed(words(), 0.3, 0.8)))) == AGENT
    guest.client.send("agent_mode_stop")
    assert kinds(guest.stream(chunks(words()))) == STREAM
    assert kinds(guest.clip(words())) == BATCH
    assert len(guest.kept()) == 6


def told(error: Wire) -> tuple[str, bool]:
    """The code, and whether it is worth to be said again."""
    assert set(error) == {"type", "message", "code", "retryable"}
    return error["code"], error["retryable"]


@pytest.mark.parametrize("name", REFUSED)
def test_a_key_that_is_refused_is_asr_failed_says_what_to_check_and_tells_the_operator_once(
    guest: Guest, name: str
) -> None:
    where, fault, code, why = REFUSED[name]
    right = guest.asr.access_key
    if fault is None:
        guest.asr.access_key, guest.asr.manner = "another-key", Manner(wrong_key=where)  # type: ignore[arg-type]
    for error in meet(guest, fault):
        assert told(error) == ("asr_failed", False) and why in error["message"]
    guest.asr.access_key = right
    recover(guest)
    guest.operator = [("hearing_refused", code)]


def test_a_quota_that_is_used_up_is_asr_failed_retryable_and_tells_the_operator_once(guest: Guest) -> None:
    for error in meet(guest, Fault("first", code=QUOTA, **FOREVER)):
        assert told(error) == ("asr_failed", True) and "too busy" in error["message"]
    recover(guest)
    guest.operator = [("hearing_refused", QUOTA)]


@pytest.mark.parametrize("name", BROKEN)
def test_busy_drop_or_an_error_frame_is_asr_failed_and_the_next_utterance_works(guest: Guest, name: str) -> None:
    fault, why = BROKEN[name]
    for error in meet(guest, fault):
        assert told(error) == ("asr_failed", True) and why in error["message"]
    recover(guest)


@pytest.mark.parametrize("name", SILENT)
def test_a_vendor_that_stalls_is_asr_timeout_and_the_next_utterance_works(guest: Guest, name: str) -> None:
    for error in meet(guest, SILENT[name]):
        assert told(error) == ("asr_timeout", True)
    until(lambda: not guest.server.descriptors.bytedance, "no connection to the recogniser is left")
    guest.break_sessions()  # of which a half-open vendor does not know that they are over
    recover(guest)


def test_chunks_and_the_end_after_asr_failed_are_dropped_without_another_word(guest: Guest) -> None:
    guest.asr.faults = [Fault("handshake", status=429)]
    guest.client.send("audio_stream_start")
    assert errors(guest.client.until("error")) == ["asr_failed"]
    for _ in range(2):
        guest.push(chunks(words()))
        guest.client.send("audio_stream_end")
    guest.client.ping()
    assert kinds(guest.stream(chunks(framed(words())))) == STREAM


def test_an_utterance_that_fails_in_its_middle_fails_once(cloud: CloudServer) -> None:
    with visit(cloud, "speech_events") as guest:
        guest.start_agent()
        guest.asr.faults = [Fault("handshake", status=429, **FOREVER)]
        messages = guest.speak(chunks(silence(0.5) + words("en")[: 2 * 9600]))
        assert kinds(messages) == ["speech_started", "error", "agent_listening"]
        guest.push(chunks(words("en")[2 * 9600 :] + silence(1)), "agent_audio_chunk")
        guest.client.send("ping")
        messages = guest.client.until("pong")
        guest.client.send("agent_mode_stop")
        assert kinds(messages) == ["speech_stopped", "pong"]


def test_a_turn_that_fails_in_a_voice_call_is_followed_by_listening(guest: Guest) -> None:
    guest.start_agent()
    guest.asr.faults = [Fault("final", drop=True, times=2)]
    guest.client.send("audio_message", audio_base64=b64(words()))
    assert kinds(guest.client.until("agent_listening")) == ["thinking", "error", "agent_listening"]
    guest.vendors.answer(Behaviour(fault="error_event"))
    messages = guest.speak(chunks(framed(words())))
    assert kinds(messages) == ["transcription", "thinking", "error", "agent_listening"]
    assert errors(messages) == ["llm_failed"] and guest.kept() == []
    recover(guest)


# --- one reconnect in mid-utterance


@pytest.mark.parametrize("what", ["drop", "close", "busy"])
def test_a_session_that_breaks_in_mid_utterance_is_mended_once_and_every_sample_is_heard(
    guest: Guest, what: str
) -> None:
    ways: dict[str, dict[str, Any]] = {"drop": {"drop": True}, "close": {"close": 1011}, "busy": {"code": BUSY}}
    how = ways[what]
    pcm = framed(words("en"), 0.3, 1.0)
    guest.asr.faults = [Fault("audio", after_bytes=16000, **how)]
    assert kinds(guest.stream(chunks(pcm))) == STREAM
    assert bytes(guest.asr.calls[-1].audio) == pcm and len(guest.asr.calls) == 2
    guest.start_agent()
    guest.asr.faults = [Fault("audio", after_bytes=16000, **how)]
    messages = guest.speak(chunks(pcm))
    assert kinds(messages) == AGENT and len(finals(messages)) == 1
    assert words("en") in bytes(guest.asr.calls[-1].audio) and len(guest.asr.calls) == 4
    guest.client.send("agent_mode_stop")
    guest.asr.faults = [Fault("final", **how)]
    assert kinds(guest.clip(pcm)) == BATCH
    assert [bytes(call.audio) for call in guest.asr.calls[-2:]] == [pcm, pcm]


def test_text_that_was_definite_before_a_break_is_neither_lost_nor_said_twice(guest: Guest) -> None:
    guest.asr.hear = deque(["第一句。", "第二句。"])
    first = silence(0.2) + words("zh") + silence(1.2)
    pcm = first + words("en") + silence(0.3)
    guest.asr.faults = [Fault("audio", after_bytes=len(first) + 6400, drop=True)]
    messages = guest.stream(chunks(pcm))
    assert kinds(messages) == STREAM and finals(messages) == ["第一句。第二句。"]
    before, after = (bytes(call.audio) for call in guest.asr.calls)
    assert pcm.startswith(before) and pcm.endswith(after) and len(before) + len(after) >= len(pcm)
    assert words("en") in after and words("zh") not in after


# --- who leaves in the middle

LEAVING = pytest.mark.parametrize("politely", [True, False], ids=["with a close frame", "without"])


def begin(guest: Guest, client: ProtocolClient, mode: str) -> None:
    """An utterance, of which the vendor has something on return."""
    stayed, guest.client = guest.client, client
    if mode == "batch":
        guest.asr.faults = [Fault("final", stall=True)]
        client.send("audio_message", audio_base64=b64(framed(words())))
    elif mode == "stream":
        client.send("audio_stream_start")
        guest.push(chunks(words()))
    else:
        guest.start_agent()
        guest.push(chunks(silence(0.5) + words()), "agent_audio_chunk")
    guest.wait_heard(6400)
    guest.client = stayed


@LEAVING
@pytest.mark.parametrize("mode", ["batch", "stream", "agent"])
def test_who_leaves_in_mid_utterance_leaves_no_session_behind(patient: Guest, mode: str, politely: bool) -> None:
    leaving = patient.server.client()
    begin(patient, leaving, mode)
    patient.leave(leaving, politely=politely)
    patient.wait_unheard()
    assert patient.kept() == [] and patient.ark.requests == []


@LEAVING
@pytest.mark.parametrize("mode", ["batch", "stream", "agent"])
def test_who_leaves_in_mid_reply_leaves_nothing_behind_and_what_was_said_is_kept_as_cut(
    patient: Guest, mode: str, politely: bool
) -> None:
    patient.minimax.manner = minimax.Manner(pace=2)
    patient.asr.hear = lambda _: "你好"
    leaving = patient.server.client()
    begin(patient, leaving, mode)
    patient.asr.faults = []
    if mode == "batch":
        patient.break_sessions()  # so that another one answers
    elif mode == "stream":
        leaving.send("audio_stream_end")
    else:
        for chunk in chunks(silence(1)):
            leaving.send("agent_audio_chunk", audio_base64=b64(chunk))
    leaving.until("audio_chunk")
    patient.leave(leaving, politely=politely)
    patient.wait_unheard()
    assert patient.kept()[0] == ("user", "你好", True)
    assert all(cut and REPLY_CN.startswith(text) for _, text, cut in patient.kept()[1:])
    patient.minimax.manner = minimax.Manner()


def test_who_leaves_while_nothing_more_of_theirs_is_read_is_noticed(patient: Guest) -> None:
    patient.vendors.answer(Behaviour(fault="silent"))
    leaving = patient.server.client()
    leaving.send("message", content="你好")
    leaving.send("audio_stream_start")
    for chunk in chunks(silence(13), 500):
        leaving.send("audio_stream_chunk", audio_base64=b64(chunk))
    until(lambda: patient.ark.open == 1, "the mind is asked")
    patient.leave(leaving, politely=False)
    patient.vendors.portal.call(patient.ark.wait_idle)


@pytest.mark.parametrize("mode", ["batch", "stream", "agent"])
def test_who_is_replaced_in_mid_utterance_leaves_no_session_behind(patient: Guest, mode: str) -> None:
    leaving = ProtocolClient(patient.server.process.url)
    leaving.connect(api_token=TOKENS[-1])
    begin(patient, leaving, mode)
    patient.asr.faults = []
    newcomer = ProtocolClient(patient.server.process.url)
    newcomer.connect(api_token=TOKENS[-1])
    code, messages = leaving.closed()
    assert code == 4501 and messages[-1]["reason"] == "new_connection"
    patient.wait_unheard()
    assert kinds(newcomer.turn("你好")) == REPLY_KINDS
    leaving.close()
    patient.leave(newcomer)


def test_a_server_that_is_stopped_in_mid_utterance_leaves_no_session_behind(cloud: CloudServer, tmp_path: Path) -> None:
    with served(cloud.vendors, tmp_path, **PATIENCE) as server:
        cloud.vendors.reset()
        users = [Guest(server) for _ in range(2)]
        for guest, mode in zip(users, ["stream", "agent"], strict=True):
            begin(guest, guest.client, mode)
        server.process.signal()
        for guest in users:
            code, messages = guest.client.closed()
            assert code == 4001 and messages[-1]["reason"] == "server_shutdown"
            guest.client.close()
        assert server.process.wait() == 0 and server.errors() == []
        users[0].wait_unheard()
        assert users[0].kept() == []


def test_model_and_voice_are_connected_while_the_person_still_speaks(cloud: CloudServer, tmp_path: Path) -> None:
    cloud.vendors.reset()
    for mode in ("stream", "agent"):
        server = CloudServer(cloud.vendors, tmp_path)  # that has spoken to nobody yet
        try:
            guest = Guest(server)
            assert server.descriptors.ark == server.descriptors.minimax == ()
            begin(guest, guest.client, mode)
            until(lambda: bool(server.descriptors.ark and server.descriptors.minimax), "both are open")  # noqa: B023
            assert guest.ark.requests == [] and not any(call.ended for call in guest.asr.calls)
            if mode == "stream":
                guest.client.send("audio_stream_end")
            else:
                guest.push(chunks(silence(1)), "agent_audio_chunk")
            assert kinds(guest.client.until("response"))[-len(REPLY_KINDS) :] == REPLY_KINDS
            guest.leave()
        finally:
            server.process.kill()
        cloud.vendors.reset()
