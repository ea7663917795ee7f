"""A vendor's way to ask over HTTP in, a voice engine out: what is the same for all of them, once."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Final, Protocol

import numpy as np

from services.base import Emotion, Synthesis, Voice
from services.http_speech import faults
from services.http_speech.faults import Failed
from services.http_speech.parts import parts_of
from services.http_speech.server import Ask, Reading, SpeechServer
from services.http_speech.sound import Sound, silence, without_silence
from services.http_speech.wav import Block

SPEAKABLE: Final = re.compile(r"[^\W_]")  # without one of these, servers answer with silence, or not at all


class Speaker(Protocol):
    """What a vendor's folder knows."""

    languages: frozenset[str]

    @property
    def credits(self) -> tuple[str, ...]: ...

    def prepare(self, voice: Voice) -> None:
        """A hint that this voice will soon be wanted. Never waits or fails."""
        ...

    def speak(self, voice: Voice, text: str, emotion: Emotion, sound: Sound) -> AsyncGenerator[bytes]:
        """A text with something to say in it; what is given out has gone through `sound`, but for its end."""
        ...


class HttpTTS:
    """The voice engine of this process."""

    def __init__(self, server: SpeechServer, speaker: Speaker, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.languages = speaker.languages
        self._server = server
        self._speaker = speaker

    @property
    def credits(self) -> tuple[str, ...]:
        return self._speaker.credits

    def prepare(self, voice: Voice) -> None:
        self._server.prepare()
        self._speaker.prepare(voice)

    @asynccontextmanager
    async def open_synthesis(self, voice: Voice) -> AsyncIterator[Synthesis]:
        self._server.prepare()
        yield _HttpSynthesis(self._server, self._speaker, voice, self.sample_rate_hz)


class _HttpSynthesis:
    """The voice of one turn."""

    def __init__(self, server: SpeechServer, speaker: Speaker, voice: Voice, sample_rate_hz: int) -> None:
        self._server = server
        self._speaker = speaker
        self._voice = voice
        self._sample_rate_hz = sample_rate_hz

    def expect(self, emotion: Emotion, words: str = "") -> None:
        """A connection is all that can be prepared."""
        self._server.prepare()

    async def synthesize(self, text: str, emotion: Emotion) -> AsyncGenerator[bytes]:
        if not SPEAKABLE.search(text):
            return
        sound = Sound(self._sample_rate_hz)
        async with aclosing(self._speaker.speak(self._voice, text, emotion, sound)) as pieces:
            async for pcm in pieces:
                if pcm:
                    yield pcm
        if rest := sound.finish():
            yield rest
        if not sound.heard:
            raise Failed(faults.NO_SOUND)


async def streamed(server: SpeechServer, ask: Ask, reading: Reading, sound: Sound) -> AsyncGenerator[bytes]:
    """One request whose sound is heard while it comes."""
    async with aclosing(server.blocks(ask, reading)) as blocks:
        async for block in blocks:
            if pcm := sound.add(block):
                yield pcm


async def whole(server: SpeechServer, ask: Ask, reading: Reading) -> Block:
    """One request whose sound is wanted at once."""
    async with aclosing(server.blocks(ask, reading)) as blocks:
        found = [block async for block in blocks]
    samples = [block.samples for block in found if block.rate_hz == found[0].rate_hz]
    return Block(found[0].rate_hz, np.concatenate(samples))


async def in_parts(
    text: str, longest: int, ask: Callable[[str], Awaitable[Block]], sound: Sound
) -> AsyncGenerator[bytes]:
    """A sentence of a server that gives no sound before the last word: part by part, each by itself. The silence that
    such a server leaves around each is replaced by a pause of ours, so that no break sounds longer than a breath."""
    for part, pause_s in parts_of(text, longest):
        if SPEAKABLE.search(part):
            block = await ask(part)
            pieces = without_silence(block.samples, block.rate_hz), silence(pause_s, block.rate_hz)
            if pcm := sound.add(Block(block.rate_hz, np.concatenate(pieces))):
                yield pcm
