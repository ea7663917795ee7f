"""Pcm in, utterances out: what ByteDance's simulated ASR hears, for tests.simulators.bytedance alone.

Its clock is samples. What is loud belongs to an utterance, and silence ends it; what an utterance says is the test's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.simulators.bytedance_page import RATE_HZ

BLOCK_MS = 10
_SAMPLES_PER_MS = RATE_HZ // 1000


@dataclass(eq=False, slots=True)
class Utterance:
    """Times in ms of audio; `end_ms` is that of its last sound."""

    start_ms: int
    end_ms: int
    text: str = ""  # so far
    definite: bool = False
    invoke_type: str | None = None  # why it ended


class Recogniser:
    """One session's."""

    def __init__(
        self,
        request: dict[str, Any],  # the full client request
        text_of: Callable[[bytes, bool], str],  # an utterance's audio so far, and whether that is all of it
        *,
        loud_rms: float,
        character_ms: int,
        final_invoke_type: str | None,
    ) -> None:
        self.wanted: dict[str, Any] = request["request"]
        self.channels: int = request["audio"].get("channel", 1)
        self.text_of = text_of
        self.loud_rms = loud_rms
        self.character_ms = character_ms
        self.final_invoke_type = final_invoke_type
        self.utterances: list[Utterance] = []
        self.now_ms = 0
        self._samples = np.zeros(0, dtype="<i2")  # of the first channel, from `_kept_ms` on
        self._kept_ms = 0

    @property
    def current(self) -> Utterance | None:
        return self.utterances[-1] if self.utterances and not self.utterances[-1].definite else None

    def feed(self, pcm: bytes, *, last: bool) -> None:
        """The next whole samples."""
        self._samples = np.concatenate([self._samples, np.frombuffer(pcm, dtype="<i2")[:: self.channels]])
        size = BLOCK_MS * _SAMPLES_PER_MS
        waiting = self._samples[(self.now_ms - self._kept_ms) * _SAMPLES_PER_MS :]
        if last and len(waiting) % size:
            waiting = np.concatenate([waiting, np.zeros(size - len(waiting) % size, dtype="<i2")])
        blocks = waiting[: len(waiting) // size * size].reshape(-1, size).astype(float)
        for loud in np.sqrt((blocks**2).mean(axis=1)) > self.loud_rms:
            self._advance(bool(loud))
        if last and self.current:
            self._end(self.current, self.final_invoke_type)
        if current := self.current:  # whose text grows with its audio
            most = (current.end_ms - current.start_ms) // self.character_ms
            current.text = self.text_of(self._pcm_of(current), False)[:most]
        else:
            self._samples = self._samples[(self.now_ms - self._kept_ms) * _SAMPLES_PER_MS :]
            self._kept_ms = self.now_ms

    def _advance(self, loud: bool) -> None:
        current, self.now_ms = self.current, self.now_ms + BLOCK_MS
        if loud and current:
            current.end_ms = self.now_ms
        elif loud:
            self.utterances.append(Utterance(self.now_ms - BLOCK_MS, self.now_ms))
        elif current:
            silent_ms, so_far_ms = self.now_ms - current.end_ms, self.now_ms - current.start_ms
            if silent_ms >= self._window_ms and so_far_ms >= self.wanted.get("force_to_speech_time", 0):
                self._end(current, "hard_vad" if self._by_silence else "soft_vad")

    @property
    def _by_silence(self) -> bool:
        """And not by meaning."""
        return "end_window_size" in self.wanted or bool(self.wanted.get("enable_nonstream"))

    @property
    def _window_ms(self) -> int:
        """Of the segmentation by meaning, its longest silence: nothing here means anything."""
        by_silence: int = self.wanted.get("end_window_size", 800)
        by_meaning: int = self.wanted.get("vad_segment_duration", 3000)
        return by_silence if self._by_silence else by_meaning

    def _end(self, utterance: Utterance, invoke_type: str | None) -> None:
        utterance.text = self.text_of(self._pcm_of(utterance), True)
        utterance.definite, utterance.invoke_type = True, invoke_type

    def _pcm_of(self, utterance: Utterance) -> bytes:
        start, end = ((ms - self._kept_ms) * _SAMPLES_PER_MS for ms in (utterance.start_ms, utterance.end_ms))
        return self._samples[start:end].tobytes()
