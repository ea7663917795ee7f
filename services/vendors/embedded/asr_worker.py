"""Frames of many recognitions on stdin, what was heard on stdout: the ASR process, started by the server.

    python -m services.vendors.embedded.asr_worker

pocketsphinx holds the GIL while it works: in the server's own process it would hold up everybody. Recognitions are
worked on one stretch of speech at a time, first those that are finished; stretches before a pause are recognised while
it lasts, so that most of an utterance is done before its end is known. The process ends when its stdin does.
"""

import json
import os
import sys
import threading
from dataclasses import dataclass, field
from typing import BinaryIO

from services.asr_process.child import Frames, open_pipes, write
from services.asr_process.frames import Frame, Kind
from services.vendors.embedded.asr_match import Phrases, Scripts
from services.vendors.embedded.asr_utterance import LONGEST, Stretch, Utterance

LOADING_NICE = 10


@dataclass(slots=True)
class Recognition:
    """One utterance, and what was recognised of it so far."""

    character: str
    utterance: Utterance = field(default_factory=Utterance)
    recognised: list[tuple[Stretch, str]] = field(default_factory=list)
    finished: bool = False
    has_news: bool = False

    def todo(self) -> Stretch | None:
        """The next stretch that nobody has looked at; last of all the whole, where a phrase was said with a pause."""
        stretches = self.utterance.stretches(whole=self.finished) if self.has_news else []
        if self.finished and not any(map(self._phrase, stretches)):
            stretches += _joined(stretches)
        found = next((each for each in stretches if self._phrase(each) is None), None)
        self.has_news = found is not None
        return found

    def heard(self) -> str:
        """The phrases in it; "" where more of it was none than was one: then they are likely mistaken, too."""
        stretches = self.utterance.stretches(whole=True)
        if not any(map(self._phrase, stretches)):
            stretches = _joined(stretches)
        phrases = [(each, phrase) for each in stretches if (phrase := self._phrase(each))]
        most = 2 * sum(each.frames for each, _ in phrases) > sum(each.frames for each in stretches)
        return " ".join(phrase for _, phrase in phrases) if most else ""

    def _phrase(self, stretch: Stretch) -> str | None:
        """None before it was looked at."""
        return next((phrase for known, phrase in self.recognised if known.resembles(stretch)), None)


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """All of it in one, if there are several and that is no longer than a phrase."""
    whole = Stretch(stretches[0].start, stretches[-1].end) if len(stretches) > 1 else None
    return [whole] if whole and whole.frames <= LONGEST else []


class Worker:
    """The ASR's own thread: all recognitions, by number."""

    def __init__(self, phrases: Phrases, out: BinaryIO) -> None:
        self._phrases = phrases
        self._out = out
        self._recognitions: dict[int, Recognition] = {}

    def run(self, frames: Frames) -> None:
        while True:
            if not self._work():
                self.take(frames.get())
            while not frames.empty():
                self.take(frames.get())

    def take(self, frame: Frame) -> None:
        if frame.kind is Kind.OPEN:
            self._recognitions[frame.recognition] = Recognition(frame.payload.decode())
        elif frame.kind is Kind.CLOSE:
            self._recognitions.pop(frame.recognition, None)
        elif (recognition := self._recognitions.get(frame.recognition)) is None:
            return  # answered, and closed
        elif frame.kind is Kind.AUDIO:
            recognition.utterance.add(frame.payload)
            recognition.has_news = True
        elif frame.kind is Kind.FINISH:
            recognition.finished = recognition.has_news = True

    def _work(self) -> bool:
        """One piece of it; False where there is nothing to do."""
        by_need = sorted(self._recognitions.items(), key=lambda item: not item[1].finished)
        for number, recognition in by_need:
            stretch = recognition.todo()
            if stretch is not None:
                recognition.recognised.append((stretch, self._recognise(recognition, stretch)))
                return True
            if recognition.finished:
                del self._recognitions[number]
                write(self._out, Frame(Kind.HEARD, number, recognition.heard().encode()))
                return True
        return False

    def _recognise(self, recognition: Recognition, stretch: Stretch) -> str:
        if stretch.frames > LONGEST:
            return ""
        return self._phrases.recognise(recognition.character, recognition.utterance.speech(stretch)) or ""


def load(scripts: Scripts) -> Phrases:
    """Behind all others: on one core the server would start up a second later."""
    loaded: list[Phrases] = []

    def work() -> None:
        if sys.platform == "linux":  # where priority is a thread's own
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOADING_NICE)
        loaded.append(Phrases(scripts))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return loaded[0]


def main() -> None:
    out, frames = open_pipes()
    phrases = load(json.loads(frames.get().payload))
    write(out, Frame(Kind.READY, payload=json.dumps(phrases.left_out).encode()))
    Worker(phrases, out).run(frames)


if __name__ == "__main__":
    main()
