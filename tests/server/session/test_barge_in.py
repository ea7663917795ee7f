"""Speech into a reply, and the message `interrupt`: the reply stops, what was heard of it is kept, and who spoke is
answered. Or it was nothing, and the reply goes on."""

import json
from collections import deque
from collections.abc import Iterator

import pytest

from conversation.prompt import CUT
from tests.protocol_client import Wire, audio, kinds
from tests.server.voice import ANY_RATE, REPLY_CN, Guest, cloud_server, finals, visit, words
from tests.simulated_cloud import CloudServer, until
from tests.simulators.ark import REPLY, Behaviour
from tests.speech import chunks, noise, silence

pytestmark = pytest.mark.slow

EXTENSIONS = ("turns", "sentences", "barge_in", "history")
LINES = [
    (f"これは{number}番目の長い文で、まだまだ続くの。", f"这是第{number}句长话，还没完呢。")
    for number in "一二三四五六"
]
LONG = "\n".join(json.dumps({"emotion": "happy", "jp": jp, "cn": cn}, ensure_ascii=False) for jp, cn in LINES)
WHOLE = "".join(jp for jp, _ in LINES)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    # Far enough ahead for the tests to be quick, and not so far that a reply is sent whole before it is interrupted.
    # And no guard: its clock is a microphone's, which is as fast as time (tests/server/session/test_voice_embedded.py).
    settings = {**ANY_RATE, "CHATANON_AUDIO__LEAD_MS": "1500", "CHATANON_AGENT__ECHO_GUARD": "false"}
    with cloud_server(tmp_path_factory.mktemp("barge_in"), **settings) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    with visit(cloud, *EXTENSIONS) as guest:
        yield guest


def listen(guest: Guest, *heard: str) -> None:
    """Agent mode, on an ASR that understands these utterances."""
    guest.asr.hear = deque(heard)
    guest.start_agent()


def reply_begins(guest: Guest, reply: str = LONG) -> list[Wire]:
    """A question, and the beginning of a reply: up to its first audio."""
    guest.vendors.answer(Behaviour(reply=reply))
    guest.push(chunks(silence(0.5) + words() + silence(1)), "agent_audio_chunk")
    return guest.client.until("audio_chunk")


def shown(guest: Guest) -> list[Wire]:
    guest.client.send("get_history", limit=20)
    entries: list[Wire] = guest.client.until("history")[-1]["messages"]
    return entries


def test_speech_stops_the_reply_is_heard_from_its_first_sample_and_answered(guest: Guest) -> None:
    listen(guest, "讲个长故事吧", "等一下，先说别的")
    turn_id = reply_begins(guest)[-1]["turn_id"]
    guest.push(chunks(words("en") + silence(1)), "agent_audio_chunk")
    stopped = guest.client.until("turn_end")
    told = kinds(stopped)
    at = told.index("interrupted")
    assert told[at:] == ["interrupted", "audio_end", "response", "turn_end"] and set(told[:at]) <= {
        "audio_chunk",
        "sentence",
    }
    interrupted, _, response, end = stopped[-4:]
    assert (interrupted["turn_id"], interrupted["reason"], end["status"]) == (turn_id, "speech", "interrupted")
    assert WHOLE.startswith(response["content_jp"]) and response["content_jp"] != WHOLE
    answer = guest.client.until("agent_listening")
    assert finals(answer) == ["等一下，先说别的"] and "turn_started" in kinds(answer)
    assert words("en") in bytes(guest.asr.calls[-1].audio)
    last = guest.ark.requests[-1]["messages"][-2:]
    assert last[1] == {"role": "user", "content": (CUT if response["content_jp"] else "") + "等一下，先说别的"}
    assert [entry.get("cut", False) for entry in shown(guest)][-2:] == [False, False]


NOTHING = {
    "a word that only shows listening": (words("en"), "嗯嗯，对对"),
    "a cough": (noise(0.12, -20.0), "咳"),
    "noise that the detector takes for speech": (words("en"), ""),
}


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_no_speech_leaves_the_reply_whole(guest: Guest, name: str) -> None:
    sound, heard = NOTHING[name]
    listen(guest, "讲个长故事吧", heard)
    said = reply_begins(guest, REPLY)
    guest.push(chunks(sound + silence(1)), "agent_audio_chunk")
    said += guest.client.until("agent_listening")
    assert "interrupted" not in kinds(said) and "error" not in kinds(said)
    assert len(finals(said)) == 1, "what was no speech is not told"
    response = next(message for message in said if message["type"] == "response")
    assert response["content_cn"] == REPLY_CN
    assert next(message for message in said if message["type"] == "turn_end")["status"] == "completed"
    assert guest.kept()[-1] == ("assistant", REPLY_CN, False)


def test_a_client_interrupts_a_typed_turn_and_says_how_much_it_has_played(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(reply=LONG))
    guest.client.send("message", content="讲个长故事吧")
    said = guest.client.until("audio_chunk")
    while len(audio(said)) < 32 * 2000:
        said += guest.client.until("audio_chunk")
    guest.client.send("interrupt", played_ms=1500)
    said += guest.client.until("turn_end")
    interrupted, _, response, end = said[-4:]
    assert kinds(said)[-4:] == ["interrupted", "audio_end", "response", "turn_end"]
    assert (interrupted["reason"], interrupted["heard_ms"], end["status"]) == ("client", 1500, "interrupted")
    begun = [message["content_jp"] for message in said if message["type"] == "sentence" and message["start_ms"] <= 1500]
    assert 0 < len(response["content_jp"]) <= len("".join(begun))
    guest.client.turn("刚才说到哪了")
    messages = guest.ark.requests[-1]["messages"]
    heard = [json.loads(line)["jp"] for line in messages[-2]["content"].splitlines()]
    assert "".join(heard) == response["content_jp"]
    assert messages[-1]["content"] == CUT + "刚才说到哪了"
    assert [(each["role"], each.get("cut")) for each in shown(guest)] == [
        ("user", True),
        ("assistant", True),
        ("user", None),
        ("assistant", None),
    ]


@pytest.mark.parametrize("played_ms", [0, 10**9, None])
def test_more_than_was_sent_was_not_heard(guest: Guest, played_ms: int | None) -> None:
    guest.vendors.answer(Behaviour(reply=LONG))
    guest.client.send("message", content="讲个长故事吧")
    said = guest.client.until("audio_chunk")
    guest.client.send("interrupt", **({} if played_ms is None else {"played_ms": played_ms}))
    said += guest.client.until("turn_end")
    sent_ms = len(audio(said)) // 32
    heard_ms = next(message["heard_ms"] for message in said if message["type"] == "interrupted")
    assert heard_ms == 0 if played_ms == 0 else 0 <= heard_ms <= sent_ms


def test_interrupting_where_no_turn_runs_does_nothing(guest: Guest) -> None:
    for _ in range(3):
        guest.client.send("interrupt")
    guest.client.ping()
    guest.client.turn("你好")
    guest.client.until("turn_end")
    guest.client.send("interrupt", played_ms=100)
    guest.client.ping()


@pytest.mark.parametrize("played_ms", [-1, "all", 1.5])
def test_an_interrupt_that_counts_in_nonsense_is_refused(guest: Guest, played_ms: object) -> None:
    guest.client.send("interrupt", played_ms=played_ms)
    assert guest.client.receive()["code"] == "bad_message"


def test_a_turn_is_interrupted_before_a_word_of_it_was_heard(guest: Guest) -> None:
    guest.vendors.answer(Behaviour(fault="silent"))
    asked = len(guest.ark.requests)
    guest.client.send("message", content="讲个长故事吧")
    guest.client.until("thinking")
    until(lambda: len(guest.ark.requests) > asked, "the LLM was asked")
    guest.client.send("interrupt")
    interrupted, end, response, _ = guest.client.until("turn_end")
    assert (interrupted["heard_ms"], end["type"]) == (0, "audio_end")
    assert (response["content_jp"], response["content_cn"]) == ("", "")
    guest.vendors.portal.call(guest.ark.wait_idle)
    assert guest.client.turn("你好")[-1]["type"] == "response"
    assert [message["content"] for message in guest.ark.requests[-1]["messages"][1:]] == ["讲个长故事吧", "你好"]


def test_each_of_many_who_interrupt_one_another_is_answered_in_order(guest: Guest) -> None:
    listen(guest, "讲个长故事吧", "等一下", "不对", "算了")
    reply_begins(guest)
    for text in ("等一下", "不对", "算了"):
        guest.vendors.answer(Behaviour(reply=LONG))
        guest.push(chunks(words("en") + silence(1)), "agent_audio_chunk")
        stopped = guest.client.until("interrupted")
        assert not finals(stopped)
        assert finals(guest.client.until("audio_chunk")) == [text]
    guest.client.send("interrupt")
    assert guest.client.until("agent_listening")[-3]["type"] == "response"
    users = [text for role, text, _ in guest.kept() if role == "user"]
    assert users == ["讲个长故事吧", "等一下", "不对", "算了"]


def test_hanging_up_while_speaking_over_a_reply_lets_the_reply_go_on(guest: Guest) -> None:
    listen(guest, "讲个长故事吧", "")
    reply_begins(guest, REPLY)
    guest.push(chunks(words("en")[: 2 * 9600]), "agent_audio_chunk")
    guest.client.send("agent_mode_stop")
    said = guest.client.until("turn_end")
    assert said[-1]["status"] == "completed" and said[-2]["content_cn"] == REPLY_CN


def test_audio_of_a_turn_that_cannot_be_interrupted_is_not_paced(cloud: CloudServer) -> None:
    with visit(cloud, "turns") as guest:
        guest.vendors.answer(Behaviour(reply=LONG))
        said = guest.client.turn("讲个长故事吧")
        said += guest.client.until("turn_end")
        timings = said[-1]["timings_ms"]
        assert len(audio(said)) // 32 > timings["audio_end"], "all of it was there before it could have been played"
