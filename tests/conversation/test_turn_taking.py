"""The table of turn-taking: every move there is, and that no order of events breaks what it promises."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.turn_taking import (
    AGENT_MODE,
    ATTENTION,
    STREAM_MODE,
    TRANSITIONS,
    WITHOUT_MODE,
    Attention,
    Effect,
    Event,
    Heard,
    Said,
    TurnTaking,
)
from server.protocol.extensions import GRANTED_EXTENSIONS

E = Event
BEGUN = (E.AGENT_BEGUN, E.PLAYED_OUT)
ENDED = (E.TURN_FINISHED, E.PLAYED_OUT)
A_TURN = (E.SPEECH_STARTED, E.SPEECH_STOPPED, E.TRANSCRIBED, E.TURN_STARTED, *ENDED)


def mode_after(*events: Event) -> TurnTaking:
    """In agent mode, which was asked for first."""
    mode = TurnTaking()
    for happened in (E.AGENT_START, *events):
        mode.receive(happened)
    return mode


def effects_of(*events: Event) -> list[Effect]:
    mode = mode_after()
    return [effect for happened in events for effect in mode.receive(happened)]


NOT_BUILT = {E.INTERRUPT, E.CONNECTION_LOST, E.RESUMED}


def test_every_state_can_be_reached_and_left_on_its_own_side() -> None:
    assert set(TRANSITIONS) == {*Heard, *Said}
    reached = {to for row in TRANSITIONS.values() for to, _ in row.values()}
    assert reached == {*Heard, *Said}
    for state, row in TRANSITIONS.items():
        assert any(to is not state for to, _ in row.values()), state
        assert all(type(to) is type(state) for to, _ in row.values()), state


def test_every_event_has_a_row_but_those_of_extensions_that_are_not_granted() -> None:
    told = {event for row in TRANSITIONS.values() for event in row}
    assert told == set(Event) - NOT_BUILT
    assert not GRANTED_EXTENSIONS & {"barge_in", "resume"}


def test_every_state_is_of_one_mode_and_audio_is_heard_or_held_in_agent_mode_alone() -> None:
    modes = [WITHOUT_MODE, STREAM_MODE, AGENT_MODE]
    assert sorted(state.name for mode in modes for state in mode) == sorted(state.name for state in Heard)
    assert set(ATTENTION) <= AGENT_MODE


def test_only_a_stream_refuses_other_requests_and_no_mode_begins_within_another() -> None:
    for state in Heard:
        row = TRANSITIONS[state]
        assert (E.REQUEST in row) == (state not in STREAM_MODE)
        assert (E.STREAM_START in row) == (E.AGENT_START in row) == (state in WITHOUT_MODE)
        assert (E.AGENT_STOP in row) == (state in AGENT_MODE)


def test_stream_goes_from_its_start_to_its_end_and_may_be_followed_by_another() -> None:
    mode = TurnTaking()
    for _ in range(2):
        assert (mode.receive(E.STREAM_START), mode.heard) == ((), Heard.STREAMING)
        assert mode.receive(E.STREAM_END) == (Effect.CLOSE_UTTERANCE,)
        mode.receive(E.STREAM_CLOSED)  # by its transcript, which comes when the user has ended it already
        assert mode.heard is Heard.OFF


@pytest.mark.parametrize("broken", [(E.STREAM_START, E.STREAM_CLOSED), (E.STREAM_REFUSED,)])
def test_stream_that_we_closed_or_refused_may_be_ended_by_a_user_who_cannot_know_until_the_next_start(
    broken: tuple[Event, ...],
) -> None:
    mode = TurnTaking()
    for event in broken:
        mode.receive(event)
    for _ in range(2):
        assert mode.allows(E.STREAM_END) and mode.allows(E.STREAM_START) and mode.allows(E.REQUEST)
        assert mode.receive(E.STREAM_END) == ()
    mode.receive(E.STREAM_START)
    mode.receive(E.STREAM_END)
    assert not mode.allows(E.STREAM_END)


@given(st.lists(st.sampled_from(Event), max_size=60))
def test_in_every_mode_the_character_has_the_floor_from_the_start_of_a_turn_to_its_end(events: list[Event]) -> None:
    mode = TurnTaking()
    speaks = False
    for event in events:
        mode.receive(event)
        speaks = event is E.TURN_STARTED or (speaks and event is not E.TURN_FINISHED)
        assert mode.said is (Said.SPEAKING if speaks else Said.SILENT)
        assert mode.attention is not Attention.HEAR or mode.heard not in (Heard.REPLYING, Heard.AGENT_WAITING)


def test_one_turn_after_the_other_is_announced_heard_and_answered() -> None:
    assert effects_of(*BEGUN, *A_TURN, *A_TURN) == [
        *(Effect.AWAIT_PLAYBACK, Effect.ANNOUNCE_LISTENING),
        *(Effect.OPEN_UTTERANCE, Effect.CLOSE_UTTERANCE, Effect.FORGET_AUDIO, Effect.START_TURN),
        *(Effect.AWAIT_PLAYBACK, Effect.ANNOUNCE_LISTENING),
        *(Effect.OPEN_UTTERANCE, Effect.CLOSE_UTTERANCE, Effect.FORGET_AUDIO, Effect.START_TURN),
        *(Effect.AWAIT_PLAYBACK, Effect.ANNOUNCE_LISTENING),
    ]


def test_transcript_that_is_sure_before_the_silence_begins_the_turn_and_the_silence_no_second_one() -> None:
    effects = effects_of(*BEGUN, E.SPEECH_STARTED, E.TRANSCRIBED, E.SPEECH_STOPPED, E.TRANSCRIBED)
    assert effects.count(Effect.START_TURN) == 1 and effects.count(Effect.CLOSE_UTTERANCE) == 1


@pytest.mark.parametrize("spoken", [(E.SPEECH_STARTED,), (E.SPEECH_STARTED, E.SPEECH_STOPPED)])
def test_recogniser_that_fails_leaves_the_microphone_open_and_says_so(spoken: tuple[Event, ...]) -> None:
    mode = mode_after(*BEGUN, *spoken)
    assert Effect.ANNOUNCE_LISTENING in mode.receive(E.RECOGNITION_FAILED)
    assert mode.attention is Attention.HEAR
    mode.receive(E.SPEECH_STOPPED)
    assert Effect.OPEN_UTTERANCE in mode.receive(E.SPEECH_STARTED)


def test_rest_of_a_sentence_that_failed_in_its_middle_is_no_utterance() -> None:
    assert Effect.OPEN_UTTERANCE not in effects_of(*BEGUN, E.SPEECH_STARTED, E.RECOGNITION_FAILED, E.SPEECH_STARTED)[3:]


@pytest.mark.parametrize("spoken", [(E.SPEECH_STARTED,), (E.SPEECH_STARTED, E.SPEECH_STOPPED)])
def test_nothing_heard_says_nothing_and_listens_on(spoken: tuple[Event, ...]) -> None:
    mode = mode_after(*BEGUN, *spoken)
    assert Effect.ANNOUNCE_LISTENING not in mode.receive(E.NOTHING_RECOGNISED)
    assert mode.attention is Attention.HEAR


def test_what_is_said_before_the_transcript_comes_is_held_and_what_is_said_into_the_reply_is_not() -> None:
    assert mode_after(*BEGUN, E.SPEECH_STARTED, E.SPEECH_STOPPED).attention is Attention.HOLD
    assert mode_after(*BEGUN, E.SPEECH_STARTED, E.SPEECH_STOPPED, E.TRANSCRIBED).attention is Attention.SKIP


def test_typed_turn_is_spoken_and_listened_after() -> None:
    mode = mode_after(*BEGUN, E.TURN_STARTED)
    assert mode.attention is Attention.SKIP
    assert mode.receive(E.TURN_FINISHED) == (Effect.AWAIT_PLAYBACK,)
    assert mode.attention is Attention.SKIP
    assert mode.receive(E.PLAYED_OUT) == (Effect.ANNOUNCE_LISTENING,)


def test_turn_that_begins_while_the_last_one_still_sounds_puts_off_the_listening_to_its_own_end() -> None:
    mode = mode_after(*BEGUN, *A_TURN[:-1])
    assert mode.receive(E.TURN_STARTED) == (Effect.FORGET_AUDIO,)
    assert mode.receive(E.PLAYED_OUT) == ()
    assert [mode.receive(event) for event in ENDED] == [(Effect.AWAIT_PLAYBACK,), (Effect.ANNOUNCE_LISTENING,)]


def test_mode_that_waits_behind_a_turn_is_announced_once_when_it_begins() -> None:
    effects = effects_of(E.TURN_STARTED, E.TURN_FINISHED, *BEGUN)
    assert effects == [Effect.FORGET_AUDIO, Effect.AWAIT_PLAYBACK, Effect.ANNOUNCE_LISTENING]


@given(st.lists(st.sampled_from(Event), max_size=60))
def test_whatever_happens_in_whatever_order_no_turn_begins_without_an_utterance_and_none_while_one_is_spoken(
    events: list[Event],
) -> None:
    mode = TurnTaking()
    opened = False
    for happened in events:
        before = mode.heard
        for effect in mode.receive(happened):
            if effect is Effect.OPEN_UTTERANCE:
                assert before is Heard.LISTENING
                opened = True
            elif effect is Effect.START_TURN:
                assert opened and before is not Heard.REPLYING and mode.heard is Heard.REPLYING
                opened = False
            elif effect is Effect.ANNOUNCE_LISTENING:
                assert mode.heard in (Heard.LISTENING, Heard.UNRECOGNISED)


def test_after_the_hanging_up_nothing_happens_any_more_and_a_turn_that_runs_is_left_alone() -> None:
    assert effects_of(*BEGUN, E.SPEECH_STARTED, E.AGENT_STOP, *A_TURN, E.AGENT_BEGUN)[3:] == [
        Effect.DISCARD_UTTERANCE,
        Effect.FORGET_AUDIO,
    ]
    assert effects_of(*BEGUN, *A_TURN[:3], E.AGENT_STOP, E.TURN_FINISHED)[-1] is Effect.START_TURN


def test_no_state_is_a_dead_end() -> None:
    """From wherever the talk stands, an ordinary turn leads back to listening."""
    for events in itertools.product(set(Event) - {E.AGENT_STOP}, repeat=3):
        mode = mode_after(*events)
        for happened in (E.AGENT_BEGUN, E.SPEECH_STOPPED, E.NOTHING_RECOGNISED, *ENDED):
            mode.receive(happened)
        assert mode.heard is Heard.LISTENING, events
