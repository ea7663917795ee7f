"""Sans-IO: partial transcripts and the silence behind them in; the text to ask the LLM with before it is certain, out.

An utterance is certain late: its silence must end, and then the final transcript must come. Most partial transcripts
are final well before. What is said here may prove wrong, and costs a request to the LLM each time: hence only for a
text that has stood for a while, and only so often for one utterance.
"""

from conversation.interruption.end_of_turn import Ending, ending

MOST_PER_UTTERANCE = 2

# A text is good for it with at least this much silence behind it, having stood for at least so long, both in ms of
# received audio. What its words leave open is asked only when the utterance has ended.
_WAITS: dict[Ending, tuple[tuple[int, int], ...]] = {
    Ending.COMPLETE: ((96, 96), (0, 400)),  # or where noise hides the silence
    Ending.EITHER: ((224, 160),),
    Ending.OPEN: (),
}


class EarlyAsking:
    """Of one utterance."""

    def __init__(self) -> None:
        self._text = ""
        self._stood_text = ""  # since `_since_ms`
        self._since_ms = 0
        self._waits = _WAITS[Ending.OPEN]
        self._asked = ""  # "": not, or not any more
        self._asked_silence_ms = 0
        self._left = MOST_PER_UTTERANCE

    def understood(self, text: str) -> None:
        """A partial transcript."""
        self._text = text

    def wanted(self, silence_ms: int, now_ms: int, *, ended: bool = False) -> str:
        """What the LLM should be thinking about now; "" where that is nothing. `now_ms`: of audio received.
        `ended`: the utterance is whole."""
        if self._text != self._stood_text:
            self._stood_text, self._since_ms, self._waits = self._text, now_ms, _WAITS[ending(self._text)]
        if self._asked and self._asked == self._text and silence_ms >= self._asked_silence_ms:
            return self._asked
        self._asked = ""
        stood_ms = now_ms - self._since_ms
        due = ended or any(silence_ms >= silent and stood_ms >= stood for silent, stood in self._waits)
        if self._text and due and self._left:
            self._left -= 1
            self._asked, self._asked_silence_ms = self._text, silence_ms
        return self._asked
