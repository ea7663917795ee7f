"""The table of turn-taking: every move there is, and that no order of events breaks what it promises."""

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.turn_taking import (
    AGENT_MODE,
    ATTENTION_TO_ALL,
    FULL_DUPLEX,
    HALF_DUPLEX,
    OVER_REPLY,
    STREAM_MODE,
    WITHOUT_MODE,
    Attention,
    Effect,
    Event,
    Heard,
    Row,
    Said,
    State,
    TurnTaking,
)
from server.protocol.extensions import GRANTED_EXTENSIONS

E = Event
BEGUN = (E.AGENT_BEGUN, E.PLAYED_OUT)
ENDED = (E.TURN_FINISHED, E.PLAYED_OUT)
A_TURN = (E.SPEECH_STARTED, E.SPEECH_STOPPED, E.TRANSCRIBED, E.TURN_STARTED, *ENDED)


def mode_after(*events: Event, full_duplex: bool = False) -> TurnTaking:
    """In agent mode, which was asked for first."""
    mode = TurnTaking(full_duplex=full_duplex)
    for happened in (E.AGENT_START, *events):
        mode.receive(happened)
    return mode


def effects_of(*events: Event, full_duplex: bool = False) -> list[Effect]:
    mode = mode_after(full_duplex=full_duplex)
    return [effect for happened in events for effect in mode.receive(happened)]


NOT_BUILT = {E.CONNECTION_LOST, E.RESUMED}
OF_INTERRUPTIONS = {E.INTERRUPT, E.USER_INTERRUPTED, E.NOT_INTERRUPTED, E.NOTHING_INTELLIGIBLE}
TABLES = [(HALF_DUPLEX, OVER_REPLY, OF_INTERRUPTIONS), (FULL_DUPLEX, frozenset(), set())]
DUPLEX = pytest.mark.parametrize("full_duplex", [False, True], ids=["half duplex", "full duplex"])


@pytest.mark.parametrize(("table", "without", "_"), TABLES)
def test_every_state_can_be_reached_and_left_on_its_own_side(
    table: Mapping[State, Row], without: frozenset[Heard], _: set[Event]
) -> None:
    assert set(table) == {*Heard, *Said} - without
    reached = {to for row in table.values() for to, _ in row.values()}
    assert reached == {*Heard, *Said} - without
    for state, row in table.items():
        assert any(to is not state for to, _ in row.values()), state
        assert all(type(to) is type(state) for to, _ in row.values()), state


@pytest.mark.parametrize(("table", "_", "without"), TABLES)
def test_every_event_has_a_row_but_those_of_extensions_that_are_not_granted(
    table: Mapping[State, Row], _: frozenset[Heard], without: set[Event]
) -> None:
    assert {event for row in table.values() for event in row} == set(Event) - NOT_BUILT - without
    assert "resume" not in GRANTED_EXTENSIONS


def test_every_state_is_of_one_mode_and_audio_is_heard_or_held_in_agent_mode_alone() -> None:
    modes = [WITHOUT_MODE, STREAM_MODE, AGENT_MODE]
    assert sorted(state.name for mode in modes for state in mode) == sorted(state.name for state in Heard)
    assert set(ATTENTION_TO_ALL) <= AGENT_MODE


def test_only_a_stream_refuses_other_requests_and_no_mode_begins_within_another() -> None:
    for state in Heard:
        row = FULL_DUPLEX[state]
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


@given(st.lists(st.sampled_from(Event), max_size=60))
def test_a_reply_that_is_held_is_released_or_cut_whatever_happens_and_only_one_that_is_spoken_over_is_held(
    events: list[Event],
) -> None:
    mode = TurnTaking(full_duplex=True)
    held = False
    for event in (*events, E.NOTHING_INTELLIGIBLE):
        for effect in mode.receive(event):
            if effect is Effect.HOLD_TURN:
                assert mode.heard in OVER_REPLY
                held = True
            elif effect in (Effect.RELEASE_TURN, Effect.CUT_TURN):
                held = False
        held = held and event is not E.TURN_FINISHED
        assert not held or mode.heard in OVER_REPLY
    assert not held


OVER = (*BEGUN, *A_TURN[:4], E.SPEECH_STARTED)  # somebody speaks into a reply


@pytest.mark.parametrize(
    ("over", "back"),
    [
        ((), Heard.USER_SPEAKING),
        ((E.NOTHING_INTELLIGIBLE,), Heard.USER_SPEAKING),
        ((E.SPEECH_STOPPED,), Heard.TRANSCRIBING),
    ],
)
def test_who_interrupts_cuts_the_turn_and_is_answered(over: tuple[Event, ...], back: Heard) -> None:
    mode = mode_after(*OVER, *over, full_duplex=True)
    assert mode.receive(E.USER_INTERRUPTED) == (Effect.CUT_TURN,)
    assert mode.heard is back
    mode.receive(E.TURN_FINISHED)
    mode.receive(E.SPEECH_STOPPED)
    assert mode.receive(E.TRANSCRIBED) == (Effect.START_TURN,)


@pytest.mark.parametrize("harmless", [E.NOT_INTERRUPTED, E.NOTHING_RECOGNISED, E.RECOGNITION_FAILED])
@pytest.mark.parametrize("over", [(E.HEARD_OUT,), (E.SPEECH_STOPPED,), (E.SPEECH_STOPPED, E.HEARD_OUT)])
def test_what_was_no_interruption_leaves_the_reply_as_it_was(harmless: Event, over: tuple[Event, ...]) -> None:
    mode = mode_after(*OVER, *over, full_duplex=True)
    effects = mode.receive(harmless)
    assert Effect.RELEASE_TURN in effects and Effect.CUT_TURN not in effects
    assert (mode.heard, mode.said) == (Heard.REPLYING, Said.SPEAKING)
    assert mode.receive(E.SPEECH_STARTED) == (Effect.HOLD_TURN, Effect.OPEN_UTTERANCE)


@pytest.mark.parametrize(("over", "then"), [((), Heard.USER_SPEAKING), ((E.SPEECH_STOPPED,), Heard.TRANSCRIBING)])
def test_a_reply_that_ends_while_it_is_spoken_over_leaves_the_floor_to_who_speaks(
    over: tuple[Event, ...], then: Heard
) -> None:
    mode = mode_after(*OVER, *over, full_duplex=True)
    assert mode.receive(E.TURN_FINISHED) == (Effect.ANNOUNCE_LISTENING,)
    assert mode.heard is then


def test_nothing_is_forgotten_in_full_duplex() -> None:
    assert Effect.FORGET_AUDIO not in effects_of(*BEGUN, *A_TURN, *OVER, E.TURN_FINISHED, full_duplex=True)
    assert mode_after(*BEGUN, *A_TURN[:3], full_duplex=True).attention is Attention.HEAR


@pytest.mark.parametrize(("full_duplex", "cut"), [(False, ()), (True, (Effect.CUT_TURN,))])
def test_a_client_interrupts_whatever_turn_there_is_in_every_mode_and_nothing_else(
    full_duplex: bool, cut: tuple[Effect, ...]
) -> None:
    for before in ((), (E.STREAM_START,), (E.AGENT_START,), (E.AGENT_START, *BEGUN), (E.AGENT_START, *OVER)):
        mode = TurnTaking(full_duplex=full_duplex)
        for event in before:
            mode.receive(event)
        if mode.said is Said.SILENT:
            assert mode.receive(E.INTERRUPT) == ()
            mode.receive(E.TURN_STARTED)
        assert mode.receive(E.INTERRUPT) == cut


def test_one_turn_after_the_other_is_announced_heard_and_answered() -> None:
    assert effects_of(*BEGUN, *A_TURN, *A_TURN) == [
        *(Effect.AWAIT_PLAYBACK, Effect.ANNOUNCE_LISTENING),
        *(Effect.OPEN_UTTERANCE, Effect.CLOSE_UTTERANCE, Effect.FORGET_AUDIO, Effect.START_TURN),
        *(Effect.AWAIT_PLAYBACK, Effect.ANNOUNCE_LISTENING),
        *(Effect.OPEN_UTTERANCE, Effect.CLOSE_UTTERANCE, Effect.FORGET_AUDIO, Effect.START_TURN),
        *(Effect.AWAIT_PLAYBACK, Effect.ANNOUNCE_LISTENING),
    ]


def test_transcript_that_is_sure_before_the_silence_begins_the_turn_and_the_silence_no_second_one() -> None:
    effects = effects_of(*BEGUN, E.SPEECH_STARTED, E.HEARD_OUT, E.TRANSCRIBED, E.SPEECH_STOPPED, E.TRANSCRIBED)
    assert effects.count(Effect.START_TURN) == 1 and effects.count(Effect.CLOSE_UTTERANCE) == 1


@DUPLEX
@pytest.mark.parametrize("spoken", [(E.SPEECH_STARTED,), (E.SPEECH_STARTED, E.SPEECH_STOPPED)])
def test_what_the_recogniser_made_no_use_of_is_held_as_the_beginning_of_the_next_utterance(
    full_duplex: bool, spoken: tuple[Event, ...]
) -> None:
    mode = mode_after(*BEGUN, *spoken, full_duplex=full_duplex)
    assert mode.receive(E.HEARD_OUT)[-1] is Effect.PART_SPEECH
    assert mode.attention is Attention.HOLD
    mode.receive(E.NOTHING_RECOGNISED)
    assert mode.receive(E.SPEECH_STARTED) == (Effect.OPEN_UTTERANCE,)


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
@DUPLEX
def test_whatever_happens_in_whatever_order_no_turn_begins_without_an_utterance_and_none_while_one_is_spoken(
    full_duplex: bool, events: list[Event]
) -> None:
    mode = TurnTaking(full_duplex=full_duplex)
    opened = False
    for happened in events:
        before = mode.heard
        for effect in mode.receive(happened):
            if effect is Effect.OPEN_UTTERANCE:
                assert before is Heard.LISTENING or (full_duplex and before is Heard.REPLYING)
                opened = True
            elif effect is Effect.START_TURN:
                assert opened and before is not Heard.REPLYING and mode.heard is Heard.REPLYING
                opened = False
            elif effect is Effect.ANNOUNCE_LISTENING:
                speaking = (Heard.USER_SPEAKING, Heard.TRANSCRIBING) if full_duplex else ()
                assert mode.heard in (Heard.LISTENING, Heard.UNRECOGNISED, *speaking)


def test_after_the_hanging_up_nothing_happens_any_more_and_a_turn_that_runs_is_left_alone() -> None:
    assert effects_of(*BEGUN, E.SPEECH_STARTED, E.AGENT_STOP, *A_TURN, E.AGENT_BEGUN)[3:] == [
        Effect.DISCARD_UTTERANCE,
        Effect.FORGET_AUDIO,
    ]
    assert effects_of(*BEGUN, *A_TURN[:3], E.AGENT_STOP, E.TURN_FINISHED)[-1] is Effect.START_TURN


@DUPLEX
def test_no_state_is_a_dead_end(full_duplex: bool) -> None:
    """From wherever the talk stands, an ordinary turn leads back to listening."""
    for events in itertools.product(set(Event) - {E.AGENT_STOP}, repeat=3):
        mode = mode_after(*events, full_duplex=full_duplex)
        for happened in (E.AGENT_BEGUN, E.SPEECH_STOPPED, E.NOTHING_RECOGNISED, *ENDED):
            mode.receive(happened)
        assert mode.heard is Heard.LISTENING, events
