"""Mode 4 of the specification: a microphone that stays open in; exactly its messages, and no sound that costs, out."""

from collections import deque
from collections.abc import Iterator
from functools import partial

import pytest

from tests.server.voice import (
    AGENT,
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
    visit,
    words,
)
from tests.simulated_cloud import CloudServer, until
from tests.simulators import minimax
from tests.simulators.ark import Behaviour
from tests.simulators.bytedance import Manner
from tests.speech import SPEECH_DB, chunks, click, cough, keys, melody, mix, noise, say, seconds_of, silence, tone
from tests.talker import Wire, kinds

PRE_ROLL_S, WINDOW_S = 0.3, 0.6  # as shipped
SLACK_S = 0.35  # how late the detector may be, in frames of 32 ms, to hear that a voice has faded


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("agent")) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud) as guest:
        yield guest


@pytest.fixture
def watcher(cloud: CloudServer) -> Iterator[Guest]:
    """A caller who is told where speech begins and ends."""
    with visit(cloud, "speech_events") as guest:
        yield guest


def turned(messages: list[Wire]) -> list[str]:
    return [kind for kind in kinds(messages) if kind not in ("speech_started", "speech_stopped")]


def start_speaking(guest: Guest, pcm: bytes | None = None) -> None:
    """The beginning of an utterance, which the vendor has heard on return."""
    pcm = pcm if pcm is not None else words("en")
    guest.push(chunks(silence(0.5) + pcm[: 2 * 12800]), "agent_audio_chunk")
    guest.wait_heard(6400)


# --- what the specification promises


@pytest.mark.parametrize("language", LANGUAGES)
def test_mode_4_is_exactly_as_specified(guest: Guest, language: str) -> None:
    guest.ear.hear = deque(["早上好", "你在吗"])
    guest.start_agent()
    for text in ("早上好", "你在吗"):
        messages = guest.speak(chunks(framed(words(language))))
        check_specified(messages)
        assert kinds(messages) == AGENT and finals(messages) == [text]
        assert messages[-1] == {"type": "agent_listening", "message": "Ready to listen"}
    guest.talker.send("agent_mode_stop")
    guest.talker.ping()  # a stop is not answered
    reply = ("assistant", REPLY_CN, False)
    assert guest.kept() == [("user", "早上好", False), reply, ("user", "你在吗", False), reply]


def test_a_second_session_works_and_so_do_a_stream_and_a_clip_after_it(guest: Guest) -> None:
    for _ in range(2):
        guest.start_agent()
        for _ in range(2):
            assert kinds(guest.speak(chunks(framed(words())))) == AGENT
        guest.talker.send("agent_mode_stop")
    assert kinds(guest.stream(chunks(framed(words())))) == STREAM
    assert kinds(guest.clip(words())) == BATCH
    assert len(guest.ear.calls) == 6
    for call in guest.ear.calls:
        assert words() in bytes(call.audio)


def test_a_voice_call_is_the_same_and_announces_itself_by_its_own_name(guest: Guest) -> None:
    listening = {"type": "voice_call_listening", "message": "Ready to listen"}
    guest.talker.send("voice_call_start")
    assert guest.talker.receive() == listening
    for kind in ("voice_call_audio_chunk", "agent_audio_chunk"):
        guest.push(chunks(framed(words())), kind)
        messages = guest.talker.until("voice_call_listening")
        check_specified(messages)
        assert kinds(messages) == [*AGENT[:-1], "voice_call_listening"] and messages[-1] == listening
    assert kinds(guest.talker.turn("你好")) == REPLY_KINDS
    assert guest.talker.receive() == listening
    guest.talker.send("voice_call_stop")
    guest.push([words()], "voice_call_audio_chunk")
    assert errors([guest.talker.receive()]) == ["wrong_state"]
    guest.talker.ping()


# --- every sample of the speech, and nothing else


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", [10, 20, 100, None], ids=["10 ms", "20 ms", "100 ms", "uneven"])
def test_every_sample_of_an_utterance_and_no_long_silence_reaches_the_recogniser(
    guest: Guest, language: str, size: int | None
) -> None:
    room = noise(5.0, SPEECH_DB - 30, color="pink")
    guest.start_agent()
    for before_s in (0.0, 1.7):
        pcm = framed(words(language), before_s, 1.2)
        pcm = mix(room[: len(pcm)], pcm) if before_s else pcm
        start = 2 * round(before_s * 16000)
        spoken = pcm[start : start + len(words(language))]
        assert kinds(guest.speak(cut(pcm, size))) == AGENT
        heard = bytes(guest.ear.calls[-1].audio)
        assert spoken in heard and heard in pcm
        assert seconds_of(heard) <= PRE_ROLL_S + seconds_of(spoken) + WINDOW_S + SLACK_S
    assert len(guest.ear.calls) == 2


def test_an_utterance_that_begins_with_the_first_chunk_before_it_is_listened_to_is_heard_whole(guest: Guest) -> None:
    guest.talker.send("agent_mode_start")
    assert kinds(guest.speak([])) == ["agent_listening"]
    guest.talker.send("agent_mode_stop")
    guest.talker.send("agent_mode_start")
    guest.push(chunks(words() + silence(1)), "agent_audio_chunk")
    assert kinds([*guest.talker.until("agent_listening"), *guest.talker.until("agent_listening")]) == [
        "agent_listening",
        *AGENT,
    ]
    assert words() in bytes(guest.ear.calls[-1].audio)


def test_a_pause_within_an_utterance_does_not_end_it(guest: Guest) -> None:
    spoken = words("zh") + silence(0.4) + words("en")
    guest.start_agent()
    assert kinds(guest.speak(chunks(framed(spoken), 20))) == AGENT
    (call,) = guest.ear.calls
    assert spoken in bytes(call.audio)


def sound(name: str) -> bytes:
    """What is no speech, with silence around it."""
    pause = silence(0.7)
    match name:
        case "silence":
            return silence(3.0)
        case "noise":
            return noise(3.0, SPEECH_DB - 20, color="pink") + noise(2.0, SPEECH_DB - 20)
        case "clicks":
            return b"".join(pause + click(seed=seed) for seed in range(4)) + pause
        case "keys":
            return pause + keys(2.0) + pause
        case "coughs":
            return b"".join(pause + cough(seed=seed) for seed in range(4)) + pause
        case "tone":
            return pause + tone(1.5, 440, SPEECH_DB) + pause
        case _:
            return pause + melody(2.0, SPEECH_DB - 20) + pause


@pytest.mark.parametrize("name", ["silence", "noise", "clicks", "keys", "coughs", "tone", "music"])
def test_what_is_no_speech_opens_no_session_at_the_vendor_and_is_no_turn(watcher: Guest, name: str) -> None:
    watcher.start_agent()
    watcher.push(chunks(sound(name), 20), "agent_audio_chunk")
    watcher.talker.ping()  # nothing was told, not even that speech began
    assert watcher.ear.calls == [] and watcher.kept() == []
    assert turned(watcher.speak(chunks(framed(words())))) == AGENT
    (call,) = watcher.ear.calls
    assert words() in bytes(call.audio)


def test_20_seconds_of_silence_open_no_session_and_then_an_utterance_works(watcher: Guest) -> None:
    watcher.start_agent()
    watcher.push(chunks(silence(20), 100), "agent_audio_chunk")
    watcher.talker.ping()
    assert watcher.ear.handshakes == watcher.ear.handshakes and watcher.ear.calls == []
    before = watcher.ear.handshakes
    messages = watcher.speak(chunks(framed(words())))
    assert turned(messages) == AGENT
    started = next(message for message in messages if message["type"] == "speech_started")
    assert abs(started["at_ms"] - 20_500) <= 150
    assert watcher.ear.handshakes == before + 1


def test_speech_that_nothing_is_recognised_in_is_nothing_and_it_goes_on_listening(watcher: Guest) -> None:
    watcher.ear.hear = lambda _: ""
    watcher.start_agent()
    watcher.push(chunks(framed(words())), "agent_audio_chunk")
    until(lambda: any(call.answered for call in watcher.ear.calls), "the vendor has answered")
    watcher.wait_unheard()
    watcher.ear.hear = lambda _: "现在听到了"
    messages = watcher.speak(chunks(framed(words("en"))))
    assert [each for each in turned(messages) if each != "transcription"] == AGENT[1:]
    assert finals(messages) == ["现在听到了"]
    assert watcher.kept()[0] == ("user", "现在听到了", False) and len(watcher.ark.requests) == 1


# --- whichever is sure first ends it, and never twice


def test_the_vendors_definite_result_ends_an_utterance_that_voices_behind_it_would_not_let_end(guest: Guest) -> None:
    guest.ear.hear = deque(["说完了", "这不该说"])
    guest.ear.manner = Manner(loud_rms=1500.0)  # it tells the person from the people behind them
    behind = say("and so we went to the market, and then to the station, and then home again", "en", level_db=-40.0)
    pcm = mix((behind + behind)[: 9 * 32000], silence(0.5) + words("zh"))

    def sure() -> bool:
        return any(call.texts for call in guest.ear.calls)

    def follows(sent: int) -> bool:
        return sure() or len(guest.ear.audio) > sent - 25600

    guest.start_agent()
    for sent in range(0, len(pcm), 3200):  # as fast as it is heard, for nobody is sure while more of it waits
        guest.push([pcm[sent : sent + 3200]], "agent_audio_chunk")
        until(partial(follows, max(0, sent - 16000)), "the vendor follows")
        if sure():
            break
    assert sent < 8 * 32000, "the vendor was not sure before the end of the sound"
    messages = guest.talker.until("agent_listening")
    assert kinds(messages) == AGENT and finals(messages) == ["说完了"]
    guest.talker.ping()
    (call,) = guest.ear.calls
    assert not call.ended and len(guest.ark.requests) == 1  # nobody told the vendor that it was over


def test_both_ends_at_once_are_one_turn(guest: Guest) -> None:
    guest.start_agent()
    for after_s in (0.6, 0.7, 0.8, 0.9, 1.2):
        messages = guest.speak(chunks(framed(words(), 0.3, after_s) + silence(0.2)))
        assert kinds(messages) == AGENT and len(finals(messages)) == 1
    assert len(guest.ear.calls) == len(guest.ark.requests) == 5


def test_a_microphone_that_is_switched_off_in_mid_word_ends_its_utterance(guest: Guest) -> None:
    spoken = words("en")
    guest.start_agent()
    assert kinds(guest.speak(chunks(silence(0.5) + spoken))) == AGENT
    heard = bytes(guest.ear.calls[-1].audio)
    assert spoken[: len(spoken) // 1024 * 1024 - 1024] in heard  # the last frame was never whole


# --- half duplex


def test_audio_during_the_reply_is_dropped_and_not_heard_later(guest: Guest) -> None:
    guest.minimax.manner = minimax.Manner(pace=4)
    guest.start_agent()
    guest.push(chunks(framed(words("zh"))), "agent_audio_chunk")
    messages = guest.talker.until("audio_chunk")
    guest.push(chunks(silence(0.3) + words("en") + silence(0.3)), "agent_audio_chunk")
    messages += guest.talker.until("agent_listening")
    assert kinds(messages) == AGENT
    guest.push(chunks(silence(2)), "agent_audio_chunk")
    guest.talker.ping()
    assert kinds(guest.speak(chunks(framed(words("ja"))))) == AGENT
    first, second = (bytes(call.audio) for call in guest.ear.calls)
    assert words("zh") in first and words("ja") in second
    assert words("en")[8000:16000] not in first + second


# --- other messages inside the mode


def test_a_message_is_a_turn_like_any_other(guest: Guest) -> None:
    guest.start_agent()
    guest.talker.send("message", content="你好")
    messages = guest.talker.until("agent_listening")
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
    guest.talker.send(**message)
    messages = guest.speak(chunks(spoken[2 * 12800 :] + silence(1)))
    check_specified(messages)
    assert kinds(messages) == AGENT
    assert spoken in bytes(guest.ear.calls[-1].audio)
    more = guest.talker.until(answer[-1])
    check_specified(more)
    assert kinds(more) == answer
    rows = {"clear_history": 0, "switch_character": 2, "message": 4}
    assert len(guest.kept()) == rows[message["kind"]]
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT


def test_clear_history_and_switch_character_while_it_listens_are_done_at_once(guest: Guest) -> None:
    guest.start_agent()
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT
    guest.talker.send("clear_history")
    assert guest.talker.receive()["type"] == "history_cleared"
    guest.talker.send("switch_character", character_name="tomori")
    assert guest.talker.receive()["type"] == "character_switched"
    assert guest.kept() == []
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT
    assert len(guest.kept()) == 2


@pytest.mark.parametrize("kind", ["audio_stream_start", "agent_mode_start", "voice_call_start", "audio_stream_end"])
def test_another_start_is_wrong_state_that_names_what_is_expected_and_the_talk_goes_on(guest: Guest, kind: str) -> None:
    guest.start_agent()
    start_speaking(guest)
    guest.talker.send(kind)
    guest.talker.send("audio_stream_chunk", audio_base64=b64(bytes(320)))
    told = [guest.talker.until("error")[-1] for _ in range(2)]
    assert errors(told) == ["wrong_state"] * 2
    for error in told:
        assert "agent_audio_chunk" in error["message"] and "agent_mode_stop" in error["message"]
    assert [each for each in kinds(guest.speak(chunks(words("en")[2 * 12800 :] + silence(1)))) if each != "error"][
        -len(AGENT) + 1 :
    ] == AGENT[1:]
    assert words("en") in bytes(guest.ear.calls[-1].audio)


# --- hanging up


def test_a_stop_in_mid_utterance_discards_it(guest: Guest) -> None:
    guest.start_agent()
    start_speaking(guest)
    guest.talker.send("agent_mode_stop")
    guest.wait_unheard()
    guest.talker.send("ping")
    assert set(kinds(guest.talker.until("pong")[:-1])) <= {"transcription"}
    assert guest.kept() == [] and guest.ark.requests == []
    guest.push(chunks(words()), "agent_audio_chunk")
    assert errors([guest.talker.receive()]) == ["wrong_state"]  # one for all that came late
    guest.talker.ping()
    assert kinds(guest.stream(chunks(framed(words())))) == STREAM


def test_a_stop_in_mid_turn_lets_it_end_without_agent_listening(guest: Guest) -> None:
    guest.minimax.manner = minimax.Manner(pace=4)
    guest.start_agent()
    guest.push(chunks(framed(words())), "agent_audio_chunk")
    messages = guest.talker.until("audio_chunk")
    guest.talker.send("agent_mode_stop")
    messages += guest.talker.until("response")
    assert kinds(messages) == AGENT[:-1]
    guest.talker.ping()
    assert guest.kept()[1:] == [("assistant", REPLY_CN, False)]
    guest.start_agent()
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT


def test_a_session_started_while_a_turn_runs_listens_when_that_has_ended(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))
    guest.talker.send("message", content="你好")
    guest.talker.send("agent_mode_start")
    assert kinds(guest.talker.until("agent_listening")) == [*REPLY_KINDS, "agent_listening"]
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT


def test_a_session_that_was_stopped_before_it_began_never_listens(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))
    guest.talker.send("message", content="你好")
    for kind in ("agent_mode_start", "agent_mode_stop", "agent_mode_start", "agent_mode_stop"):
        guest.talker.send(kind)
    assert kinds(guest.talker.until("response")) == REPLY_KINDS
    guest.talker.ping()


def test_a_bad_chunk_is_bad_audio_and_the_utterance_goes_on(guest: Guest) -> None:
    guest.start_agent()
    start_speaking(guest)
    for bad in (b64(bytes(321)), "", "?", b64(b"OggS\x00\x02" + bytes(40))):
        guest.talker.send("agent_audio_chunk", audio_base64=bad)
        assert guest.talker.until("error")[-1]["code"] == "bad_audio"
    messages = guest.speak(chunks(words("en")[2 * 12800 :] + silence(1)))
    assert len(finals(messages)) == 1 and words("en") in bytes(guest.ear.calls[-1].audio)
