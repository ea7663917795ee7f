"""An utterance that ends while somebody speaks: what the ASR has not made use of is the beginning of the next one, and
between the two no sample is lost."""

from collections import deque
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from tests.server.voice import ANY_RATE, Guest, cloud_server, finals, visit, words
from tests.simulated_cloud import CloudServer, until
from tests.simulators.bytedance import Manner
from tests.speech import chunks, mix, say, silence

pytestmark = pytest.mark.slow

PACKET = 6400  # bytes: 200 ms
BEHIND = "and so we went to the market, and then to the station, and then home again, as on every day"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    settings = {"CHATANON_AGENT__LONGEST_UTTERANCE_SECONDS": "3", "CHATANON_AGENT__ECHO_GUARD": "false"}
    with cloud_server(tmp_path_factory.mktemp("parted"), **ANY_RATE, **settings) as server:
        yield server


@pytest.fixture(params=[(), ("barge_in", "turns", "speech_events")], ids=["half duplex", "full duplex"])
def guest(cloud: CloudServer, request: pytest.FixtureRequest) -> Iterator[Guest]:
    with visit(cloud, *request.param) as guest:
        yield guest


@pytest.fixture
def open_line(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud, "barge_in", "turns", "speech_events") as guest:
        yield guest


def whole_calls(guest: Guest, count: int) -> list[bytes]:
    until(lambda: len(guest.asr.calls) == count, f"there are {count} utterances")
    guest.wait_unheard()
    return [bytes(call.audio) for call in guest.asr.calls]


def test_speech_without_a_pause_is_parted_at_its_greatest_length_and_all_of_it_heard(guest: Guest) -> None:
    """Nothing is made of the first part, so that half duplex listens on as well."""
    guest.asr.hear = deque(["", "现在听到了"])
    spoken = words("zh") + words("en") + words("ja") + words("zh")
    guest.start_agent()
    sent = silence(0.5) + spoken + silence(1)
    guest.push(chunks(sent), "agent_audio_chunk")
    assert finals(guest.client.until("agent_listening")) == ["现在听到了"]
    first, second = whole_calls(guest, 2)
    heard = first + second
    assert spoken[:-320] in heard and heard in sent


def test_who_is_answered_at_the_greatest_length_and_speaks_on_is_heard_on(open_line: Guest) -> None:
    open_line.asr.hear = deque(["说到这里", "还没说完"])
    spoken = words("zh") + words("en") + words("ja") + words("zh")
    open_line.start_agent()
    sent = silence(0.5) + spoken + silence(1)
    open_line.push(chunks(sent), "agent_audio_chunk")
    told = open_line.client.until("agent_listening")
    if finals(told) != ["说到这里", "还没说完"]:  # the first reply had ended before it was interrupted
        told += open_line.client.until("agent_listening")
    assert finals(told) == ["说到这里", "还没说完"]
    heard = b"".join(whole_calls(open_line, 2))
    assert spoken[:-320] in heard and heard in sent


def until_loud(pcm: bytes, rms: float) -> int:
    """Bytes of it up to the end of its last loud 10 ms."""
    blocks = np.frombuffer(pcm[: len(pcm) // 320 * 320], "<i2").reshape(-1, 160).astype(float)
    return 320 * (1 + int(np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > rms)[-1]))


def follows(guest: Guest, size: int) -> bool:
    return len(guest.asr.audio) > size - 2 * PACKET


@pytest.mark.parametrize("early", [640, 1600, 4800], ids=lambda samples: f"{samples // 16} ms")
def test_what_came_before_a_definite_result_was_known_is_heard_from_its_first_sample(
    open_line: Guest, early: int
) -> None:
    """The person begins again, so many samples (more than a frame) before the server can know that the sentence before
    has ended; people behind them let no silence end it. What the vendor was sent after the end it told is heard by it
    twice, for nothing says that it has made anything of that."""
    guest, rms = open_line, 1500.0
    guest.asr.hear = deque(["说完了", "又说一句"])
    guest.asr.manner = Manner(loud_rms=rms)  # it tells the person from the people behind them
    behind = say(BEHIND, "en", level_db=-40.0)
    sent = mix(behind, silence(0.5) + words("zh"))[: 16000 + len(words("zh"))]
    behind = behind[len(sent) :]
    guest.start_agent()
    guest.push(chunks(sent), "agent_audio_chunk")
    guest.wait_heard(PACKET)
    (call,) = guest.asr.open_calls
    began = sent.index(bytes(call.audio[:PACKET]))
    end = began + until_loud(sent[began:], rms)
    known = began + -(-(end + 32 * 800 - began) // PACKET) * PACKET  # the end of the packet by which it is
    quiet, again = behind[: known - len(sent)], mix(words("en"), behind[: len(words("en"))])
    for piece in chunks(quiet[: -PACKET // 2], 32):  # no faster than it is heard
        guest.push([piece], "agent_audio_chunk")
        sent += piece
        until(partial(follows, guest, len(sent) - began), "the vendor follows")
    last = quiet[-PACKET // 2 :] + again[: 2 * early]
    guest.push([last], "agent_audio_chunk")
    sent += last
    until(lambda: not call.open, "the sentence is over")
    rest = again[2 * early :] + silence(1.5)
    guest.push(chunks(rest), "agent_audio_chunk")
    sent += rest
    told = guest.client.until("agent_listening")
    if finals(told) != ["说完了", "又说一句"]:
        told += guest.client.until("agent_listening")
    assert finals(told) == ["说完了", "又说一句"]
    first, second = whole_calls(guest, 2)
    assert first == sent[began : began + len(first)] and began + len(first) <= known + PACKET
    assert end <= sent.index(second) <= known and again in second
    at = [message["at_ms"] for message in told if message["type"].startswith("speech_")]
    assert at == sorted(at) and at[1] == end // 32


def test_a_microphone_that_is_switched_on_again_before_its_last_utterance_is_done_with_is_heard(guest: Guest) -> None:
    """It was switched off in mid-word."""
    guest.asr.hear = deque(["", "现在听到了"])
    guest.asr.manner = Manner(final_s=1.0)
    guest.start_agent()
    guest.push(chunks(silence(0.5) + words("zh")), "agent_audio_chunk")
    until(lambda: any(call.ended for call in guest.asr.calls), "the server waits no longer for more of it")
    guest.push(chunks(words("en") + silence(1)), "agent_audio_chunk")
    assert finals(guest.client.until("agent_listening")) == ["现在听到了"]
    assert words("en") in whole_calls(guest, 2)[1]
