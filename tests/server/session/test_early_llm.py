"""`agent.speculative`: the LLM is asked before an utterance is certain; a wrong guess is closed, and nobody sees it."""

from collections import deque
from collections.abc import Iterator

import pytest

from tests.protocol_client import ProtocolClient, Wire, kinds
from tests.server.voice import AGENT, ANY_RATE, REPLY_CN, Guest, base_kinds, cloud_server, errors, finals, visit, words
from tests.simulated_cloud import TOKENS, CloudServer, until
from tests.simulators.ark import REFUSALS, Behaviour
from tests.speech import chunks, silence

pytestmark = pytest.mark.slow

PAUSE = silence(0.35)  # which ends no utterance
STUCK = Behaviour(fault="silent")  # it answers nothing, until it is closed


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    settings = {"CHATANON_AGENT__SPECULATIVE": "true", "CHATANON_AGENT__ECHO_GUARD": "false"}
    with cloud_server(tmp_path_factory.mktemp("early"), **ANY_RATE, **settings) as server:
        yield server


@pytest.fixture(params=[(), ("barge_in", "turns")], ids=["half duplex", "full duplex"])
def guest(cloud: CloudServer, request: pytest.FixtureRequest) -> Iterator[Guest]:
    with visit(cloud, *request.param) as guest:
        yield guest


def pause_behind_words(guest: Guest) -> None:
    """The LLM has been asked for an answer to "早上好" on return, and the utterance goes on."""
    guest.asr.hear = deque(["早上好"])
    guest.start_agent()
    guest.push(chunks(silence(0.5) + words()), "agent_audio_chunk")
    while guest.client.until("transcription")[-1]["text"] != "早上好":
        pass
    guest.push(chunks(PAUSE), "agent_audio_chunk")
    until(lambda: bool(guest.ark.requests), "the LLM was asked")


def asked(guest: Guest) -> list[str]:
    return [request["messages"][-1]["content"] for request in guest.ark.requests]


def idle(guest: Guest) -> None:
    guest.vendors.portal.call(guest.ark.wait_idle)


def next_line(guest: Guest, before: int) -> Wire:
    """Of the only turn since there were so many."""
    guest.server.process.wait_for("turn", before + 1)
    (line,) = guest.server.process.events("turn")[before:]
    return line


def test_what_was_guessed_is_used_and_asked_once(guest: Guest) -> None:
    before = len(guest.server.process.events("turn"))
    pause_behind_words(guest)
    guest.client.send("ping")
    assert set(kinds(guest.client.until("pong")[:-1])) <= {"transcription"}, "nobody sees anything of it"
    assert guest.kept() == []
    messages = guest.speak(chunks(silence(0.8)))
    assert finals(messages) == ["早上好"] and base_kinds(messages)[-5:] == AGENT[-5:]
    assert asked(guest) == ["早上好"] and guest.kept()[1] == ("assistant", REPLY_CN, False)
    assert next_line(guest, before)["llm_speculations"] == {"asked": 1, "used": 1, "thrown_away": 0}


def test_a_transcript_that_changes_is_asked_anew(guest: Guest) -> None:
    before = len(guest.server.process.events("turn"))
    guest.vendors.answer(STUCK)
    pause_behind_words(guest)
    guest.asr.hear = deque(["早上好啊"])
    messages = guest.speak(chunks(silence(0.8)))
    assert finals(messages) == ["早上好啊"] and asked(guest) == ["早上好", "早上好啊"]
    assert next_line(guest, before)["llm_speculations"]["thrown_away"] == 1
    idle(guest)


def test_who_goes_on_is_not_answered_before_they_have_finished(guest: Guest) -> None:
    guest.vendors.answer(STUCK)
    pause_behind_words(guest)
    guest.asr.hear = deque(["早上好，今天我们去哪里玩比较好呢"])
    guest.push(chunks(words("en")[:19200]), "agent_audio_chunk")
    idle(guest)  # though the utterance goes on
    messages = guest.speak(chunks(words("en")[19200:] + silence(1)))
    assert finals(messages) == [guest.kept()[0][1]] and guest.kept()[1] == ("assistant", REPLY_CN, False)
    assert 2 <= len(asked(guest)) <= 3 and asked(guest)[-1] == finals(messages)[0]


@pytest.mark.parametrize("way", ["hang up", "leave", "cable", "character", "typed"])
def test_nothing_is_left_open_whatever_comes_between(guest: Guest, way: str) -> None:
    guest.vendors.answer(STUCK)
    pause_behind_words(guest)
    match way:
        case "hang up":
            guest.client.send("agent_mode_stop")
        case "leave" | "cable":
            guest.leave(politely=way == "leave")
        case "character":
            guest.client.send("switch_character", character_name="tomori")
        case "typed":
            guest.client.send("message", content="我打字")
    if way in ("character", "typed"):
        guest.push(chunks(silence(0.8)), "agent_audio_chunk")
        guest.vendors.answer(then=Behaviour())
        guest.client.send("interrupt")
        guest.client.send("agent_mode_stop")
        guest.client.until("response" if way == "typed" else "character_switched")
    else:
        idle(guest)
        assert guest.kept() == []


def test_nothing_is_left_open_by_who_is_taken_over(cloud: CloudServer) -> None:
    with visit(cloud) as guest:
        guest.leave()
        guest.client = ProtocolClient(cloud.process.url)
        guest.client.connect(api_token=TOKENS[-1])
        guest.vendors.answer(STUCK)
        pause_behind_words(guest)
        second = ProtocolClient(cloud.process.url)
        second.connect(api_token=TOKENS[-1])
        idle(guest)
        guest.client.close()
        guest.client = second


@pytest.mark.parametrize("code", ["InternalServiceError", "InputTextSensitiveContentDetected"])
def test_a_guess_that_failed_is_asked_again_as_if_it_had_never_been(guest: Guest, code: str) -> None:
    guest.operator = None
    refused = Behaviour(refusal=REFUSALS[code])
    guest.vendors.answer(*[refused] * (2 if code == "InternalServiceError" else 1))
    pause_behind_words(guest)
    idle(guest)
    messages = guest.speak(chunks(silence(0.8)))
    assert not errors(messages) and guest.kept()[1] == ("assistant", REPLY_CN, False)


def test_a_turn_whose_guess_is_not_answered_yet_can_be_interrupted(cloud: CloudServer) -> None:
    with visit(cloud, "barge_in", "turns") as guest:
        guest.vendors.answer(STUCK)
        pause_behind_words(guest)
        guest.push(chunks(silence(0.8)), "agent_audio_chunk")
        guest.client.until("thinking")
        guest.client.send("interrupt")
        assert guest.client.until("turn_end")[-1]["status"] == "interrupted"
        idle(guest)
        guest.client.until("agent_listening")
        assert asked(guest) == ["早上好"]


def test_it_is_off_by_default(cloud: CloudServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    with cloud_server(tmp_path_factory.mktemp("late"), **ANY_RATE) as server, visit(server) as guest:
        guest.asr.hear = deque(["早上好"])
        before = len(guest.server.process.events("turn"))
        guest.start_agent()
        guest.push(chunks(silence(0.5) + words() + PAUSE), "agent_audio_chunk")
        guest.wait_heard(len(words()))
        assert guest.ark.requests == []
        messages = guest.speak(chunks(silence(0.8)))
        assert finals(messages) == asked(guest) == ["早上好"]
        assert "llm_speculations" not in next_line(guest, before)
