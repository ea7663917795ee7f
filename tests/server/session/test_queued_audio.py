"""Recordings of all users together have a place in memory, or are refused; and every place is given back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.protocol_client import ProtocolClient, Wire
from tests.server.voice import Guest, b64, cloud_server, errors, words
from tests.simulated_cloud import TOKENS, CloudServer
from tests.simulators.ark import Behaviour
from tests.simulators.bytedance import Fault
from tests.speech import wav

pytestmark = pytest.mark.slow

PLACES = 4
LONGEST_S = 3
CLIP = words("zh")[:16000]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(
        tmp_path_factory.mktemp("queued"),
        CHATANON_TIMEOUTS__ASR_FINAL="300",
        CHATANON_TIMEOUTS__LLM_FIRST_TOKEN="120",
        CHATANON_TIMEOUTS__LLM_TOTAL="120",
        CHATANON_LIMITS__MAX_AUDIO_SECONDS__BATCH=str(LONGEST_S),
        CHATANON_LIMITS__QUEUED_AUDIO_BYTES=str(PLACES * len(CLIP)),
    ) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    cloud.vendors.reset()
    guest = Guest(cloud)
    yield guest
    guest.leave()
    assert not any("Traceback" in line for line in cloud.process.log)


@contextmanager
def users(guest: Guest, count: int) -> Iterator[list[ProtocolClient]]:
    """So many, who are gone on the way out."""
    with ExitStack() as stack:
        clients = [guest.server.client() for _ in range(count)]
        for client in clients:
            stack.callback(guest.leave, client)
        yield clients


def send(client: ProtocolClient, data: bytes = CLIP) -> None:
    client.send("audio_message", audio_base64=b64(data))


def check_whole(guest: Guest) -> None:
    """As many recordings as have a place are taken, of whomever, and the next one is not."""
    guest.asr.faults = [Fault("final", stall=True, times=100)]
    with users(guest, PLACES) as clients:
        for client in clients:
            send(client)
            assert client.receive()["type"] == "thinking"
        send(guest.client)
        check_busy(guest.client.receive())
    guest.wait_unheard()
    guest.asr.faults = []
    guest.vendors.answer()  # whoever left may have left before the LLM was asked
    assert errors(guest.clip(CLIP)) == []


def check_busy(error: Wire) -> None:
    assert (error["type"], error["code"], error["retryable"]) == ("error", "busy", True)
    assert error["retry_after_ms"] > 0


def test_as_many_as_have_a_place_are_taken_and_every_place_is_given_back(guest: Guest) -> None:
    check_whole(guest)
    check_whole(guest)


def test_those_that_wait_hold_their_place_whoever_sent_them(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(fault="silent"))
    with users(guest, 1) as [waiting]:
        waiting.send("message", content="你好")
        assert waiting.receive()["type"] == "thinking"
        for _ in range(PLACES + 1):
            send(waiting)
        check_busy(waiting.receive())
        send(guest.client)
        check_busy(guest.client.receive())
    guest.vendors.portal.call(guest.ark.wait_idle)
    check_whole(guest)


def test_a_place_is_free_as_soon_as_the_recording_is_understood(guest: Guest) -> None:
    guest.vendors.answer(*[Behaviour(fault="silent")] * (PLACES + 1))
    with users(guest, PLACES + 1) as clients:
        for client in clients:
            send(client)
            messages = client.until("transcription", "error")
            assert errors(messages) == []


def leave(guest: Guest, client: ProtocolClient) -> None:
    guest.leave(client, politely=False)


def be_replaced(guest: Guest, client: ProtocolClient) -> None:
    newcomer = ProtocolClient(guest.server.process.url)
    newcomer.connect(api_token=TOKENS[-1])
    assert client.closed()[0] == 4501
    guest.leave(newcomer)


def be_hung_up_on(guest: Guest, client: ProtocolClient) -> None:
    for _ in range(11):
        client.send_raw("{")
    assert client.closed()[0] == 4502


def lose_the_vendor(guest: Guest, client: ProtocolClient) -> None:
    guest.asr.faults = [Fault("handshake", drop=True, times=100)]
    guest.vendors.portal.call(guest.vendors._hang_up)
    assert client.until("error")[-1]["code"] == "asr_failed"
    guest.leave(client)


WAYS_OUT: dict[str, Callable[[Guest, ProtocolClient], None]] = {
    "leaves": leave,
    "is replaced": be_replaced,
    "is hung up on": be_hung_up_on,
    "is failed by the vendor": lose_the_vendor,
}


@pytest.mark.parametrize("way", WAYS_OUT)
@pytest.mark.parametrize("count", [1, PLACES], ids=["one, recognised", "all, of which most wait"])
def test_every_place_is_given_back_when_somebody(guest: Guest, way: str, count: int) -> None:
    guest.asr.faults = [Fault("final", stall=True, times=100)]
    client = ProtocolClient(guest.server.process.url)
    client.connect(api_token=TOKENS[-1])
    for _ in range(count):
        send(client)
    guest.wait_heard(len(CLIP))
    WAYS_OUT[way](guest, client)
    guest.wait_unheard()
    client.close()
    check_whole(guest)


NOT_TAKEN = {
    "no sound": b"",
    "half a sample": CLIP[:999],
    "another format": b"ID3\x04\x00\x00\x00\x00\x00\x21" + bytes(100),
    "a file without samples": wav(CLIP)[:44],
    "too long": bytes(LONGEST_S * 32000 + 2),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_every_place_is_given_back_of_what_is_no_recording(guest: Guest, name: str) -> None:
    for _ in range(PLACES + 1):
        send(guest.client, NOT_TAKEN[name])
        assert errors([guest.client.receive()])[0] in ("bad_audio", "audio_too_long")
    check_whole(guest)


def test_a_recording_that_alone_is_more_than_all_places_is_taken_all_the_same(guest: Guest) -> None:
    assert errors(guest.clip(CLIP * (PLACES + 1))) == []
    check_whole(guest)
