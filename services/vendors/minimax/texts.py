"""The texts under way over one connection to MiniMax, sans-IO: its events in; the pcm and fault of each text out."""

from collections import deque
from dataclasses import replace

from services.vendors.minimax.frames import BROKEN_OFF, UNCLEAR, Audio, Event, Fault, Refusal, Remedy, TaskFinished

LONGEST_SPEECH_S = 120  # of one text; nobody listens to a longer sentence, and audio without end is no answer
TOO_LONG = Fault(
    Remedy.OTHER_TEXT,
    f"The sentence takes longer than {LONGEST_SPEECH_S} seconds to speak: the rest of it is not spoken",
    one_sentence=True,
)


class PcmAssembler:
    """The audio of one text: messages in, whole samples out."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._second_bytes = 2 * sample_rate_hz
        self._odd = b""
        self.received_bytes = 0

    def receive(self, audio: Audio) -> bytes:
        """The samples that this message completes, maybe none."""
        if self._repeats_everything(audio):
            return b""
        self.received_bytes += len(audio.pcm)
        pcm = self._odd + audio.pcm if self._odd else audio.pcm
        whole = len(pcm) & ~1
        self._odd = pcm[whole:]
        return pcm[:whole] if self._odd else pcm

    def _repeats_everything(self, audio: Audio) -> bool:
        size = len(audio.pcm)
        if not audio.is_final or not self.received_bytes or not size:
            return False
        # Where the vendor's own count fits exactly one reading, it decides; page, rule 8.1, guesses for the rest.
        if audio.total_bytes in (self.received_bytes, self.received_bytes + size):
            return audio.total_bytes == self.received_bytes
        return size > self._second_bytes and size >= self.received_bytes


class Text:
    """A text on its way to becoming audio: what has come of it, and how it ended."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._audio = PcmAssembler(sample_rate_hz)
        self._earlier_bytes = 0  # of the vendor's sentences that are over
        self.pieces: list[bytes] = []  # not yet taken
        self.ended = False
        self.fault: Fault | None = None
        self.abandoned = False
        self.sent = ""  # what the vendor has of it
        self.in_pieces = False

    @property
    def received_bytes(self) -> int:
        return self._earlier_bytes + self._audio.received_bytes

    @property
    def heard(self) -> bool:
        return self.received_bytes > 0

    @property
    def settled(self) -> bool:
        """Whether there is something to take, or nothing more to wait for."""
        return bool(self.pieces) or self.ended or self.fault is not None

    def receive(self, audio: Audio) -> None:
        pcm = self._audio.receive(audio)
        if pcm and not self.abandoned:
            self.pieces.append(pcm)

    def begin_sentence(self) -> None:
        """What comes now neither repeats nor completes what came before."""
        self._earlier_bytes = self.received_bytes
        self._audio = PcmAssembler(self._sample_rate_hz)

    def abandon(self) -> None:
        """Nobody waits for it; what still comes of it is dropped."""
        self.abandoned = True
        self.pieces.clear()


class TextQueue:
    """The texts sent over one connection and not yet spoken, and which of them an event is about.

    Page, section 2: texts are spoken in the order sent, never mixed; the k-th final closes the k-th text, and nothing
    else in a message names the text it belongs to.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._texts: deque[Text] = deque()
        self.heard = False  # any audio at all
        self.canceling = False  # what comes belongs to texts that are no longer here

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, text: Text) -> bool:
        return text in self._texts

    @property
    def being_spoken(self) -> bool:
        """Whether the foremost text has begun to sound."""
        return bool(self._texts) and self._texts[0].heard

    @property
    def abandoned(self) -> int:
        return sum(text.abandoned for text in self._texts)

    def add(self) -> Text:
        text = Text(self._sample_rate_hz)
        self._texts.append(text)
        return text

    def cancel(self) -> bytes | None:
        """Forget all texts. Returns the message that has the vendor do so, None where only closing does."""
        return None  # page, section 2: there is no cancel here

    def receive(self, event: Event) -> Fault | None:
        """Give the event to its text. Returns the fault, where it ends the connection."""
        match event:
            case Audio() if self._texts:
                return self._receive_audio(self._texts[0], event)
            case Refusal():
                return self._receive_refusal(event)
            case TaskFinished():
                return self.fail(BROKEN_OFF)
            case _:
                return None

    def fail(self, fault: Fault) -> Fault:
        """The connection is at its end: so are all its texts."""
        for text in self._texts:
            text.fault = text.fault or fault
        self._texts.clear()
        return fault

    def _receive_audio(self, text: Text, audio: Audio) -> Fault | None:
        text.receive(audio)
        self.heard = self.heard or text.heard
        if text.received_bytes > LONGEST_SPEECH_S * 2 * self._sample_rate_hz:
            text.fault = TOO_LONG
            return self.fail(replace(BROKEN_OFF, remedy=Remedy.AT_ONCE))  # what waits behind it has done nothing
        if audio.is_final:
            self._receive_final(text)
        return None

    def _receive_final(self, text: Text) -> None:
        self._texts.remove(text)
        text.ended = True

    def _receive_refusal(self, refusal: Refusal) -> Fault | None:
        unheard = [text for text in self._texts if not text.heard]
        in_pieces = any(text.in_pieces for text in self._texts)  # and none of them says which
        if (
            refusal.skips_one_text and len(unheard) == 1 and not in_pieces
        ):  # page, 8.3: skipped, and no final will come for it
            unheard[0].fault = refusal.fault
            self._texts.remove(unheard[0])
            return None
        if refusal.fault.remedy is Remedy.OTHER_TEXT and (in_pieces or len(self._texts) > 1):
            for text in unheard:  # which one is meant shows when each is sent by itself
                text.fault = UNCLEAR
        return self.fail(refusal.fault)
