"""Japanese text in; how it is pronounced, as pyopenjtalk tells it, out: imported late, quietly, and without Sudachi.

Sudachi's dictionary is 193 MB on the disk, 80 MB of memory and 75 ms. pyopenjtalk requires it for two things. Its
corrections of readings mended one reading in 50 lines and broke two, so they are off. And the word around a kanji that
is not in its own dictionary is looked up there; without that the kanji gets its usual Sino-Japanese reading.
"""

import sys
import threading
from contextlib import redirect_stdout
from functools import cache
from types import ModuleType
from typing import TextIO, cast


def labels(text: str) -> list[str]:
    """For the synthesiser.

    Raises:
        Exception: of a large library in Python and C, given any text at all.
    """
    return cast("list[str]", load().extract_fullcontext(text, use_sudachi_kanji_yomi=False, predict_nani=False))


def phonemes(text: str) -> list[str]:
    """One by one.

    Raises:
        RuntimeError: it cannot make anything of the text.
    """
    return cast("list[str]", load().g2p(text, join=False, use_sudachi_kanji_yomi=False, predict_nani=False))


@cache
def load() -> ModuleType:
    """Imports it, which takes 200 ms."""
    stdout = _DeafTo(sys.stdout, threading.get_ident())
    try:
        with redirect_stdout(cast(TextIO, stdout)):  # a notice about ONNX Runtime
            import pyopenjtalk
            from pyopenjtalk import _unknown_kanji
    finally:
        stdout.thread = None
    setattr(_unknown_kanji, "get_sudachi_tokenizer", _KnowsNoWord)  # noqa: B010 - there is no public way to say so
    return pyopenjtalk


class _KnowsNoWord:
    """Stands for Sudachi's tokenizer."""

    def tokenize(self, text: str, mode: object) -> list[object]:
        return []


class _DeafTo:
    """A text stream that one thread writes to in vain. Whoever keeps it has the stream itself once `thread` is None."""

    def __init__(self, stream: TextIO, thread: int) -> None:
        self._stream = stream
        self.thread: int | None = thread

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self.thread else self._stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
