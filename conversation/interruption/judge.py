"""Sans-IO: what is heard while a reply is spoken in; whether the user means to interrupt it, out.

Until that is known the reply is held, and the client plays the little it has: so a "hm" is not noticed in the reply,
and a sentence stops it. What is recognised decides; an ASR that tells nothing before the end of an utterance leaves
the length of the speech: nobody says "hm" for so long.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from conversation.interruption.backchannels import is_backchannel, may_become_backchannel
from conversation.interruption.own_words import sounds_like_own

HELD_S = 1.0  # so long a reply waits for something intelligible
LONGEST_BACKCHANNEL_MS = 700


class Verdict(Enum):
    """Of the speech so far."""

    UNKNOWN = auto()
    HARMLESS = auto()  # so far: the reply may go on, and the speech is listened to
    INTERRUPTS = auto()
    NO_INTERRUPTION = auto()  # and that is all of it


@dataclass(frozen=True, slots=True)
class Rules:
    """`harmless`: whether a transcript is none of an interruption: empty, a backchannel, the character's own words."""

    shortest_ms: int
    tells_partials: bool
    harmless: Callable[[str], bool]


def is_harmless(text: str, speech: str) -> bool:
    """Whether a transcript is none of an interruption. `speech`: what the character is saying."""
    return not text or is_backchannel(text) or sounds_like_own(text, speech)


class Judge:
    """Of one utterance."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._speech_ms = 0
        self._whole = False
        self._text = ""
        self._final = False

    def spoken(self, speech_ms: int) -> Verdict:
        """It is so long by now."""
        self._speech_ms = speech_ms
        return self.verdict

    def stopped(self, speech_ms: int) -> Verdict:
        """It was so long in all."""
        self._speech_ms, self._whole = speech_ms, True
        return self.verdict

    def recognised(self, text: str, *, final: bool) -> Verdict:
        """This is what the ASR makes of it so far, or in the end."""
        self._text, self._final = text, final
        self._whole = self._whole or final
        if final and self._rules.harmless(text):
            return Verdict.NO_INTERRUPTION
        return self.verdict

    @property
    def verdict(self) -> Verdict:
        """By what is known so far."""
        if self._speech_ms < self._rules.shortest_ms:
            return Verdict.NO_INTERRUPTION if self._whole else Verdict.UNKNOWN
        if not self._text:
            long_enough = not self._rules.tells_partials and self._speech_ms > LONGEST_BACKCHANNEL_MS
            return Verdict.INTERRUPTS if long_enough else Verdict.UNKNOWN
        if not self._final and may_become_backchannel(self._text):
            return Verdict.UNKNOWN
        return Verdict.HARMLESS if self._rules.harmless(self._text) else Verdict.INTERRUPTS
