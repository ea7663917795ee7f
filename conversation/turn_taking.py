"""Sans-IO: what happened in a session in; who has the floor, and what to do about it, out.

All of it is the table. A row that is missing is an event that changes nothing there: a transcript that comes twice, a
turn that ends after the user hung up. Where the event is something the user asks for, a missing row is a refusal.

Two sides stand beside each other, and every event is told to both. What is heard: the user's audio, by mode. What is
said: the character's turn. The order of requests is neither's affair (server/session/request_queue.py).

    OFF <--> STREAMING --> STREAM_BROKEN --> STREAMING                 text and recordings need no state but OFF

    OFF --> AGENT_STARTING --> PLAYING_OUT --> LISTENING ---> USER_SPEAKING ---> TRANSCRIBING ---> REPLYING
                                   ^               ^                |                 |                |
                                   |               '----------------'-----------------'                |
                                   '-------------------------------------------------------------------'

    SILENT <--> SPEAKING                                               in every mode

Beside the path: AGENT_WAITING is AGENT_STARTING while a turn runs, UNRECOGNISED is USER_SPEAKING after the ASR failed.
An utterance is whole (TRANSCRIBING) by silence, by its length, or because the ASR is done with it: then the user may be
in the middle of speech, and what the ASR has not made use of is heard again, as the beginning of the next one.

Agent mode is half duplex where the client has not asked for `barge_in`: while a reply is spoken nothing is listened
to, for the microphone may hear the loudspeaker. Between the end of an utterance and its transcript the user may go on.
That audio is held, and forgotten if the transcript is the beginning of a turn, or listened to after all if nothing was
recognised (a cough, a fault).

With `barge_in` it is full duplex: nothing is ever forgotten, and a reply is listened over.

    REPLYING <--> SPEAKING_OVER --> OVERHEARD --> REPLYING             a cough, a "hm": the reply goes on
                        |               |
                        v               v
                  USER_SPEAKING --> TRANSCRIBING                       USER_INTERRUPTED, or the reply was over first

Speech holds the reply at once. Whether it was an interruption is found out while the client still plays what it has
(conversation/interruption/): if so, the turn is cut; if not, its audio goes on.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import TypeAlias


class Heard(Enum):
    """What becomes of the user's audio."""

    OFF = auto()  # there is none: text and recordings
    STREAMING = auto()  # an utterance comes in chunks, until the user says that it is whole
    STREAM_BROKEN = auto()  # we ended or refused it, and said so; chunks and the end of it may still be on their way
    AGENT_STARTING = auto()  # the mode was asked for, and what was asked before is being done
    AGENT_WAITING = auto()  # the same, and that is a turn
    LISTENING = auto()
    USER_SPEAKING = auto()  # an utterance is at the ASR
    TRANSCRIBING = auto()  # it is whole, its final transcript is not there
    UNRECOGNISED = auto()  # the ASR failed, and the user speaks on: what follows without a pause is no utterance
    REPLYING = auto()
    SPEAKING_OVER = auto()  # an utterance is at the ASR, and the reply is not over
    OVERHEARD = auto()  # such a one is whole, its final transcript is not there
    PLAYING_OUT = auto()  # the reply is sent, and may still sound


class Said(Enum):
    """Whether the character has the floor."""

    SILENT = auto()
    SPEAKING = auto()


class Event(Enum):
    """What is told."""

    # The user asks for it.
    REQUEST = auto()  # a message, a recording, another character, forgetting
    STREAM_START = auto()
    STREAM_END = auto()
    AGENT_START = auto()
    AGENT_STOP = auto()  # a turn that runs goes to its end
    INTERRUPT = auto()
    # Its place in the order of requests is reached.
    AGENT_BEGUN = auto()
    # What is heard.
    SPEECH_STARTED = auto()
    SPEECH_STOPPED = auto()
    SPEECH_PAUSED = auto()  # for a moment, which need not be the end
    HEARD_OUT = auto()  # the ASR is done with it: by its end, or by the ASR's own opinion that it has ended
    TRANSCRIBED = auto()
    NOTHING_RECOGNISED = auto()
    RECOGNITION_FAILED = auto()
    STREAM_REFUSED = auto()  # there is no room or no right for it
    STREAM_CLOSED = auto()  # by us: it failed, became too long, or the ASR was done with it first
    USER_INTERRUPTED = auto()  # speech into the reply is meant to end it
    NOT_INTERRUPTED = auto()  # it was none, or not meant so
    NOTHING_INTELLIGIBLE = auto()  # so far, for as long as a reply may be held
    # What is said.
    TURN_STARTED = auto()  # any, also a typed one
    TURN_FINISHED = auto()
    PLAYED_OUT = auto()  # what was sent has had the time to sound, where a client waits for that
    # The connection.
    CONNECTION_LOST = auto()
    RESUMED = auto()


class Effect(Enum):
    """What is to be done, in the order given."""

    AWAIT_PLAYBACK = auto()  # then tell PLAYED_OUT
    ANNOUNCE_LISTENING = auto()
    OPEN_UTTERANCE = auto()
    CLOSE_UTTERANCE = auto()  # no more audio belongs to it
    DISCARD_UTTERANCE = auto()
    START_TURN = auto()
    CUT_TURN = auto()
    HOLD_TURN = auto()  # no more of its audio leaves
    RELEASE_TURN = auto()
    FORGET_AUDIO = auto()  # what is held, and the beginnings of an utterance
    PART_SPEECH = auto()  # what the ASR has not made use of belongs to another utterance


State: TypeAlias = Heard | Said
Row: TypeAlias = Mapping[Event, tuple[State, tuple[Effect, ...]]]

H, S, E, F = Heard, Said, Event, Effect

_NO_MODE: Row = {
    E.STREAM_START: (H.STREAMING, ()),
    E.STREAM_REFUSED: (H.STREAM_BROKEN, ()),
    E.AGENT_START: (H.AGENT_STARTING, ()),
}
_HANG_UP: Row = {E.AGENT_STOP: (H.OFF, (F.DISCARD_UTTERANCE, F.FORGET_AUDIO))}

_BASE: Mapping[State, Row] = {
    H.OFF: _NO_MODE,
    H.STREAMING: {
        E.STREAM_END: (H.OFF, (F.CLOSE_UTTERANCE,)),
        E.STREAM_CLOSED: (H.STREAM_BROKEN, ()),
    },
    H.STREAM_BROKEN: {
        **_NO_MODE,
        E.STREAM_END: (H.STREAM_BROKEN, ()),
    },
    H.AGENT_STARTING: {
        **_HANG_UP,
        E.AGENT_BEGUN: (H.PLAYING_OUT, (F.AWAIT_PLAYBACK,)),
        E.TURN_STARTED: (H.AGENT_WAITING, (F.FORGET_AUDIO,)),
    },
    H.AGENT_WAITING: {
        **_HANG_UP,
        E.AGENT_BEGUN: (H.PLAYING_OUT, (F.AWAIT_PLAYBACK,)),
    },
    H.LISTENING: {
        **_HANG_UP,
        E.SPEECH_STARTED: (H.USER_SPEAKING, (F.OPEN_UTTERANCE,)),
        E.TURN_STARTED: (H.REPLYING, (F.FORGET_AUDIO,)),
    },
    H.USER_SPEAKING: {
        **_HANG_UP,
        E.SPEECH_STOPPED: (H.TRANSCRIBING, (F.CLOSE_UTTERANCE,)),
        E.HEARD_OUT: (H.TRANSCRIBING, (F.CLOSE_UTTERANCE, F.PART_SPEECH)),
        E.NOTHING_RECOGNISED: (H.LISTENING, (F.CLOSE_UTTERANCE,)),  # it was refused
        E.RECOGNITION_FAILED: (H.UNRECOGNISED, (F.CLOSE_UTTERANCE, F.ANNOUNCE_LISTENING)),
        E.TURN_STARTED: (H.REPLYING, (F.DISCARD_UTTERANCE, F.FORGET_AUDIO)),  # typed just before speech was noticed
    },
    H.TRANSCRIBING: {
        **_HANG_UP,
        E.HEARD_OUT: (H.TRANSCRIBING, (F.PART_SPEECH,)),
        E.TRANSCRIBED: (H.REPLYING, (F.FORGET_AUDIO, F.START_TURN)),
        E.NOTHING_RECOGNISED: (H.LISTENING, ()),
        E.RECOGNITION_FAILED: (H.LISTENING, (F.ANNOUNCE_LISTENING,)),
        E.TURN_STARTED: (H.REPLYING, (F.DISCARD_UTTERANCE, F.FORGET_AUDIO)),
    },
    H.UNRECOGNISED: {
        **_HANG_UP,
        E.SPEECH_STOPPED: (H.LISTENING, ()),
        E.SPEECH_PAUSED: (H.LISTENING, (F.FORGET_AUDIO,)),
        E.TURN_STARTED: (H.REPLYING, (F.FORGET_AUDIO,)),
    },
    H.REPLYING: {
        E.AGENT_STOP: (H.OFF, ()),
        E.TURN_FINISHED: (H.PLAYING_OUT, (F.AWAIT_PLAYBACK,)),
    },
    H.PLAYING_OUT: {
        **_HANG_UP,
        E.PLAYED_OUT: (H.LISTENING, (F.ANNOUNCE_LISTENING,)),
        E.TURN_STARTED: (H.REPLYING, (F.FORGET_AUDIO,)),
    },
    S.SILENT: {E.TURN_STARTED: (S.SPEAKING, ())},
    S.SPEAKING: {E.TURN_FINISHED: (S.SILENT, ())},
}
# In mid-stream the utterance has the floor, and other requests are refused. Else they wait in their order.
_REQUESTS: Mapping[State, Row] = {state: {E.REQUEST: (state, ())} for state in Heard if state is not H.STREAMING}
# The rows of an extension that is not built yet; they go here.
# `resume`: between CONNECTION_LOST and RESUMED nothing is heard, and a turn goes on.
_RESUME: Mapping[State, Row] = {}

_HANG_UP_OVER: Row = {E.AGENT_STOP: (H.OFF, (F.DISCARD_UTTERANCE, F.FORGET_AUDIO, F.RELEASE_TURN))}
_FULL_DUPLEX: Mapping[State, Row] = {
    H.LISTENING: {E.TURN_STARTED: (H.REPLYING, ())},
    H.USER_SPEAKING: {E.TURN_STARTED: (H.SPEAKING_OVER, (F.HOLD_TURN,))},  # typed before; two speak at once
    H.TRANSCRIBING: {
        E.TRANSCRIBED: (H.REPLYING, (F.START_TURN,)),
        E.TURN_STARTED: (H.OVERHEARD, (F.HOLD_TURN,)),
    },
    H.UNRECOGNISED: {E.TURN_STARTED: (H.REPLYING, ())},
    H.REPLYING: {E.SPEECH_STARTED: (H.SPEAKING_OVER, (F.HOLD_TURN, F.OPEN_UTTERANCE))},
    H.SPEAKING_OVER: {
        **_HANG_UP_OVER,
        E.SPEECH_STOPPED: (H.OVERHEARD, (F.CLOSE_UTTERANCE,)),
        E.HEARD_OUT: (H.OVERHEARD, (F.CLOSE_UTTERANCE, F.PART_SPEECH)),
        E.USER_INTERRUPTED: (H.USER_SPEAKING, (F.CUT_TURN,)),
        E.NOTHING_INTELLIGIBLE: (H.SPEAKING_OVER, (F.RELEASE_TURN,)),
        E.NOTHING_RECOGNISED: (H.REPLYING, (F.DISCARD_UTTERANCE, F.RELEASE_TURN)),  # it was refused
        E.RECOGNITION_FAILED: (H.REPLYING, (F.CLOSE_UTTERANCE, F.RELEASE_TURN)),
        E.TURN_FINISHED: (H.USER_SPEAKING, (F.ANNOUNCE_LISTENING,)),
    },
    H.OVERHEARD: {
        **_HANG_UP_OVER,
        E.HEARD_OUT: (H.OVERHEARD, (F.PART_SPEECH,)),
        E.USER_INTERRUPTED: (H.TRANSCRIBING, (F.CUT_TURN,)),
        E.NOT_INTERRUPTED: (H.REPLYING, (F.DISCARD_UTTERANCE, F.RELEASE_TURN)),
        E.NOTHING_INTELLIGIBLE: (H.OVERHEARD, (F.RELEASE_TURN,)),
        E.NOTHING_RECOGNISED: (H.REPLYING, (F.RELEASE_TURN,)),
        E.RECOGNITION_FAILED: (H.REPLYING, (F.RELEASE_TURN,)),
        E.TURN_FINISHED: (H.TRANSCRIBING, (F.ANNOUNCE_LISTENING,)),
    },
    S.SPEAKING: {E.INTERRUPT: (S.SPEAKING, (F.CUT_TURN,))},
}


def _table(*parts: Mapping[State, Row]) -> Mapping[State, Row]:
    states = {state for part in parts for state in part}
    return {state: {event: to for part in parts for event, to in part.get(state, {}).items()} for state in states}


HALF_DUPLEX = _table(_BASE, {state: _REQUESTS[state] for state in _REQUESTS if state in _BASE}, _RESUME)
FULL_DUPLEX = _table(_BASE, _REQUESTS, _RESUME, _FULL_DUPLEX)


class Attention(Enum):
    """What becomes of audio that arrives in agent mode."""

    HEAR = auto()
    HOLD = auto()
    SKIP = auto()


ATTENTION: Mapping[Heard, Attention] = {
    H.AGENT_STARTING: Attention.HOLD,
    H.LISTENING: Attention.HEAR,
    H.USER_SPEAKING: Attention.HEAR,
    H.TRANSCRIBING: Attention.HOLD,
    H.UNRECOGNISED: Attention.HEAR,
}  # else it is skipped
ATTENTION_TO_ALL: Mapping[Heard, Attention] = {
    **ATTENTION,
    H.REPLYING: Attention.HEAR,
    H.SPEAKING_OVER: Attention.HEAR,
    H.OVERHEARD: Attention.HOLD,
}

OVER_REPLY = frozenset({H.SPEAKING_OVER, H.OVERHEARD})
WITHOUT_MODE = frozenset({H.OFF, H.STREAM_BROKEN})  # where no chunk is expected
STREAM_MODE = frozenset({H.STREAMING})
AGENT_MODE = frozenset(Heard) - WITHOUT_MODE - STREAM_MODE


class TurnTaking:
    """Both sides of one session."""

    def __init__(self, *, full_duplex: bool = False) -> None:
        """`full_duplex`: the client has asked for `barge_in`."""
        self.heard = Heard.OFF
        self.said = Said.SILENT
        self._transitions = FULL_DUPLEX if full_duplex else HALF_DUPLEX
        self._attention = ATTENTION_TO_ALL if full_duplex else ATTENTION

    @property
    def attention(self) -> Attention:
        """What becomes of audio that arrives now."""
        return self._attention.get(self.heard, Attention.SKIP)

    def allows(self, asked: Event) -> bool:
        """Whether the user may ask for this now."""
        return asked in self._transitions[self.heard]

    def receive(self, event: Event) -> tuple[Effect, ...]:
        """Go where the table says; what is to be done about it."""
        said, first = self._transitions[self.said].get(event, (self.said, ()))
        heard, then = self._transitions[self.heard].get(event, (self.heard, ()))
        assert isinstance(said, Said) and isinstance(heard, Heard)
        self.said, self.heard = said, heard
        return (*first, *then)
