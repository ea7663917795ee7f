"""What an ASR writes down where nobody spoke, in every mode: no turn, and the model is not asked."""

from collections.abc import Iterator

import pytest

from tests.protocol_client import kinds
from tests.server.voice import AGENT, Guest, cloud_server, errors, framed, visit, words
from tests.simulated_cloud import CloudServer
from tests.speech import chunks

pytestmark = pytest.mark.slow

NOISE = ["。", "……", " ？！", "♪", "\u200b、"]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("noise")) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud) as guest:
        yield guest


def check_nothing_came_of_it(guest: Guest) -> None:
    assert guest.ark.requests == [] and guest.kept() == []
    guest.asr.hear = lambda _: "早上好"


@pytest.mark.parametrize("noise", NOISE)
def test_punctuation_alone_is_no_speech_in_a_recording_and_in_a_stream(guest: Guest, noise: str) -> None:
    guest.asr.hear = lambda _: noise
    assert errors(guest.clip(words())) == ["no_speech"]
    told = guest.stream(chunks(framed(words())))
    assert errors(told) == ["no_speech"] and "transcription" not in kinds(told)
    check_nothing_came_of_it(guest)


@pytest.mark.parametrize("noise", NOISE)
def test_punctuation_alone_is_nothing_in_agent_mode_and_the_next_utterance_is_heard(guest: Guest, noise: str) -> None:
    guest.asr.hear = lambda _: noise
    guest.start_agent()
    guest.push(chunks(framed(words())), "agent_audio_chunk")
    guest.wait_heard(len(words()))
    guest.wait_unheard()
    guest.client.ping()
    check_nothing_came_of_it(guest)
    assert kinds(guest.speak(chunks(framed(words())))) == AGENT
