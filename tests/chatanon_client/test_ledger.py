"""Which event of the server answers which request, without a server."""

from typing import Any

import pytest

from chatanon_client.errors import ChatAnonError
from chatanon_client.events import AgentListening, Event, History, HistoryCleared
from chatanon_client.ledger import VOICE_ERRORS, Ledger
from chatanon_client.turns import Request, Turn
from chatanon_client.wire import read_frame

pytestmark = pytest.mark.anyio

LOST = ChatAnonError("lost")


class Book:
    """A ledger, told in frames."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def hear(self, kind: str, **fields: Any) -> bool:
        event: Event = read_frame({"type": kind, **fields})
        return self.ledger.receive(event)

    def fail(self, code: str, **fields: Any) -> bool:
        return self.hear("error", code=code, message="no", **fields)

    def ask(self, kind: Any = "text") -> Turn:
        turn = Turn("", kind)
        self.ledger.ask(turn)
        return turn

    def stream(self) -> Turn:
        """Its chunks are being sent."""
        turn = self.ask("stream")
        self.hear("audio_stream_started")
        assert turn.started.is_set()
        return turn


def hands_free() -> Book:
    book = Book()
    start: Request[AgentListening] = Request("", AgentListening)
    book.ledger.ask(start)
    book.hear("agent_listening")
    assert start.is_done and not start.has_failed
    return book


async def test_a_stream_is_one_request_from_its_start_to_its_response() -> None:
    book = Book()
    stream = book.stream()
    for is_partial in (True, False):
        book.hear("transcription", text="嗯", is_partial=is_partial)
    assert not stream.is_done
    book.hear("response", content_jp="うん")
    reply = await stream
    assert (reply.transcript, reply.content_jp) == ("嗯", "うん")


@pytest.mark.parametrize("end_was_sent", [False, True])
async def test_one_late_wrong_state_after_a_broken_stream_answers_nothing_and_is_not_told(end_was_sent: bool) -> None:
    book = Book()
    broken = book.stream()
    broken.has_rest = not end_was_sent
    assert book.fail("asr_failed") and broken.has_failed
    text = book.ask()
    assert not book.fail("wrong_state")
    assert not text.is_done
    assert book.fail("wrong_state") and text.has_failed


async def test_a_stream_that_starts_after_a_broken_one_can_be_refused() -> None:
    book = Book()
    book.stream()
    book.fail("stream_timeout")
    second = book.stream()
    assert book.fail("wrong_state") and second.has_failed


@pytest.mark.parametrize("code", ["rate_limited", "bad_audio"])
async def test_a_refused_chunk_is_no_answer_until_the_end_was_sent(code: str) -> None:
    book = Book()
    stream = book.stream()
    assert book.fail(code) and not stream.is_done
    stream.has_rest = False
    assert book.fail(code) and stream.has_failed


async def test_turns_of_agent_mode_answer_nobody() -> None:
    book = hands_free()
    typed = book.ask()
    book.hear("transcription", text="嗯", is_partial=False)
    book.hear("response")
    assert not typed.is_done
    book.hear("agent_listening")
    book.hear("response")
    assert typed.is_done and not typed.has_failed


async def test_the_kind_of_a_turn_is_believed_where_the_server_tells_it() -> None:
    book = hands_free()
    typed = book.ask()
    book.hear("turn_started", turn_id="a", input="agent")
    assert book.fail("llm_failed", turn_id="a") and not typed.is_done
    book.hear("turn_end", turn_id="a")
    assert not typed.is_done
    book.hear("turn_started", turn_id="b", input="text")
    assert book.fail("llm_failed", turn_id="b") and not typed.is_done
    book.hear("turn_end", turn_id="b")
    assert typed.has_failed


async def test_what_is_refused_beside_a_turn_that_goes_on_does_not_end_it() -> None:
    book = Book()
    typed = book.ask()
    book.hear("turn_started", turn_id="a", input="text")
    assert book.fail("rate_limited") and not typed.is_done
    book.hear("response", content_cn="好", turn_id="a")
    assert not typed.is_done
    book.hear("turn_end", turn_id="of a turn before")
    book.hear("turn_end", turn_id="a", timings_ms={"first_audio": 7, "odd": "x"})
    reply = await typed
    assert (reply.content_cn, reply.timings_ms) == ("好", {"first_audio": 7})


async def test_sentences_that_come_as_responses_are_one_reply() -> None:
    book = Book()
    book.ledger.ends_itself = True
    typed = book.ask()
    book.hear("turn_end")  # of a turn that failed before
    book.hear("thinking")
    for text in ("一", "二"):
        book.hear("response", content_cn=text, emotion="happy")
    assert not typed.is_done
    book.hear("turn_end", incomplete=True, reason="too_long")
    reply = await typed
    assert (reply.content_cn, reply.emotion, reply.incomplete, reply.reason) == ("一二", "happy", True, "too_long")


@pytest.mark.parametrize("code", sorted(VOICE_ERRORS))
async def test_what_fails_about_sound_in_agent_mode_does_not_fail_a_typed_line(code: str) -> None:
    book = hands_free()
    typed = book.ask()
    assert book.fail(code) and not typed.is_done
    assert book.fail("busy") and typed.has_failed


@pytest.mark.parametrize("begun", [False, True])
async def test_a_recording_in_agent_mode_can_fail(begun: bool) -> None:
    book = hands_free()
    recording = book.ask("audio")
    if begun:
        book.hear("thinking")
    assert book.fail("no_speech" if begun else "bad_audio") and recording.has_failed


async def test_a_history_that_cannot_be_used_fails_who_asked_for_it_and_no_turn() -> None:
    book = Book()
    turn = book.ask()
    wanted: Request[History] = Request("", History)
    assert book.fail("history_unavailable") and not turn.is_done
    book.ledger.ask_beside(wanted)
    assert book.fail("history_unavailable") and wanted.has_failed and not turn.is_done
    book.hear("response")
    clearing: Request[HistoryCleared] = Request("", HistoryCleared)
    book.ledger.ask(clearing)
    assert book.fail("history_unavailable") and clearing.has_failed


async def test_a_lost_connection_fails_all_and_says_how_many_turns() -> None:
    for make, lost in ((Book.ask, 1), (Book.stream, 1)):
        book = Book()
        turn = make(book)
        beside: Request[History] = Request("", History)
        book.ledger.ask_beside(beside)
        assert book.ledger.lose(LOST) == lost and not book.ledger.is_waiting
        assert turn.has_failed and turn.started.is_set() and beside.has_failed
        assert book.ledger.lose(LOST) == 0
