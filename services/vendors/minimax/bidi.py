"""MiniMax's bidirectional variant, sans-IO: a text in, JSON text out; JSON text in, pcm and faults of each text out.

Page, section 7: the server cuts what it is given into sentences of its own, announces each with `sentence_start` and
`sentence_end`, and answers `task_flush` with `task_flushed`, `task_cancel` with `task_canceled`. Where it says no more,
this is taken for granted:

- Events come in the order of what they are about, as everything else on this API does. So the k-th `task_flushed` is
  about the k-th `task_flush`, and after `task_canceled` neither audio nor an acknowledgement of what was before comes.
- A text of ours is over when its `task_flushed` has come, a sentence of it was heard of, and all its sentences have
  ended. A server that has nothing left to flush may say so at once, before or while it speaks: then the second half
  decides, which is exact for a text that the server takes for one sentence.
- Audio belongs to an announced sentence, since that is what the announcement is good for. What comes before the first
  one of a text is a remainder of something else, unless this server was never seen to announce any.
- `is_final`, and a last message that repeats the whole, are about a sentence of the server's: it knows no other unit.
- A text that is skipped (2203, 2204, 2205) leaves its `task_flush` to be acknowledged: that was a request of its own.
- Nothing is sent between `task_cancel` and its answer: whether that would be cancelled too, the page does not say. A
  session that owes the answer is not used before it has come, and given up where it does not come: that costs no more
  than in the plain variant. Whoever speaks next waits for it, not whoever interrupts.
- `task_finish` is sent when nothing is queued, because here it is said to close at once (page, 8.2).
- A text is sent as its clauses become known, each piece in a `task_continue`, and the rest of it with the `task_flush`;
  what of that makes a sentence, the server decides. Nothing else is sent between its pieces: they would be gathered
  together. It ends with a sentence stop, so that nothing of it waits, neither for a comma's "long enough" nor for the
  flush. A refusal while such a text is under way ends the connection, because which piece is skipped nobody says.
"""

from collections import deque
from collections.abc import Mapping

from services.vendors.minimax.frames import (
    BROKEN_OFF,
    Audio,
    Event,
    Fault,
    Mark,
    Refusal,
    TaskFinished,
    task_continue,
)
from services.vendors.minimax.frames import decode as _decode
from services.vendors.minimax.texts import Text, TextQueue

TASK_FLUSH = b'{"event":"task_flush"}'
TASK_CANCEL = b'{"event":"task_cancel"}'
STOPS = "。！？!?…；.\n"  # release a sentence at once

_MARKS: Mapping[str, Mark] = {
    "sentence_start": Mark.SENTENCE_STARTED,
    "sentence_end": Mark.SENTENCE_ENDED,
    "task_flushed": Mark.FLUSHED,
    "task_canceled": Mark.CANCELED,
}


def decode(raw: bytes | str) -> Event:
    """One message of the vendor.

    Raises:
        MalformedMessage: as in the plain variant.
    """
    return _decode(raw, _MARKS)


def request(text: str, sent: str = "") -> tuple[bytes, ...]:
    """The messages that have a text spoken to its end; `sent`: what the server has of it."""
    rest = text[len(sent) :]
    if not sent or any(character.isalnum() for character in rest):
        return task_continue(with_stop(rest)), TASK_FLUSH
    return (TASK_FLUSH,) if sent[-1] in STOPS else (task_continue("。"), TASK_FLUSH)


def with_stop(text: str) -> str:
    """The text up to the stop that ends it, or with one of ours; brackets after it would wait alone for the flush."""
    spoken = max((at + 1 for at, character in enumerate(text) if character.isalnum()), default=0)
    stop = max(text.rfind(stop, spoken) for stop in STOPS)
    return text[: stop + 1] if stop >= 0 else text.rstrip() + "。"


class BidiTextQueue(TextQueue):
    """The texts sent over one connection and not yet spoken, and which of them an event is about."""

    def __init__(self, sample_rate_hz: int) -> None:
        super().__init__(sample_rate_hz)
        self._flushing: deque[Text] = (
            deque()
        )  # their task_flush is not sent or not acknowledged, be they skipped or not
        self._begun: Text | None = None  # the last of which a sentence was heard of
        self._open_sentences = 0  # of that text
        self._announces = False  # the server announces sentences, as far as was seen

    def add(self) -> Text:
        text = super().add()
        self._flushing.append(text)
        return text

    def cancel(self) -> bytes | None:
        self._texts.clear()
        self._flushing.clear()
        self._begun, self._open_sentences = None, 0
        self.heard, self.canceling = False, True
        return TASK_CANCEL

    def receive(self, event: Event) -> Fault | None:
        if self.canceling:
            return self._receive_remainder(event)
        fault = None
        match event:
            case Mark():
                self._receive_mark(event)
            case Audio():
                fault = self._receive_piece(event)
            case _:
                fault = super().receive(event)
        self._end_foremost()
        return fault

    def _receive_remainder(self, event: Event) -> Fault | None:
        """Something that was sent before the vendor knew of the cancellation, or its answer to that."""
        match event:
            case Mark.CANCELED:
                self.canceling = False
            case Refusal(fault, skips_one_text=False):
                return fault
            case TaskFinished():
                return BROKEN_OFF
        return None

    def _receive_mark(self, mark: Mark) -> None:
        match mark:
            case Mark.SENTENCE_STARTED:
                self._announces = True
                if self._texts:
                    self._begin(self._texts[0])
                    self._open_sentences += 1
            case Mark.SENTENCE_ENDED if self._open_sentences:
                self._open_sentences -= 1
            case Mark.FLUSHED if self._flushing:
                self._flushing.popleft()

    def _receive_piece(self, audio: Audio) -> Fault | None:
        if not self._texts or (self._announces and self._begun is not self._texts[0]):
            return None
        if self._begun is not self._texts[0]:
            self._begin(self._texts[0])
        return super().receive(audio)

    def _receive_final(self, text: Text) -> None:
        text.begin_sentence()

    def _begin(self, text: Text) -> None:
        text.begin_sentence()
        if self._begun is not text:
            self._begun, self._open_sentences = text, 0

    def _end_foremost(self) -> None:
        text = self._texts[0] if self._texts else None
        if text is not None and text is self._begun and not self._open_sentences and text not in self._flushing:
            self._texts.popleft()
            text.ended = True
