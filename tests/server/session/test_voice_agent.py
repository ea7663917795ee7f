"""Mode 4 of the specification: a microphone that stays open in; exactly its messages, and no sound that costs, out."""

from collections import deque
from collections.abc import Iterator

import pytest

from tests.protocol_client import kinds
from tests.server.voice import (
    AGENT,
    BATCH,
    FIELDS,
    LANGUAGES,
    REPLY_CN,
    REPLY_KINDS,
    STREAM,
    Guest,
    b64,
    base_kinds,
    check_specified,
    cloud_server,
    errors,
    finals,
    framed,
    visit,
    words,
)
from tests.simulated_cloud import CloudServer, until
from tests.simulators import minimax
from tests.simulators.ark import Behaviour
from tests.speech import chunks, silence

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("agent")) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud) as guest:
        yield guest


def start_speaking(guest: Guest, pcm: bytes | None = None) -> None:
    """The beginning of an utterance, which the vendor has heard on return."""
    pcm = pcm if pcm is not None else words("en")
    guest.push(chunks(silence(0.5) + pcm[: 2 * 12800]), "agent_audio_chunk")
    guest.wait_heard(6400)


# --- what the specification promises


@pytest.mark.parametrize("language", LANGUAGES)
def test_mode_4_is_exactly_as_specified(guest: Guest, language: str) -> None:
    guest.asr.hear = deque(["早上好", "你在吗"])
    guest.start_agent()
    for text in ("早上好", "你在吗"):
        messages = guest.speak(chunks(framed(words(language))))
        check_specified(messages)
        assert kinds(messages) == AGENT and finals(messages) == [text]
        assert messages[-1] == {"type": "agent_listening", "message": "Ready to listen"}
    guest.client.send("agent_mode_stop")
    guest.client.ping()  # a stop is not answered
    reply = ("assistant", REPLY_CN, False)
    assert guest.kept() == [("user", "早上好", False), reply, ("user", "你在吗", False), reply]


def test_a_second_session_works_and_so_do_a_stream_and_a_clip_after_it(guest: Guest) -> None:
    for _ in range(2):
        guest.start_agent()
        for _ in range(2):
            assert kinds(guest.speak(chunks(framed(words())))) == AGENT
        guest.client.send("agent_mode_stop")
    assert kinds(guest.stream(chunks(framed(words())))) == STREAM
    assert kinds(guest.clip(words())) == BATCH
    assert len(guest.asr.calls) == 6
    for call in guest.asr.calls:
        assert words() in bytes(call.audio)


def test_a_voice_call_is_the_same_and_announces_itself_by_its_own_name(guest: Guest) -> None:
    listening = {"type": "voice_call_listening", "message": "Ready to listen"}
    guest.client.send("voice_call_start")
    assert guest.client.receive() == listening
    for kind in ("voice_call_audio_chunk", "agent_audio_chunk"):
        guest.push(chunks(framed(words())), kind)
        messages = guest.client.until("voice_call_listening")
        base = [message for message in messages if message["type"] in FIELDS]
        check_specified(base)
        assert kinds(base) == [*AGENT[:-1], "voice_call_listening"] and messages[-1] == listening
    assert base_kinds(guest.client.turn("你好")) == REPLY_KINDS
    assert guest.client.until("voice_call_listening")[-1] == listening
    guest.client.send("voice_call_stop")
    guest.push([words()], "voice_call_audio_chunk")
    assert errors([guest.client.receive()]) == ["wrong_state"]
    guest.client.ping()


def test_an_utterance_that_begins_with_the_first_chunk_before_it_is_listened_to_is_heard_whole(guest: Guest) -> None:
    guest.client.send("agent_mode_start")
    assert kinds(guest.speak([])) == ["agent_listening"]
    guest.client.send("agent_mode_stop")
    guest.client.send("agent_mode_start")
    guest.push(chunks(words() + silence(1)), "agent_audio_chunk")
    assert kinds([*guest.client.until("agent_listening"), *guest.client.until("agent_listening")]) == [
        "agent_listening",
        *AGENT,
    ]
    assert words() in bytes(guest.asr.calls[-1].audio)


def test_speech_that_nothing_is_recognised_in_is_nothing_and_it_goes_on_listening(guest: Guest) -> None:
    guest.asr.hear = lambda _: ""
    guest.start_agent()
    guest.push(chunks(framed(words())), "agent_audio_chunk")
    until(lambda: any(call.answered for call in guest.asr.calls), "the vendor has answered")
    guest.wait_unheard()
    guest.asr.hear = lambda _: "现在听到了"
    messages = guest.speak(chunks(framed(words("en"))))
    assert [each for each in kinds(messages) if each != "transcription"] == AGENT[1:]
    assert finals(messages) == ["现在听到了"]
    assert guest.kept()[0] == ("user", "现在听到了", False) and len(guest.ark.requests) == 1


# --- half duplex


def test_audio_during_the_reply_is_dropped_and_not_heard_later(guest: Guest) -> None:
    guest.minimax.manner = minimax.Manner(pace=4)
    guest.start_agent()
    guest.push(chunks(framed(words("zh"))), "agent_audio_chunk")
    messages = guest.client.until("audio_chunk")
    guest.push(chunks(silence(0.3) + words("en") + silence(0.3)), "agent_audio_chunk")
    messages += guest.client.until("agent_listening")
    assert kinds(messages) == AGENT
    guest.push(chunks(silence(2)), "agent_audio_chunk")
    guest.client.ping()
    assert kinds(guest.speak(chunks(framed(words("ja"))))) == AGENT
    first, second = (bytes(call.audio) for call in guest.asr.calls)
    assert words("zh") in first and words("ja") in second
    assert words("en")[8000:16000] not in first + second


# --- other messages inside the mode


def test_a_message_is_a_turn_like_any_other(guest: Guest) -> None:
    guest.start_agent()
    guest.client.send("message", content="你好")
    messages = guest.client.until("agent_listening")
    check_specified(messages)
    assert kinds(messages) == [*REPLY_KINDS, "agent_listening"]
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({"kind": "clear_history"}, ["history_cleared"]),
        ({"kind": "switch_character", "character_name": "anon"}, ["character_switched"]),
        ({"kind": "message", "content": "你好"}, [*REPLY_KINDS, "agent_listening"]),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_what_is_asked_in_mid_utterance_is_done_after_its_turn(
    guest: Guest, message: dict[str, str], answer: list[str]
) -> None:
    spoken = words("en")
    guest.start_agent()
    start_speaking(guest, spoken)
    guest.client.send(**message)
    messages = guest.speak(chunks(spoken[2 * 12800 :] + silence(1)))
    check_specified(messages)
    assert kinds(messages) == AGENT
    assert spoken in bytes(guest.asr.calls[-1].audio)
    more = guest.client.until(answer[-1])
    check_specified(more)
    assert kinds(more) == answer
    rows = {"clear_history": 0, "switch_character": 2, "message": 4}
    assert len(guest.kept()) == rows[message["kind"]]
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT


def test_clear_history_and_switch_character_while_it_listens_are_done_at_once(guest: Guest) -> None:
    guest.start_agent()
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT
    guest.client.send("clear_history")
    assert guest.client.receive()["type"] == "history_cleared"
    guest.client.send("switch_character", character_name="tomori")
    assert guest.client.receive()["type"] == "character_switched"
    assert guest.kept() == []
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT
    assert len(guest.kept()) == 2


@pytest.mark.parametrize("kind", ["audio_stream_start", "agent_mode_start", "voice_call_start", "audio_stream_end"])
def test_another_start_is_wrong_state_that_names_what_is_expected_and_the_talk_goes_on(guest: Guest, kind: str) -> None:
    guest.start_agent()
    start_speaking(guest)
    guest.client.send(kind)
    guest.client.send("audio_stream_chunk", audio_base64=b64(bytes(320)))
    told = [guest.client.until("error")[-1] for _ in range(2)]
    assert errors(told) == ["wrong_state"] * 2
    for error in told:
        assert "agent_audio_chunk" in error["message"] and "agent_mode_stop" in error["message"]
    messages = guest.speak(chunks(words("en")[2 * 12800 :] + silence(1)))
    assert len(finals(messages)) == 1 and not errors(messages)
    assert words("en") in bytes(guest.asr.calls[-1].audio)


# --- hanging up


def test_a_stop_in_mid_utterance_discards_it(guest: Guest) -> None:
    guest.start_agent()
    start_speaking(guest)
    guest.client.send("agent_mode_stop")
    guest.wait_unheard()
    guest.client.send("ping")
    assert set(kinds(guest.client.until("pong")[:-1])) <= {"transcription"}
    assert guest.kept() == [] and guest.ark.requests == []
    guest.push(chunks(words()), "agent_audio_chunk")
    assert errors([guest.client.receive()]) == ["wrong_state"]  # one for all that came late
    guest.client.ping()
    assert kinds(guest.stream(chunks(framed(words())))) == STREAM


def test_a_stop_and_a_start_in_mid_utterance_are_another_session(guest: Guest) -> None:
    guest.start_agent()
    start_speaking(guest)
    guest.client.send("agent_mode_stop")
    guest.client.send("agent_mode_start")
    assert set(kinds(guest.client.until("agent_listening"))) <= {"transcription", "agent_listening"}
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT
    assert guest.kept()[1:] == [("assistant", REPLY_CN, False)]


def test_a_stop_in_mid_turn_lets_it_end_without_agent_listening(guest: Guest) -> None:
    guest.minimax.manner = minimax.Manner(pace=4)
    guest.start_agent()
    guest.push(chunks(framed(words())), "agent_audio_chunk")
    messages = guest.client.until("audio_chunk")
    guest.client.send("agent_mode_stop")
    messages += guest.client.until("response")
    assert kinds(messages) == AGENT[:-1]
    guest.client.ping()
    assert guest.kept()[1:] == [("assistant", REPLY_CN, False)]
    guest.start_agent()
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT


def test_a_session_started_while_a_turn_runs_listens_when_that_has_ended(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))
    guest.client.send("message", content="你好")
    guest.client.send("agent_mode_start")
    assert kinds(guest.client.until("agent_listening")) == [*REPLY_KINDS, "agent_listening"]
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT


def test_a_session_that_was_stopped_before_it_began_never_listens(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))
    guest.client.send("message", content="你好")
    for kind in ("agent_mode_start", "agent_mode_stop", "agent_mode_start", "agent_mode_stop"):
        guest.client.send(kind)
    assert kinds(guest.client.until("response")) == REPLY_KINDS
    guest.client.ping()


def test_a_bad_chunk_is_bad_audio_and_the_utterance_goes_on(guest: Guest) -> None:
    guest.start_agent()
    start_speaking(guest)
    for bad in (b64(bytes(321)), "", "?", b64(b"OggS\x00\x02" + bytes(40))):
        guest.client.send("agent_audio_chunk", audio_base64=bad)
        assert guest.client.until("error")[-1]["code"] == "bad_audio"
    messages = guest.speak(chunks(words("en")[2 * 12800 :] + silence(1)))
    assert len(finals(messages)) == 1 and words("en") in bytes(guest.asr.calls[-1].audio)
