"""Which message of the server answers which request, without a server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.ledger import VOICE_ERRORS, Ledger, Request

pytestmark = pytest.mark.anyio


def asked(ledger: Ledger, kind: str = "message") -> Request:
    request = Request({"type": kind})
    ledger.add(request)
    return request


def streaming(ledger: Ledger) -> Request:
    """A stream whose chunks are being sent."""
    request = asked(ledger, "audio_stream_start")
    request.has_rest = True
    ledger.receive({"type": "audio_stream_started"})
    return request


def fail(ledger: Ledger, code: str) -> bool:
    return ledger.receive_error({"type": "error", "code": code, "message": "no"})


def hands_free() -> Ledger:
    ledger = Ledger()
    start = asked(ledger, "agent_mode_start")
    ledger.receive({"type": "agent_listening"})
    assert start.done.is_set() and not start.failed
    return ledger


@given(st.lists(st.sampled_from(["response", "history_cleared", "character_switched", "llm_failed", "no_speech"])))
def test_answers_go_to_the_oldest_request_one_each(answers: list[str]) -> None:
    ledger = Ledger()
    requests = [asked(ledger) for _ in answers]
    for index, answer in enumerate(answers):
        assert not requests[index].done.is_set()
        if answer.endswith(("failed", "speech")):
            assert fail(ledger, answer)
        else:
            ledger.receive({"type": answer})
        assert requests[index].done.is_set() and requests[index].failed == answer.endswith(("failed", "speech"))
        assert len(ledger) == len(answers) - index - 1


async def test_a_stream_is_one_request_from_its_start_to_its_response() -> None:
    ledger = Ledger()
    stream = streaming(ledger)
    assert stream.started.is_set()
    for frame in ({"type": "transcription", "is_partial": True}, {"type": "transcription", "is_partial": False}):
        ledger.receive(frame)
    assert not stream.done.is_set()
    ledger.receive({"type": "response"})
    assert stream.done.is_set() and not stream.failed


@pytest.mark.parametrize("end_was_sent", [False, True])
async def test_one_late_wrong_state_after_a_broken_stream_answers_nothing_and_is_not_shown(end_was_sent: bool) -> None:
    ledger = Ledger()
    broken = streaming(ledger)
    broken.has_rest = not end_was_sent
    assert fail(ledger, "asr_failed") and broken.failed
    text = asked(ledger)
    assert not fail(ledger, "wrong_state")
    assert not text.done.is_set()
    assert fail(ledger, "wrong_state") and text.failed


async def test_a_stream_that_starts_after_a_broken_one_can_be_refused() -> None:
    ledger = Ledger()
    streaming(ledger)
    fail(ledger, "stream_timeout")
    second = streaming(ledger)
    assert fail(ledger, "wrong_state") and second.failed


@pytest.mark.parametrize("code", ["rate_limited", "bad_audio"])
async def test_a_refused_chunk_is_no_answer_until_the_end_was_sent(code: str) -> None:
    ledger = Ledger()
    stream = streaming(ledger)
    assert fail(ledger, code) and not stream.done.is_set()
    stream.has_rest = False
    assert fail(ledger, code) and stream.failed


async def test_turns_of_agent_mode_answer_nobody() -> None:
    ledger = hands_free()
    typed = asked(ledger)
    ledger.receive({"type": "transcription", "text": "嗯", "is_partial": False})
    ledger.receive({"type": "response"})
    assert not typed.done.is_set()
    ledger.receive({"type": "agent_listening"})
    ledger.receive({"type": "response"})
    assert typed.done.is_set() and not typed.failed


async def test_the_kind_of_a_turn_is_believed_where_the_server_tells_it() -> None:
    ledger = hands_free()
    typed = asked(ledger)
    ledger.receive({"type": "turn_started", "input": "agent"})
    assert fail(ledger, "llm_failed") and not typed.done.is_set()
    ledger.receive({"type": "turn_started", "input": "text"})
    assert fail(ledger, "llm_failed") and typed.failed


@pytest.mark.parametrize("code", sorted(VOICE_ERRORS))
async def test_what_fails_about_sound_in_agent_mode_does_not_fail_a_typed_line(code: str) -> None:
    ledger = hands_free()
    typed = asked(ledger)
    assert fail(ledger, code) and not typed.done.is_set()
    assert fail(ledger, "busy") and typed.failed


async def test_a_lost_connection_fails_all_and_says_how_many() -> None:
    ledger = Ledger()
    requests = [asked(ledger), streaming(ledger), asked(ledger, "agent_mode_start")]
    assert ledger.lose() == 3 and not ledger
    assert all(request.failed and request.done.is_set() and request.started.is_set() for request in requests)
