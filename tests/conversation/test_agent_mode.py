"""The table of agent mode: every move there is, and that no order of events breaks what it promises."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.agent_mode import (
    ATTENTION,
    TRANSITIONS,
    AgentMode,
    Attention,
    Effect,
    Happened,
    State,
)

H = Happened
A_TURN = (H.SPEECH_STARTED, H.SPEECH_STOPPED, H.FINAL_TRANSCRIPT, H.TURN_STARTED, H.TURN_FINISHED)


def mode_after(*events: Happened) -> AgentMode:
    mode = AgentMode()
    for happened in events:
        mode.receive(happened)
    return mode


def effects_of(*events: Happened) -> list[Effect]:
    mode = AgentMode()
    return [effect for happened in events for effect in mode.receive(happened)]


def test_every_state_can_be_reached_and_left_and_says_what_becomes_of_audio() -> None:
    assert set(TRANSITIONS) == set(ATTENTION) == set(State)
    reached = {to for row in TRANSITIONS.values() for to, _ in row.values()}
    assert reached | {State.STARTING} == set(State)
    for state, row in TRANSITIONS.items():
        assert any(to is not state for to, _ in row.values()) or state is State.OFF, state


def test_one_turn_after_the_other_is_announced_heard_and_answered() -> None:
    assert effects_of(H.STARTED, *A_TURN, *A_TURN) == [
        Effect.ANNOUNCE_LISTENING,
        *(Effect.OPEN_UTTERANCE, Effect.CLOSE_UTTERANCE, Effect.FORGET_AUDIO, Effect.START_TURN),
        Effect.ANNOUNCE_LISTENING,
        *(Effect.OPEN_UTTERANCE, Effect.CLOSE_UTTERANCE, Effect.FORGET_AUDIO, Effect.START_TURN),
        Effect.ANNOUNCE_LISTENING,
    ]


def test_transcript_that_is_sure_before_the_silence_begins_the_turn_and_the_silence_no_second_one() -> None:
    effects = effects_of(H.STARTED, H.SPEECH_STARTED, H.FINAL_TRANSCRIPT, H.SPEECH_STOPPED, H.FINAL_TRANSCRIPT)
    assert effects.count(Effect.START_TURN) == 1 and effects.count(Effect.CLOSE_UTTERANCE) == 1


@pytest.mark.parametrize("spoken", [(H.SPEECH_STARTED,), (H.SPEECH_STARTED, H.SPEECH_STOPPED)])
def test_recogniser_that_fails_leaves_the_microphone_open_and_says_so(spoken: tuple[Happened, ...]) -> None:
    mode = mode_after(H.STARTED, *spoken)
    assert Effect.ANNOUNCE_LISTENING in mode.receive(H.HEARING_FAILED)
    assert mode.attention is Attention.HEAR
    mode.receive(H.SPEECH_STOPPED)
    assert Effect.OPEN_UTTERANCE in mode.receive(H.SPEECH_STARTED)


def test_rest_of_a_sentence_that_failed_in_its_middle_is_no_utterance() -> None:
    assert Effect.OPEN_UTTERANCE not in effects_of(H.STARTED, H.SPEECH_STARTED, H.HEARING_FAILED, H.SPEECH_STARTED)[2:]


@pytest.mark.parametrize("spoken", [(H.SPEECH_STARTED,), (H.SPEECH_STARTED, H.SPEECH_STOPPED)])
def test_nothing_heard_says_nothing_and_listens_on(spoken: tuple[Happened, ...]) -> None:
    mode = mode_after(H.STARTED, *spoken)
    assert Effect.ANNOUNCE_LISTENING not in mode.receive(H.NOTHING_HEARD)
    assert mode.attention is Attention.HEAR


def test_what_is_said_before_the_transcript_comes_is_held_and_what_is_said_into_the_reply_is_not() -> None:
    assert mode_after(H.STARTED, H.SPEECH_STARTED, H.SPEECH_STOPPED).attention is Attention.HOLD
    assert mode_after(H.STARTED, H.SPEECH_STARTED, H.SPEECH_STOPPED, H.FINAL_TRANSCRIPT).attention is Attention.SKIP


def test_typed_turn_is_spoken_and_listened_after() -> None:
    mode = mode_after(H.STARTED, H.TURN_STARTED)
    assert mode.attention is Attention.SKIP
    assert mode.receive(H.TURN_FINISHED) == (Effect.ANNOUNCE_LISTENING,)


def test_mode_that_waits_behind_a_turn_is_announced_once_when_it_begins() -> None:
    effects = effects_of(H.TURN_STARTED, H.TURN_FINISHED, H.STARTED)
    assert effects == [Effect.FORGET_AUDIO, Effect.ANNOUNCE_LISTENING]


@given(st.lists(st.sampled_from(Happened), max_size=60))
def test_whatever_happens_in_whatever_order_no_turn_begins_without_an_utterance_and_none_while_one_is_spoken(
    events: list[Happened],
) -> None:
    mode = AgentMode()
    opened = False
    for happened in events:
        before = mode.state
        for effect in mode.receive(happened):
            if effect is Effect.OPEN_UTTERANCE:
                assert before is State.LISTENING
                opened = True
            elif effect is Effect.START_TURN:
                assert opened and before is not State.REPLYING and mode.state is State.REPLYING
                opened = False
            elif effect is Effect.ANNOUNCE_LISTENING:
                assert mode.state in (State.LISTENING, State.UNHEARD)


def test_after_the_hanging_up_nothing_happens_any_more_and_a_turn_that_runs_is_left_alone() -> None:
    assert effects_of(H.STARTED, H.SPEECH_STARTED, H.STOPPED, *A_TURN, H.STARTED)[2:] == [
        Effect.DISCARD_UTTERANCE,
        Effect.FORGET_AUDIO,
    ]
    assert effects_of(H.STARTED, *A_TURN[:3], H.STOPPED, H.TURN_FINISHED)[-1] is Effect.START_TURN


def test_no_state_is_a_dead_end() -> None:
    """From wherever the talk stands, an ordinary turn leads back to listening."""
    for events in itertools.product(set(Happened) - {H.STOPPED}, repeat=3):
        mode = mode_after(*events)
        for happened in (H.STARTED, H.SPEECH_STOPPED, H.NOTHING_HEARD, H.TURN_FINISHED):
            mode.receive(happened)
        assert mode.state is State.LISTENING, events
