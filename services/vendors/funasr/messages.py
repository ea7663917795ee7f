"""Sans-IO: the messages to a FunASR server, and what has been heard by its answers, however its version tells it.

There are four programs on the same port, and none says which it is (protocol page, sections 5 and 6): what they have in
common decides, and what one of them alone does is believed once it has been seen.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from services.base import RECOGNITION_RATE_HZ, RecognitionHints
from services.transcripts.cleaning import has_tags, written
from services.vendors.funasr.faults import FAILED, REFUSED, UNREADABLE, Failed

FRAME_BYTES: Final = 1920  # 60 ms: the Python servers count frames, and want chunk_size[1] * 60 / chunk_interval ms
SHORTEST_FRAME_BYTES: Final = 32  # 1 ms: the Python servers end the connection at a shorter one
MAX_MESSAGE_BYTES: Final = 1 << 20
MAX_CHARACTERS: Final = 20_000
HOTWORD_WEIGHT: Final = 20
HOTWORDS: Final = 100
END: Final = '{"is_speaking":false,"is_end":true}'  # the key that not all know does no harm
_SENTENCE_END: Final = "。！？.!?"

Mode = Literal["2pass", "offline"]


@dataclass(slots=True)
class Habits:
    """What has been found out about a server, for all later utterances."""

    is_cpp: bool = False  # it takes weights of hotwords
    answers_in_two_passes: bool = False  # as cpp-2pass does: exactly one message that is final ends an utterance
    may_be_silent: bool = False  # py-old says nothing where it has understood nothing
    wrong_partials: bool = False  # SenseVoice behind Paraformer's partials: those are Mandarin, whatever was said


def first_message(server: Habits, hints: RecognitionHints, mode: Mode, name: str) -> str:
    """What must be said before any audio."""
    message: dict[str, Any] = {
        "mode": mode,
        "wav_name": name,
        "wav_format": "pcm",
        "is_speaking": True,
        "chunk_size": [5, 10, 5],
        "chunk_interval": 10,
        "audio_fs": RECOGNITION_RATE_HZ,
        "itn": True,
        "svs_lang": hints.language or "auto",
        "svs_itn": True,
        "encoder_chunk_look_back": 4,
        "decoder_chunk_look_back": 0,
    }
    words = [" ".join(word.split()) for word in hints.hotwords]
    if words := [word for word in dict.fromkeys(words) if word][:HOTWORDS]:
        # Always a string. The Python servers take words between blanks, and weights for a part of the words.
        weighted = json.dumps(dict.fromkeys(words, HOTWORD_WEIGHT), ensure_ascii=False)
        message["hotwords"] = weighted if server.is_cpp else " ".join(words)
    return json.dumps(message, ensure_ascii=False)


class Answer(msgspec.Struct, frozen=True):
    """One message of the server."""

    text: str = ""
    mode: str = ""
    is_final: bool = False
    is_end: bool = False
    error: str = ""
    timestamp: Any = None

    @property
    def of_cpp(self) -> bool:
        return isinstance(self.timestamp, int | str)

    @property
    def is_sentence(self) -> bool:
        """Of the second pass: it stands for all partial texts since the last one."""
        return self.mode.endswith("offline")


def read_answer(raw: str) -> Answer:
    """Raises ASRError where it is none."""
    try:
        answer = msgspec.json.decode(raw, type=Answer)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Failed(UNREADABLE) from error
    if answer.text.startswith("ERROR. "):
        raise Failed(REFUSED)
    return answer


class Heard:
    """One utterance on one connection."""

    def __init__(self, server: Habits, language: str) -> None:
        self._server = server
        self._language = language
        self._sentences = ""
        self._partial = ""
        self._ending = False
        self._ended = False
        self._near_end = False
        self.anything = False  # that the server said

    def receive(self, answer: Answer) -> None:
        """Raises ASRError where the server says that it failed, or goes on without end."""
        self.anything = True
        if answer.of_cpp:
            self._server.is_cpp = True
            if answer.mode.startswith("2pass"):
                self._server.answers_in_two_passes = True
        if answer.error and not self.text:
            raise Failed(FAILED)
        self._add(answer)
        if len(self._sentences) + len(self._partial) > MAX_CHARACTERS:
            raise Failed(UNREADABLE)
        if self._ending:
            self._judge_end(answer)

    def _add(self, answer: Answer) -> None:
        if not answer.text:
            return
        if answer.is_sentence or not answer.mode:
            self._server.wrong_partials = self._server.wrong_partials or has_tags(answer.text)
            self._sentences = _joined(self._sentences, _tidy(written(answer.text, self._language)))
            self._partial = ""
        else:
            self._partial += answer.text

    def _judge_end(self, answer: Answer) -> None:
        final_of_cpp = answer.is_final and answer.of_cpp
        self._ended = self._ended or answer.is_end or final_of_cpp or (answer.is_final and not answer.mode)
        if answer.is_sentence or (
            answer.is_final and not answer.mode.endswith("online")
        ):  # there py-old turns it round
            self._near_end = True
            if not (answer.of_cpp or answer.is_final):
                self._server.may_be_silent = True

    def finish(self) -> None:
        """The server has been told that this was all."""
        self._ending = True

    @property
    def is_ending(self) -> bool:
        return self._ending

    @property
    def is_whole(self) -> bool:
        return self._ended

    @property
    def may_be_whole(self) -> bool:
        """Something came that may be the last; of some servers nobody can tell but by their silence after it."""
        return self._near_end and not self._server.answers_in_two_passes

    @property
    def text(self) -> str:
        return _joined(self._sentences, written(self._partial, self._language)).strip()

    @property
    def is_definite(self) -> bool:
        """Whether something was heard, and none of it may change."""
        return bool(self._sentences) and not self._partial


def _tidy(sentence: str) -> str:
    """Paraformer ends the last sentence twice."""
    return re.sub(rf"(?<=[{re.escape(_SENTENCE_END)}])。$", "", sentence.strip())


def _joined(first: str, second: str) -> str:
    latin = first[-1:].isascii() and second[:1].isascii() and not first[-1:].isspace() and second[:1].isalnum()
    return f"{first} {second}" if first and second and latin else first + second
