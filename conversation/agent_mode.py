"""Sans-IO: what happened in agent mode in, what to do about it out.

All of it is the table. A row that is missing is an event that changes nothing there: a transcript that comes twice, a
turn that ends after somebody hung up. Half duplex: while a reply is spoken nothing is listened to, for without
`barge_in` the microphone may hear the loudspeaker.

Between the end of an utterance and its transcript the person may go on. That audio is held, and forgotten if the
transcript is the beginning of a turn, or listened to after all if nothing was recognised (a cough, a fault).

    STARTING ---> LISTENING ---> USER_SPEAKING ---> TRANSCRIBING ---> REPLYING
                      ^                |                 |                |
                      '----------------'-----------------'----------------'
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import TypeAlias


class State(Enum):
    """Where the talk stands."""

    STARTING = auto()  # the mode was asked for, and what was asked before is being done
    WAITING = auto()  # the same, and that is a turn
    LISTENING = auto()
    USER_SPEAKING = auto()  # an utterance is at the ASR
    TRANSCRIBING = auto()  # it is whole, its final transcript is not there
    UNHEARD = auto()  # the ASR failed, and the person speaks on: what follows without a pause is no utterance
    REPLYING = auto()
    OFF = auto()


class Happened(Enum):
    """What is told."""

    STARTED = auto()
    SPEECH_STARTED = auto()
    SPEECH_STOPPED = auto()
    SPEECH_PAUSED = auto()  # for a moment, which need not be the end
    FINAL_TRANSCRIPT = auto()  # or a definite one, whichever the ASR is sure of first
    NOTHING_HEARD = auto()
    HEARING_FAILED = auto()
    TURN_STARTED = auto()  # any, also a typed one
    TURN_FINISHED = auto()
    STOPPED = auto()  # the person hung up; a turn that runs goes to its end


class Effect(Enum):
    """What is to be done, in the order given."""

    ANNOUNCE_LISTENING = auto()
    OPEN_UTTERANCE = auto()
    CLOSE_UTTERANCE = auto()  # no more audio belongs to it
    DISCARD_UTTERANCE = auto()
    START_TURN = auto()
    FORGET_AUDIO = auto()  # what is held, and the beginnings of an utterance


S, H, E = State, Happened, Effect
Row: TypeAlias = Mapping[Happened, tuple[State, tuple[Effect, ...]]]

_HANG_UP = {H.STOPPED: (S.OFF, (E.DISCARD_UTTERANCE, E.FORGET_AUDIO))}

TRANSITIONS: Mapping[State, Row] = {
    S.STARTING: {
        **_HANG_UP,
        H.STARTED: (S.LISTENING, (E.ANNOUNCE_LISTENING,)),
        H.TURN_STARTED: (S.WAITING, (E.FORGET_AUDIO,)),
    },
    S.WAITING: {
        **_HANG_UP,
        H.STARTED: (S.LISTENING, (E.ANNOUNCE_LISTENING,)),
    },
    S.LISTENING: {
        **_HANG_UP,
        H.SPEECH_STARTED: (S.USER_SPEAKING, (E.OPEN_UTTERANCE,)),
        H.TURN_STARTED: (S.REPLYING, (E.FORGET_AUDIO,)),
    },
    S.USER_SPEAKING: {
        **_HANG_UP,
        H.SPEECH_STOPPED: (S.TRANSCRIBING, (E.CLOSE_UTTERANCE,)),
        H.FINAL_TRANSCRIPT: (S.REPLYING, (E.CLOSE_UTTERANCE, E.FORGET_AUDIO, E.START_TURN)),
        H.NOTHING_HEARD: (S.LISTENING, (E.CLOSE_UTTERANCE, E.FORGET_AUDIO)),
        H.HEARING_FAILED: (S.UNHEARD, (E.CLOSE_UTTERANCE, E.ANNOUNCE_LISTENING)),
        H.TURN_STARTED: (S.REPLYING, (E.DISCARD_UTTERANCE, E.FORGET_AUDIO)),  # typed just before speech was noticed
    },
    S.TRANSCRIBING: {
        **_HANG_UP,
        H.FINAL_TRANSCRIPT: (S.REPLYING, (E.FORGET_AUDIO, E.START_TURN)),
        H.NOTHING_HEARD: (S.LISTENING, ()),
        H.HEARING_FAILED: (S.LISTENING, (E.ANNOUNCE_LISTENING,)),
        H.TURN_STARTED: (S.REPLYING, (E.DISCARD_UTTERANCE, E.FORGET_AUDIO)),
    },
    S.UNHEARD: {
        **_HANG_UP,
        H.SPEECH_STOPPED: (S.LISTENING, ()),
        H.SPEECH_PAUSED: (S.LISTENING, (E.FORGET_AUDIO,)),
        H.TURN_STARTED: (S.REPLYING, (E.FORGET_AUDIO,)),
    },
    S.REPLYING: {
        H.TURN_FINISHED: (S.LISTENING, (E.ANNOUNCE_LISTENING,)),
        H.STOPPED: (S.OFF, ()),
    },
    S.OFF: {},
}


class Attention(Enum):
    """What becomes of audio that arrives."""

    HEAR = auto()
    HOLD = auto()
    SKIP = auto()


ATTENTION: Mapping[State, Attention] = {
    S.STARTING: Attention.HOLD,
    S.WAITING: Attention.SKIP,
    S.LISTENING: Attention.HEAR,
    S.USER_SPEAKING: Attention.HEAR,
    S.TRANSCRIBING: Attention.HOLD,
    S.UNHEARD: Attention.HEAR,
    S.REPLYING: Attention.SKIP,
    S.OFF: Attention.SKIP,
}


class AgentMode:
    """Agent mode from its start to its stop."""

    def __init__(self) -> None:
        self.state = State.STARTING

    @property
    def attention(self) -> Attention:
        """What becomes of audio that arrives now."""
        return ATTENTION[self.state]

    def receive(self, happened: Happened) -> tuple[Effect, ...]:
        """Go where the table says; what is to be done about it."""
        self.state, effects = TRANSITIONS[self.state].get(happened, (self.state, ()))
        return effects
