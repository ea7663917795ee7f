"""`agent.end_of_turn: words`: a pause in what somebody says in, and whether they have finished by their words, out."""

from collections import deque
from collections.abc import Iterator

import pytest

from tests.protocol_client import Wire
from tests.server.voice import ANY_RATE, Guest, cloud_server, finals, visit, words
from tests.simulated_cloud import CloudServer
from tests.simulators.bytedance import Manner
from tests.speech import chunks, silence

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    settings = {**ANY_RATE, "CHATANON_AGENT__END_OF_TURN": "words"}
    with cloud_server(tmp_path_factory.mktemp("by_words"), **settings) as server:
        yield server


@pytest.mark.parametrize(
    ("said", "pause_s", "utterances"),
    [
        ("那个然后", 1.1, 1),  # more must come, and the vendor's own window is no shorter than ours
        ("我先去洗澡", 0.8, 1),  # who knows
        ("你在哪里", 0.48, 2),  # a whole question: sooner than by silence alone
        ("不要", 0.8, 2),  # an answer waits for no more than that
    ],
)
def test_how_long_a_pause_may_be(cloud: CloudServer, said: str, pause_s: float, utterances: int) -> None:
    with visit(cloud, "turns", "barge_in") as guest:
        guest.asr.manner = Manner(character_ms=10)
        guest.asr.hear = deque([said, "再见"])
        guest.start_agent()
        guest.push(chunks(silence(0.5) + words()), "agent_audio_chunk")
        heard = understood(guest, said)
        guest.push(chunks(silence(pause_s) + words("en") + silence(2)), "agent_audio_chunk")
        while len(finals(heard)) < utterances:
            heard += guest.client.until("transcription")
        heard += guest.client.until("agent_listening")
        assert finals(heard) == [said, "再见"][:utterances]


def understood(guest: Guest, text: str) -> list[Wire]:
    """All messages until so much was recognised."""
    heard: list[Wire] = []
    while not heard or heard[-1].get("text") != text:
        heard += guest.client.until("transcription")
    return heard
