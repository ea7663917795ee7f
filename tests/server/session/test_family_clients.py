"""Three clients that exist, on one configuration: every frame each of them is sent, in its order.

The one of the specification asks for nothing and is sent nothing else. A later one makes voice calls, and expects the
stages of a turn in them. A page with Live2D expects these everywhere and a `response` for each sentence; its clock of
playback begins anew at `llm_start`, and what it has it plays to the end.
"""

import json
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.protocol_client import ProtocolClient, Wire, audio
from tests.server.voice import (
    AGENT,
    BATCH,
    REPLY_KINDS,
    STREAM,
    Guest,
    b64,
    base_kinds,
    check_specified,
    errors,
    framed,
    served,
    visit,
    words,
)
from tests.simulated_cloud import TOKENS, CloudServer, Simulators, simulators
from tests.simulators.ark import REPLY, Behaviour
from tests.simulators.ark import Refusal as LLMRefusal
from tests.simulators.minimax import Fault, Manner
from tests.speech import chunks

pytestmark = pytest.mark.slow

FAMILY = {"CHATANON_PROTOCOL__DEFAULT_EXTENSIONS__BROWSERS": "stages,sentence_responses"}
PAGE = {"Origin": "http://live2d.example"}
LINES = [json.loads(line) for line in REPLY.splitlines()]
ONE_LINE = json.dumps({"emotion": "happy", "jp": "うん！", "cn": "嗯！"}, ensure_ascii=False)
SAMPLES_PER_S = 16_000
BYTES_PER_S = 2 * SAMPLES_PER_S
NO_SUCH_KEY = Fault("connect", status=1004, times=float("inf"))


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with simulators() as vendors, served(vendors, tmp_path_factory.mktemp("family"), **FAMILY) as server:
        yield server


@pytest.fixture
def guest(family: CloudServer) -> Iterator[Guest]:
    """Who asks for no extension, and is no browser."""
    with visit(family) as guest:
        yield guest


@pytest.fixture
def page(guest: Guest) -> Iterator[ProtocolClient]:
    """A browser that knows of no extensions either."""
    page = ProtocolClient(guest.server.process.url, PAGE)
    assert list(page.connect(api_token=TOKENS[-1])) == ["type", "character", "character_display_name", "message"]
    yield page
    guest.server.goodbye(page)


def frames(messages: Sequence[Wire]) -> list[str]:
    """Their types in order, runs of audio and of partial transcriptions as one.

    Without `llm_end`: it comes when the LLM has ended, and that is anywhere after its `llm_start`.
    """
    told: list[str] = []
    for message in messages:
        kind = message["type"]
        run = kind == "audio_chunk" or (kind == "transcription" and message["is_partial"])
        kind = "partial" if kind == "transcription" and message["is_partial"] else kind
        if kind != "llm_end" and not (run and told and told[-1] == kind):
            told.append(kind)
    return [kind for kind in told if kind != "partial"]


# ---------------------------------------------------------------- the client of the specification


def test_the_specified_client_is_sent_the_specification_alone(guest: Guest) -> None:
    client, pcm = guest.client, framed(words())
    messages = client.turn("你好")
    assert base_kinds(messages) == REPLY_KINDS
    said = list(messages)
    said += guest.clip(pcm)
    assert base_kinds(said[len(messages) :]) == BATCH
    streamed = guest.stream(chunks(pcm))
    assert base_kinds(streamed) == STREAM
    guest.start_agent()
    spoken = guest.speak(chunks(pcm))
    assert base_kinds(spoken) == AGENT
    client.send("agent_mode_stop")
    for command, answer in (
        ({"kind": "switch_character", "character_name": "anon"}, "character_switched"),
        ({"kind": "clear_history"}, "history_cleared"),
    ):
        client.send(**command)
        said.append(client.receive())
        assert said[-1]["type"] == answer
    check_specified([*said, *streamed, *spoken])
    client.ping()


# ---------------------------------------------------------------- a later one: calls, in a terminal

CALL = [
    *("asr_start", "transcription", "asr_end", "thinking", "llm_start", "tts_start"),
    *("audio_chunk", "audio_end", "response", "turn_end", "voice_call_listening"),
]


def start_call(client: ProtocolClient) -> None:
    client.send("voice_call_start")
    assert client.receive() == {"type": "voice_call_listening", "message": "Ready to listen"}


def test_a_client_that_makes_a_call_is_sent_the_stages_from_then_on(guest: Guest) -> None:
    guest.vendors.answer(then=Behaviour(reply=ONE_LINE))
    client = guest.client
    assert frames(client.turn("你好")) == REPLY_KINDS
    start_call(client)
    guest.push(chunks(framed(words())), "voice_call_audio_chunk")
    messages = client.until("voice_call_listening")
    assert frames(messages) == CALL
    (heard,) = [message for message in messages if message["type"] == "asr_end"]
    (thought,) = [message for message in messages if message["type"] == "llm_end"]
    (spoken,) = [message for message in messages if message["type"] == "tts_start"]
    assert list(heard) == ["type", "text"] and heard["text"]
    assert list(thought) == ["type", "elapsed_time"] and thought["elapsed_time"] >= 0
    assert spoken == {"type": "tts_start", "text": "うん！", "emotion": "happy"}
    assert messages[-2] == {"type": "turn_end"}
    client.send("voice_call_stop")
    assert frames([*client.turn("再见"), client.receive()]) == CALL[3:-1]  # and not in calls alone


@pytest.mark.parametrize("asked", [[], ["history"]], ids=str)
def test_a_client_that_asked_for_extensions_gets_those_and_no_stages_by_a_call(guest: Guest, asked: list[str]) -> None:
    client = ProtocolClient(guest.server.process.url)
    client.connect(api_token=TOKENS[-2], extensions=asked)
    start_call(client)
    assert frames([*client.turn("你好"), client.receive()]) == [*REPLY_KINDS, "voice_call_listening"]
    guest.server.goodbye(client)


def test_a_call_that_was_refused_changes_nothing(guest: Guest) -> None:
    guest.start_agent()
    guest.client.send("voice_call_start")
    assert errors([guest.client.receive()]) == ["wrong_state"]
    assert frames([*guest.client.turn("你好"), guest.client.receive()]) == [*REPLY_KINDS, "agent_listening"]


# ---------------------------------------------------------------- the page: a response for each sentence

SENTENCE = ["tts_start", "response", "audio_chunk"]


def told_of(line: Wire) -> Wire:
    """The `response` of one sentence."""
    return {
        **{"type": "response", "content_cn": line["cn"], "content_jp": line["jp"], "emotion": line["emotion"]},
        **{"audio_format": "pcm", "audio_sample_rate": SAMPLES_PER_S},
    }


# A translation that comes long before the voice, with it, and long after it.
PACES = [Behaviour(), Behaviour(token_s=0.002), Behaviour(token_s=0.02, token_chars=1)]


@pytest.mark.parametrize("pace", PACES, ids=["fast", "even", "slow"])
def test_a_page_is_sent_each_sentence_with_its_texts_and_its_emotion_before_its_voice(
    guest: Guest, page: ProtocolClient, pace: Behaviour
) -> None:
    guest.vendors.answer(then=pace)
    page.send("message", content="你好")
    messages = page.until("turn_end")
    assert frames(messages) == ["thinking", "llm_start", *SENTENCE * 3, "audio_end", "turn_end"]
    assert [message for message in messages if message["type"] == "response"] == [told_of(line) for line in LINES]
    for line, begun in zip(LINES, [m for m in messages if m["type"] == "tts_start"], strict=True):
        assert begun == {"type": "tts_start", "text": line["jp"], "emotion": line["emotion"]}
    assert audio(messages) == b"".join(guest.vendors.pcm(line["jp"], line["emotion"]) for line in LINES)
    assert messages[-1] == {"type": "turn_end"}
    assert [text for _, text, _ in guest.kept()] == ["你好", "".join(line["cn"] for line in LINES)]


def test_a_page_in_a_call_in_a_stream_and_with_a_recording(guest: Guest, page: ProtocolClient) -> None:
    guest.vendors.answer(then=Behaviour(reply=ONE_LINE))
    answered = ["llm_start", *SENTENCE, "audio_end", "turn_end"]
    pcm = framed(words())
    page.send("audio_message", audio_base64=b64(pcm))
    assert frames(page.until("turn_end")) == ["thinking", "asr_start", "transcription", "asr_end", *answered]
    page.send("audio_stream_start")
    for piece in chunks(pcm):
        page.send("audio_stream_chunk", audio_base64=b64(piece))
    page.send("audio_stream_end")
    heard = ["asr_start", "transcription", "asr_end", "thinking"]
    assert frames(page.until("turn_end")) == ["audio_stream_started", *heard, *answered]
    page.send("voice_call_start")
    assert page.receive()["type"] == "voice_call_listening"
    for piece in chunks(pcm):
        page.send("voice_call_audio_chunk", audio_base64=b64(piece))
    assert frames(page.until("voice_call_listening")) == [*heard, *answered, "voice_call_listening"]


def leave_repaired(guest: Guest) -> None:
    """What the operator was told of it is another test's affair."""
    guest.vendors.fail_voice()
    guest.vendors.answer()
    guest.operator = None


# What the voice or the LLM lacks: what the page is sent after `llm_start`, and what its `turn_end` says of it.
BROKEN = {
    "no voice": ([NO_SUCH_KEY], Behaviour(), ["response"] * 3, "audio_error"),
    "nothing to be spoken": ([], Behaviour(reply='{"emotion":"happy","jp":"……","cn":"……"}'), ["response"], None),
    "a voice that breaks": (
        [Fault("speech", text=LINES[1]["jp"], drop=True, times=float("inf"))],
        Behaviour(),
        [*SENTENCE, "response", "response", "audio_end"],
        "audio_error",
    ),
    "an LLM that breaks": ([], Behaviour(fault="drop", after=35), [*SENTENCE, "audio_end"], "incomplete"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_page_is_told_at_the_end_what_a_reply_lacks(guest: Guest, page: ProtocolClient, name: str) -> None:
    faults, behaviour, sent, lack = BROKEN[name]
    guest.vendors.fail_voice(*faults)
    guest.vendors.answer(then=behaviour)
    page.send("message", content="你好")
    messages = page.until("turn_end")
    assert frames(messages) == ["thinking", "llm_start", *sent, "turn_end"]
    assert (lack in messages[-1]) if lack else messages[-1] == {"type": "turn_end"}
    leave_repaired(guest)


def test_a_page_whose_llm_refuses_is_told_so_and_its_turn_ends(guest: Guest, page: ProtocolClient) -> None:
    guest.vendors.answer(then=Behaviour(refusal=LLMRefusal(401)))
    page.send("message", content="你好")
    assert frames(page.until("turn_end")) == ["thinking", "llm_start", "error", "turn_end"]
    leave_repaired(guest)


def test_sentence_responses_are_only_for_who_has_the_stages_too(guest: Guest) -> None:
    client = ProtocolClient(guest.server.process.url)
    assert client.connect(api_token=TOKENS[-2], extensions=["sentence_responses"])["extensions"] == []
    assert frames(client.turn("你好")) == REPLY_KINDS
    guest.server.goodbye(client)


def test_a_page_of_another_origin_reads_the_characters(family: CloudServer) -> None:
    address = family.process.url.replace("ws://", "http://").replace("/ws", "/characters")
    with urlopen(Request(address, headers=PAGE)) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", PAGE["Origin"])
        assert [each["name"] for each in json.load(answer)["characters"]][:1] == ["anon"]


# ---------------------------------------------------------------- what was sent is played out first


def sound_s(messages: list[Wire]) -> float:
    return len(audio(messages)) / BYTES_PER_S


@pytest.mark.parametrize("next_one", ["llm_start", "voice_call_listening"])
def test_the_next_reply_and_the_listening_wait_until_the_last_one_has_sounded(
    guest: Guest, page: ProtocolClient, next_one: str
) -> None:
    """No reply can be over sooner than it lasts, counted from before it was asked for: however slow this machine is."""
    guest.vendors.answer(then=Behaviour(reply=REPLY.splitlines()[0]))
    if next_one == "voice_call_listening":
        page.send("voice_call_start")
        assert page.receive()["type"] == "voice_call_listening"
    asked_at = time.monotonic()
    page.send("message", content="你好")
    page.send("message", content="再说一遍")
    first = page.until("turn_end")
    second = page.until(next_one)
    waited_s = time.monotonic() - asked_at
    assert waited_s >= sound_s(first) > 0.5
    if next_one == "llm_start":
        assert frames(second) == ["thinking", "llm_start"]  # it is taken at once, and the LLM asked
        page.until("turn_end")
    else:
        assert frames(second) == ["thinking", "llm_start", *SENTENCE, "audio_end", "turn_end", "voice_call_listening"]
        assert waited_s >= sound_s(first) + sound_s(second)


def test_what_is_said_while_the_reply_still_sounds_is_not_heard(guest: Guest, page: ProtocolClient) -> None:
    page.send("voice_call_start")
    assert page.receive()["type"] == "voice_call_listening"
    page.send("message", content="你好")
    page.until("turn_end")
    for piece in chunks(framed(words())):
        page.send("voice_call_audio_chunk", audio_base64=b64(piece))
    page.send("ping")
    assert frames(page.until("pong")) == ["pong"]
    assert frames(page.until("voice_call_listening")) == ["voice_call_listening"]
    assert guest.asr.calls == []


# ---------------------------------------------------------------- hung up on in the middle of a reply


def in_mid_reply(guest: Guest, client: ProtocolClient) -> None:
    """Of a voice that takes the time it takes to speak."""
    guest.minimax.manner = Manner(pace=1.0)
    client.send("message", content="你好")
    client.until("audio_chunk")


def farewell(client: ProtocolClient) -> list[str]:
    code, messages = client.closed()
    assert 4000 < code < 5000
    return [kind for kind in frames(messages) if kind not in ("tts_start", "audio_chunk", "response")]


def test_who_is_replaced_in_the_middle_of_a_reply_gets_audio_end_first(guest: Guest) -> None:
    client = ProtocolClient(guest.server.process.url)
    client.connect(api_token=TOKENS[-3], extensions=["turns"])
    in_mid_reply(guest, client)
    turn_id = client.said[-1]["turn_id"]
    other = ProtocolClient(guest.server.process.url)
    other.connect(api_token=TOKENS[-3])
    assert farewell(client) == ["audio_end", "disconnected"]
    assert client.said[-2] == {"type": "audio_end", "turn_id": turn_id}
    assert client.said[-1]["reason"] == "new_connection"
    guest.server.goodbye(other)


def test_who_sends_too_much_nonsense_in_the_middle_of_a_reply_gets_audio_end_first(guest: Guest) -> None:
    client = ProtocolClient(guest.server.process.url)
    client.connect(api_token=TOKENS[-4])
    in_mid_reply(guest, client)
    for _ in range(11):
        client.send_raw("{")
    assert farewell(client) == [*["error"] * 10, "audio_end", "error"]


def test_who_is_replaced_after_a_reply_gets_no_second_audio_end(guest: Guest) -> None:
    client = ProtocolClient(guest.server.process.url)
    client.connect(api_token=TOKENS[-5])
    client.turn("你好")
    other = ProtocolClient(guest.server.process.url)
    other.connect(api_token=TOKENS[-5])
    assert farewell(client) == ["disconnected"]
    guest.server.goodbye(other)


def test_a_reply_that_is_drained_in_its_middle_ends_with_audio_end(tmp_path: Path) -> None:
    with simulators() as vendors:
        _drain(vendors, tmp_path)


def _drain(vendors: Simulators, folder: Path) -> None:
    with served(vendors, folder, CHATANON_LIMITS__DRAIN_SECONDS="0.1") as server:
        vendors.minimax.manner = Manner(pace=1.0)
        client = server.client()
        client.send("message", content="你好")
        client.until("audio_chunk")
        server.process.process.send_signal(signal.SIGTERM)
        assert farewell(client) == ["audio_end", "disconnected"]
