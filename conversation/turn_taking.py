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

Agent mode is half duplex: while a reply is spoken nothing is listened to, for without `barge_in` the microphone may
hear the loudspeaker. Between the end of an utterance and its transcript the user may go on. That audio is held, and
forgotten if the transcript is the beginning of a turn, or listened to after all if nothing was recognised (a cough, a
fault).
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
    TRANSCRIBED = auto()  # finally, or definitely, whichever the ASR is sure of first
    NOTHING_RECOGNISED = auto()
    RECOGNITION_FAILED = auto()
    STREAM_REFUSED = auto()  # there is no room or no right for it
    STREAM_CLOSED = auto()  # by us: it failed, became too long, or the ASR was done with it first
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
    FORGET_AUDIO = auto()  # what is held, and the beginnings of an utterance


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
        E.TRANSCRIBED: (H.REPLYING, (F.CLOSE_UTTERANCE, F.FORGET_AUDIO, F.START_TURN)),
        E.NOTHING_RECOGNISED: (H.LISTENING, (F.CLOSE_UTTERANCE, F.FORGET_AUDIO)),
        E.RECOGNITION_FAILED: (H.UNRECOGNISED, (F.CLOSE_UTTERANCE, F.ANNOUNCE_LISTENING)),
        E.TURN_STARTED: (H.REPLYING, (F.DISCARD_UTTERANCE, F.FORGET_AUDIO)),  # typed just before speech was noticed
    },
    H.TRANSCRIBING: {
        **_HANG_UP,
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
# The rows of the extensions that are not built yet; they go here.
# `barge_in`: INTERRUPT, and SPEECH_STARTED while the character speaks, have the effect CUT_TURN. For the latter, audio
# must be heard in REPLYING: a row of ATTENTION.
_INTERRUPTION: Mapping[State, Row] = {}
# `resume`: between CONNECTION_LOST and RESUMED nothing is heard, and a turn goes on.
_RESUME: Mapping[State, Row] = {}

TRANSITIONS: Mapping[State, Row] = {
    state: {**row, **_REQUESTS.get(state, {}), **_INTERRUPTION.get(state, {}), **_RESUME.get(state, {})}
    for state, row in _BASE.items()
}


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

WITHOUT_MODE = frozenset({H.OFF, H.STREAM_BROKEN})  # where no chunk is expected
STREAM_MODE = frozenset({H.STREAMING})
AGENT_MODE = frozenset(Heard) - WITHOUT_MODE - STREAM_MODE


class TurnTaking:
    """Both sides of one session."""

    def __init__(self) -> None:
        self.heard = Heard.OFF
        self.said = Said.SILENT

    @property
    def attention(self) -> Attention:
        """What becomes of audio that arrives now."""
        return ATTENTION.get(self.heard, Attention.SKIP)

    def allows(self, asked: Event) -> bool:
        """Whether the user may ask for this now."""
        return asked in TRANSITIONS[self.heard]

    def receive(self, event: Event) -> tuple[Effect, ...]:
        """Go where the table says; what is to be done about it."""
        said, cuts = TRANSITIONS[self.said].get(event, (self.said, ()))
        heard, effects = TRANSITIONS[self.heard].get(event, (self.heard, ()))
        assert isinstance(said, Said) and isinstance(heard, Heard)
        self.said, self.heard = said, heard
        return (*cuts, *effects)
