"""An open microphone in; its utterances out, whole and alone: silence costs at the vendor's, and a cough is no turn."""

from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.protocol_client import kinds
from tests.server.voice import (
    AGENT,
    LANGUAGES,
    Guest,
    base_kinds,
    cloud_server,
    cut,
    finals,
    framed,
    served,
    visit,
    words,
)
from tests.simulated_cloud import CloudServer, until
from tests.simulators.bytedance import Manner
from tests.speech import SPEECH_DB, chunks, click, cough, keys, melody, mix, noise, say, seconds_of, silence, tone

pytestmark = pytest.mark.slow

PRE_ROLL_S, WINDOW_S = 0.3, 0.6  # as shipped
SLACK_S = 0.25  # how late the detector may be, in frames of 26 ms, to hear that a voice has faded
SHORT_ANSWERS = {"zh": ["好", "嗯", "对", "不"], "ja": ["はい", "うん"], "en": ["yes", "no", "OK"]}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("microphone")) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud) as guest:
        yield guest


@pytest.fixture
def watcher(cloud: CloudServer) -> Iterator[Guest]:
    """A user who is told where speech begins and ends."""
    with visit(cloud, "speech_events") as guest:
        yield guest


# --- every sample of the speech, and nothing else


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", [10, 20, 100, None], ids=["10 ms", "20 ms", "100 ms", "uneven"])
def test_every_sample_of_an_utterance_and_no_long_silence_reaches_the_recogniser(
    guest: Guest, language: str, size: int | None
) -> None:
    room = noise(5.0, SPEECH_DB - 20, color="pink")
    guest.start_agent()
    for before_s in (0.0, 1.7):
        pcm = framed(words(language), before_s, 1.2)
        pcm = mix(room[: len(pcm)], pcm) if before_s else pcm
        start = 2 * round(before_s * 16000)
        spoken = pcm[start : start + len(words(language))]
        assert kinds(guest.speak(cut(pcm, size))) == AGENT
        heard = bytes(guest.asr.calls[-1].audio)
        assert spoken in heard and heard in pcm
        assert seconds_of(heard) <= PRE_ROLL_S + seconds_of(spoken) + WINDOW_S + SLACK_S
    assert len(guest.asr.calls) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_of_one_syllable_is_an_utterance(guest: Guest, language: str) -> None:
    guest.start_agent()
    for answer in SHORT_ANSWERS[language]:
        spoken = say(answer, language)
        assert kinds(guest.speak(chunks(framed(spoken), 20))) == AGENT
        assert spoken in bytes(guest.asr.calls[-1].audio)
    assert len(guest.asr.calls) == len(SHORT_ANSWERS[language])


def test_a_pause_within_an_utterance_does_not_end_it(guest: Guest) -> None:
    spoken = words("zh") + silence(0.4) + words("en")
    guest.start_agent()
    assert kinds(guest.speak(chunks(framed(spoken), 20))) == AGENT
    (call,) = guest.asr.calls
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
    watcher.client.ping()  # nothing was told, not even that speech began
    assert watcher.asr.calls == [] and watcher.kept() == []
    assert base_kinds(watcher.speak(chunks(framed(words())))) == AGENT
    (call,) = watcher.asr.calls
    assert words() in bytes(call.audio)


def test_20_seconds_of_silence_open_no_session_and_then_an_utterance_works(watcher: Guest) -> None:
    watcher.start_agent()
    watcher.push(chunks(silence(20), 100), "agent_audio_chunk")
    watcher.client.ping()
    assert watcher.asr.calls == []
    before = watcher.asr.handshakes
    messages = watcher.speak(chunks(framed(words())))
    assert base_kinds(messages) == AGENT
    started = next(message for message in messages if message["type"] == "speech_started")
    assert abs(started["at_ms"] - 20_500) <= 150
    assert watcher.asr.handshakes == before + 1


# --- whichever is sure first ends it, and never twice


def speak_before_others(guest: Guest, burst_ms: int) -> None:
    """A short sentence, and people behind it who go on talking; until the vendor is sure that the sentence is over."""
    guest.asr.hear = deque(["说完了", "这不该说"])
    guest.asr.manner = Manner(loud_rms=1500.0)  # it tells the person from the people behind them
    behind = say("and so we went to the market, and then to the station, and then home again", "en", level_db=-40.0)
    pcm = mix((behind + behind)[: 8 * 32000], silence(0.5) + words("zh"))
    guest.start_agent()
    sent = 0
    for burst in chunks(pcm, burst_ms):  # no faster than it is heard
        guest.push(chunks(burst), "agent_audio_chunk")
        sent += len(burst)
        if sent > 32000:
            until(partial(_has_heard, guest, sent - 9600), "the vendor follows")
        if any(call.texts and not call.open for call in guest.asr.calls):
            break
    else:
        raise AssertionError("the utterance was not over before the end of the sound")


def _has_heard(guest: Guest, size: int) -> bool:
    """This much, or all that it wanted: nobody is sure of anything while more of it waits."""
    return len(guest.asr.audio) >= size or any(not call.open for call in guest.asr.calls)


@pytest.mark.parametrize("burst_ms", [100, 1000])
def test_the_vendors_definite_result_ends_an_utterance_that_voices_behind_it_would_not_let_end(
    guest: Guest, burst_ms: int
) -> None:
    speak_before_others(guest, burst_ms)
    messages = guest.client.until("agent_listening")
    assert kinds(messages) == AGENT and finals(messages) == ["说完了"]
    guest.client.ping()
    (call,) = guest.asr.calls
    assert not call.ended and len(guest.ark.requests) == 1  # nobody told the vendor that it was over


def test_both_ends_at_once_are_one_turn(guest: Guest) -> None:
    guest.start_agent()
    for after_s in (0.6, 0.7, 0.8, 0.9, 1.2):
        messages = guest.speak(chunks(framed(words(), 0.3, after_s) + silence(0.2)))
        assert kinds(messages) == AGENT and len(finals(messages)) == 1
    assert len(guest.asr.calls) == len(guest.ark.requests) == 5


def test_a_microphone_that_is_switched_off_in_mid_word_ends_its_utterance(guest: Guest) -> None:
    spoken = words("en")
    guest.start_agent()
    assert kinds(guest.speak(chunks(silence(0.5) + spoken))) == AGENT
    heard = bytes(guest.asr.calls[-1].audio)
    assert spoken[: len(spoken) // 1024 * 1024 - 1024] in heard  # the last frame was never whole


def test_an_utterance_that_does_not_end_is_ended_and_answered(cloud: CloudServer, tmp_path: Path) -> None:
    limit = {"CHATANON_AGENT__LONGEST_UTTERANCE_SECONDS": "2"}
    with served(cloud.vendors, tmp_path, **limit) as server, visit(server) as guest:
        guest.start_agent()
        spoken = words("zh") + words("en") + words("ja")
        assert kinds(guest.speak(chunks(framed(spoken)))) == AGENT
        (call,) = guest.asr.calls
        assert 1.9 < seconds_of(bytes(call.audio)) <= 2.0
        assert kinds(guest.speak(chunks(framed(words())))) == AGENT
