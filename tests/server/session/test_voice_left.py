"""Who sends audio faster than speech and is then gone, however that comes, is recognised no further.

Counted by the vendor: an utterance that is given up is never told its end, and what arrives after the end is known is
no more than was already on its way.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.protocol_client import ProtocolClient
from tests.server.voice import Guest, cloud_server, served, visit, words
from tests.simulated_cloud import TOKENS, CloudServer, until
from tests.simulators.bytedance import Fault
from tests.speech import BYTES_PER_S, chunks, silence

pytestmark = pytest.mark.slow

SPOKEN_S = 40
AT_ONCE_S = 16  # more is taken more slowly
ON_ITS_WAY = 4 * 6400  # bytes: what the loopback holds, of packets of 200 ms
NOTICED_S = 10  # of audio, while a machine with other things to do notices that somebody is gone


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("left"), CHATANON_TIMEOUTS__ASR_FINAL="300") as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud) as guest:
        yield guest


def heard(guest: Guest) -> int:
    return sum(len(call.audio) for call in guest.asr.calls)


def speak_far_ahead(guest: Guest, client: ProtocolClient, mode: str, seconds: float = SPOKEN_S) -> None:
    """Without a pause, and much faster than anybody speaks; the vendor has begun to hear it on return."""
    speech = words("en")
    pcm = (speech * (int(seconds * BYTES_PER_S) // len(speech) + 1))[: int(seconds * BYTES_PER_S)]
    stayed, guest.client = guest.client, client
    if mode == "agent":
        guest.start_agent()
        pcm = silence(AT_ONCE_S) + pcm  # so that the speech is read no faster than the vendor hears it
    else:
        client.send("audio_stream_start")
    guest.push(chunks(pcm, 500), "agent_audio_chunk" if mode == "agent" else "audio_stream_chunk")
    guest.wait_heard(2 * 6400)
    guest.client = stayed


@pytest.mark.parametrize("mode", ["stream", "agent"])
def test_whose_connection_is_lost_is_heard_no_further(guest: Guest, mode: str) -> None:
    guest.asr.hear = lambda _: ""  # nothing is sent to them that could not be delivered
    leaving = guest.server.client()
    speak_far_ahead(guest, leaving, mode)
    before = heard(guest)
    guest.leave(leaving, politely=False)
    known = heard(guest)
    guest.wait_unheard()
    assert known - before < NOTICED_S * BYTES_PER_S
    assert heard(guest) - known <= ON_ITS_WAY
    assert not any(call.ended for call in guest.asr.calls)
    assert guest.ark.requests == []


def replace(guest: Guest, client: ProtocolClient) -> None:
    newcomer = ProtocolClient(guest.server.process.url)
    newcomer.connect(api_token=TOKENS[-1])
    newcomer.close()


def flood(guest: Guest, client: ProtocolClient) -> None:
    for _ in range(11):
        client.send_raw("{")
    assert client.closed()[0] == 4502


def stop(guest: Guest, client: ProtocolClient) -> None:
    client.send("agent_mode_stop")
    client.send("ping")
    client.until("pong")


ENDS: dict[str, tuple[str, float, Callable[[Guest, ProtocolClient], None]]] = {
    "replaced, in a stream": ("stream", SPOKEN_S, replace),
    "replaced, in agent mode": ("agent", SPOKEN_S, replace),
    "agent mode is left": ("agent", 4, stop),
    "hung up on": ("stream", 4, flood),
}


@pytest.mark.parametrize("end", ENDS)
def test_whose_utterance_is_given_up_is_heard_no_further(guest: Guest, end: str) -> None:
    mode, seconds, bring_about = ENDS[end]
    client = ProtocolClient(guest.server.process.url)
    client.connect(api_token=TOKENS[-1])
    speak_far_ahead(guest, client, mode, seconds)
    bring_about(guest, client)
    known = heard(guest)
    guest.wait_unheard()
    assert heard(guest) - known <= ON_ITS_WAY
    assert not any(call.ended for call in guest.asr.calls)
    client.close()


def test_a_stream_that_is_too_long_is_heard_no_further(cloud: CloudServer, tmp_path: Path) -> None:
    with (
        served(cloud.vendors, tmp_path, CHATANON_LIMITS__MAX_AUDIO_SECONDS__STREAM="3") as server,
        visit(server) as guest,
    ):
        speak_far_ahead(guest, guest.client, "stream", 2)
        guest.push(chunks(words("en"), 100) * 2)
        assert guest.client.until("error")[-1]["code"] == "audio_too_long"
        known = heard(guest)
        guest.wait_unheard()
        assert heard(guest) - known <= ON_ITS_WAY
        assert not any(call.ended for call in guest.asr.calls)


def test_an_utterance_that_fails_is_sent_to_nobody_any_further(guest: Guest) -> None:
    guest.asr.faults = [Fault("audio", after_bytes=6400, code=45000010)]
    guest.client.send("audio_stream_start")
    guest.push(chunks((words("en") * 20)[: 10 * BYTES_PER_S], 500))
    assert guest.client.until("error")[-1]["code"] == "asr_failed"
    known = heard(guest)
    until(lambda: not guest.asr.open_calls, "the session that failed is closed")
    guest.push(chunks(words(), 100))
    guest.client.ping()
    assert heard(guest) - known <= ON_ITS_WAY and len(guest.asr.calls) == 1
    guest.operator = [("hearing_refused", 45000010)]
    guest.client.send("audio_stream_end")
