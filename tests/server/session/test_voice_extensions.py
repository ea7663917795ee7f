"""What the extensions `speech_events`, `stages` and `turns` add to voice; none of it reaches who did not ask for it."""

from collections.abc import Iterator, Sequence

import pytest

from tests.protocol_client import Wire, kinds
from tests.server.voice import (
    AGENT,
    BATCH,
    LANGUAGES,
    REPLY_KINDS,
    STREAM,
    Guest,
    b64,
    base_kinds,
    cloud_server,
    errors,
    finals,
    framed,
    visit,
    words,
)
from tests.simulated_cloud import CloudServer
from tests.simulators import minimax
from tests.simulators.ark import Behaviour
from tests.simulators.bytedance import Fault
from tests.speech import chunks, seconds_of, silence

pytestmark = pytest.mark.slow

NEAR_MS = 150
EVENTS = ("speech_started", "speech_stopped")
STAGES = ["asr_start", "asr_end", "llm_start", "llm_end", "tts_start", "turn_end"]
MARKS = ["end_of_speech", "final_transcript", "first_token", "first_sentence", "first_audio", "audio_end"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("extensions")) as server:
        yield server


@pytest.fixture
def watcher(cloud: CloudServer) -> Iterator[Guest]:
    """A user who is told where speech begins and ends."""
    with visit(cloud, "speech_events") as guest:
        yield guest


# --- speech_events


def events(messages: Sequence[Wire]) -> list[tuple[str, int]]:
    """Each with its `at_ms`; a started and a stopped by turns, and their times in order."""
    told = [message for message in messages if message["type"] in EVENTS]
    assert all(set(message) == {"type", "at_ms"} for message in told)
    assert [message["type"] for message in told] == [EVENTS[at % 2] for at in range(len(told))]
    times = [message["at_ms"] for message in told]
    assert times == sorted(times)
    return [(message["type"], message["at_ms"]) for message in told]


def check_near(messages: Sequence[Wire], *truth_ms: float) -> None:
    told = events(messages)
    assert len(told) == len(truth_ms), told
    for (_, at_ms), true_ms in zip(told, truth_ms, strict=True):
        assert abs(at_ms - true_ms) <= NEAR_MS, (told, truth_ms)


@pytest.mark.parametrize(("language", "size"), [("zh", 20), ("ja", 100), ("en", 1000)])
def test_speech_events_tell_where_in_a_stream_speech_began_and_ended(watcher: Guest, language: str, size: int) -> None:
    length_ms = seconds_of(words(language)) * 1000
    pcm = silence(0.7) + words(language) + silence(1.5) + words(language) + silence(1.0)
    messages = watcher.stream(chunks(pcm, size))
    assert base_kinds(messages) == STREAM
    second = 700 + length_ms + 1500
    check_near(messages, 700, 700 + length_ms, second, second + length_ms)


@pytest.mark.parametrize("language", LANGUAGES)
def test_speech_events_count_all_audio_of_a_voice_call_also_what_was_dropped(watcher: Guest, language: str) -> None:
    watcher.minimax.manner = minimax.Manner(pace=6)
    sent_s, length_s = 0.0, seconds_of(words(language))
    watcher.start_agent()
    for before_s in (0.4, 1.3):
        pcm = framed(words(language), before_s, 1.0)
        watcher.push(chunks(pcm, 30), "agent_audio_chunk")
        messages = watcher.client.until("audio_chunk")
        watcher.push(chunks(words("en")), "agent_audio_chunk")  # while it is answered
        messages += watcher.client.until("agent_listening")
        assert base_kinds(messages) == AGENT
        assert messages[0]["type"] == "speech_started"  # before anything is known of what was said
        start = 1000 * (sent_s + before_s)
        check_near(messages, start, start + 1000 * length_s)
        sent_s += seconds_of(pcm) + seconds_of(words("en"))


def test_speech_events_of_a_stream_that_waits_come_after_it_has_started(watcher: Guest) -> None:
    watcher.vendors.answer(Behaviour(first_token_s=1.0))
    watcher.client.send("message", content="你好")
    assert kinds(watcher.stream(chunks(framed(words())))) == REPLY_KINDS
    messages = watcher.client.until("response")
    assert messages[0]["type"] == "audio_stream_started" and base_kinds(messages) == STREAM
    check_near(messages, 500, 500 + 1000 * seconds_of(words()))


def test_speech_events_of_an_utterance_that_fails_are_a_pair(watcher: Guest) -> None:
    watcher.start_agent()
    watcher.asr.faults = [Fault("handshake", status=429)]
    messages = watcher.speak(chunks(silence(0.5) + words("en")[:25600]))
    assert errors(messages) == ["asr_failed"]
    watcher.client.send("ping")
    messages += watcher.client.until("pong")
    messages += watcher.speak(chunks(framed(words())))
    assert len(events(messages)) == 4 and len(finals(messages)) == 1


def test_speech_events_of_a_stream_that_ends_in_mid_speech_are_a_pair(watcher: Guest) -> None:
    messages = watcher.stream(chunks(silence(0.5) + words("en")))
    assert base_kinds(messages) == STREAM
    check_near(messages, 500, 500 + 1000 * seconds_of(words("en")))


def test_speech_events_of_a_voice_call_that_stops_in_mid_speech_are_a_pair(watcher: Guest) -> None:
    watcher.start_agent()
    watcher.push(chunks(silence(0.5) + words("en")), "agent_audio_chunk")
    watcher.client.send("agent_mode_stop")
    watcher.client.send("ping")
    messages = watcher.client.until("pong")
    check_near(messages, 500, 500 + 1000 * seconds_of(words("en")))


@pytest.mark.parametrize("mode", ["stream", "agent"])
def test_no_speech_event_is_told_where_there_is_no_speech(watcher: Guest, mode: str) -> None:
    watcher.asr.hear = lambda _: ""
    if mode == "stream":
        assert kinds(watcher.stream(chunks(silence(2)))) == ["audio_stream_started", "error"]
    else:
        watcher.start_agent()
        watcher.push(chunks(silence(2)), "agent_audio_chunk")
    watcher.client.ping()


# --- stages


def test_stages_say_when_a_clip_is_recognised_within_its_turn(cloud: CloudServer) -> None:
    with visit(cloud, "stages", "turns") as guest:
        guest.client.send("audio_message", audio_base64=b64(framed(words())))
        messages = guest.client.until("turn_end")
        order = [kind for kind in kinds(messages) if kind not in ("audio_chunk", "tts_start", "llm_end")]
        assert order == [
            "turn_started", "thinking", "asr_start", "transcription", "asr_end", "llm_start",
            "audio_end", "response", "turn_end",
        ]  # fmt: skip
        check_stages(messages)
        assert len({message["turn_id"] for message in messages}) == 1
        guest.client.ping()


def check_stages(messages: Sequence[Wire]) -> None:
    """Each once, but the voice's per sentence; `asr_end` says what was heard."""
    types = [message["type"] for message in messages]
    for kind in STAGES:
        assert types.count(kind) == (3 if kind == "tts_start" else 1), kind
    asr_end = messages[types.index("asr_end")]
    assert [asr_end["text"]] == finals(messages)
    assert types.index("asr_start") < types.index("transcription") < types.index("asr_end") < types.index("llm_start")
    assert types.index("llm_start") < types.index("audio_chunk")


@pytest.mark.parametrize("mode", ["batch", "stream", "agent"])
def test_stages_alone_add_no_field_to_the_base_protocol(cloud: CloudServer, mode: str) -> None:
    with visit(cloud, "stages") as guest:
        if mode == "batch":
            messages = guest.clip(words())
        elif mode == "stream":
            messages = guest.stream(chunks(words()))
        else:
            guest.start_agent()
            guest.push(chunks(framed(words())), "agent_audio_chunk")
            messages = guest.client.until("response")
        messages.append(guest.client.receive())
        assert messages[-1] == {"type": "turn_end"}
        check_stages(messages)
        assert not any("turn_id" in message for message in messages)
        base = {"batch": BATCH, "stream": STREAM, "agent": AGENT[:-1]}[mode]
        assert base_kinds(messages) == base
        if mode == "agent":
            assert guest.client.receive()["type"] == "agent_listening"


# --- turns


def check_turn(messages: Sequence[Wire], how: str, number: int) -> dict[str, int]:
    """From `turn_started` to `turn_end`, every message with its id; its timings."""
    start, end = messages[0], messages[-1]
    assert set(start) == {"type", "turn_id", "input", "turn_number"} and start["type"] == "turn_started"
    assert (start["input"], start["turn_number"]) == (how, number)
    assert messages[1]["type"] == "thinking"
    assert {message["turn_id"] for message in messages} == {start["turn_id"]}
    assert set(end) == {"type", "turn_id", "status", "timings_ms"} and end["type"] == "turn_end"
    timings: dict[str, int] = end["timings_ms"]
    assert set(timings) <= set(MARKS) and all(isinstance(at, int) and at >= 0 for at in timings.values())
    in_order = [timings[mark] for mark in MARKS if mark in timings]
    assert in_order == sorted(in_order)
    return timings


def test_turns_of_all_four_kinds_are_numbered_and_say_when_what_happened(cloud: CloudServer) -> None:
    with visit(cloud, "turns") as guest:
        guest.client.send("message", content="你好")
        assert list(check_turn(guest.client.until("turn_end"), "text", 1)) == MARKS[2:]

        guest.client.send("audio_message", audio_base64=b64(words()))
        assert list(check_turn(guest.client.until("turn_end"), "audio", 2)) == MARKS[1:]

        guest.client.send("audio_stream_start")
        guest.push(chunks(framed(words())))
        guest.client.send("audio_stream_end")
        heard = guest.client.until("turn_started")
        assert kinds(heard) == ["audio_stream_started", "transcription", "turn_started"]
        assert not any("turn_id" in message for message in heard[:-1])
        timings = check_turn([heard[-1], *guest.client.until("turn_end")], "stream", 3)
        assert list(timings) == MARKS and timings["end_of_speech"] == 0  # which is when `audio_stream_end` came

        guest.start_agent()
        guest.push(chunks(framed(words())), "agent_audio_chunk")
        heard = guest.client.until("turn_started")
        timings = check_turn([heard[-1], *guest.client.until("turn_end")], "agent", 4)
        assert list(timings) == MARKS and timings["end_of_speech"] == 0
        assert timings["final_transcript"] >= 600  # the silence that told that it was the end
        assert guest.client.receive()["type"] == "agent_listening"


def test_a_turn_whose_clip_is_not_understood_has_failed(cloud: CloudServer) -> None:
    with visit(cloud, "turns") as guest:
        for heard, fault, code in ((None, [], "no_speech"), ("好", [Fault("final", drop=True, times=2)], "asr_failed")):
            guest.asr.hear, guest.asr.faults = (lambda _, heard=heard: heard or ""), list(fault)
            guest.client.send("audio_message", audio_base64=b64(words()))
            messages = guest.client.until("turn_end")
            assert kinds(messages) == ["turn_started", "thinking", "error", "turn_end"]
            assert errors(messages) == [code] and messages[-1]["status"] == "failed"
            assert len({message["turn_id"] for message in messages}) == 1
            assert messages[-1]["timings_ms"] == {}
        assert guest.kept() == []


def test_a_stream_that_is_not_understood_is_no_turn(cloud: CloudServer) -> None:
    with visit(cloud, "turns", "stages") as guest:
        guest.asr.hear = lambda _: ""
        messages = guest.stream(chunks(silence(0.6)))
        assert kinds(messages) == ["audio_stream_started", "asr_start", "error"]
        assert "turn_id" not in messages[-1]
        guest.client.ping()
