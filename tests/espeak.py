"""Words in, pcm out: the speech synthesiser espeak-ng 1.52, as the wheel `espeakng-loader` carries it.

So the tests need nothing that pip does not bring. Its state is the process's: one thread at a time. What it said before
changes how it says the next thing, so it is loaded anew for each: the same words are the same pcm in any order.
https://github.com/espeak-ng/espeak-ng/blob/master/src/include/espeak-ng/speak_lib.h
"""

import ctypes
from _ctypes import dlclose
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import espeakng_loader

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: nothing is played, espeak_Synth returns when all is spoken
_BUFFER_MS = 200
_UTF8 = 1  # espeakCHARS_UTF8
_CHARACTERS = 1  # POS_CHARACTER
_RATE, _PITCH = 1, 3  # espeakRATE in words per minute, espeakPITCH 0 to 99
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@contextmanager
def _library() -> Iterator[tuple[Any, int]]:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        rate_hz = library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, espeakng_loader.get_data_path().encode(), 0)
        assert rate_hz > 0, "espeak-ng does not find its data"
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        yield library, rate_hz
        library.espeak_Terminate()
    finally:
        dlclose(library._handle)


def speak(text: str, voice: str, words_per_minute: int, pitch: int) -> tuple[bytes, int]:
    """Pcm (s16le, mono) and its rate. `voice` such as "cmn" or "en-us+f2"."""
    spoken: list[bytes] = []

    def collect(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            spoken.append(ctypes.string_at(samples, count * 2))
        return 0

    callback = _Callback(collect)  # kept until all is spoken
    with _library() as (library, rate_hz):
        library.espeak_SetSynthCallback(callback)
        assert library.espeak_SetVoiceByName(voice.encode()) == 0, f"espeak-ng has no voice {voice}"
        library.espeak_SetParameter(_RATE, words_per_minute, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        words = text.encode() + b"\0"
        assert library.espeak_Synth(words, len(words), 0, _CHARACTERS, 0, _UTF8, None, None) == 0
        assert library.espeak_Synchronize() == 0
    return b"".join(spoken), rate_hz
