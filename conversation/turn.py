"""One turn: a prompt in; sentences and audio out, in order, while the LLM still writes.

Stages in one task group, each a method: `think` reads the LLM and parses, `speak` has each sentence synthesised,
`deliver` hands sentence by sentence out, `tell_translations` those that came late. A sentence is synthesised
while the one before it is being delivered, no further ahead. Cancelling the caller's scope ends all of them, and vendor
streams are closed on the way out; `reply` then tells what had been said.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from conversation.events import (
    ReplyAudio,
    SentenceBegun,
    SentenceTranslated,
    SynthesisStarted,
    ThinkingEnded,
    ThinkingStarted,
    TurnEvent,
)
from conversation.made_audio import MadeAudio
from conversation.playback import Playback
from conversation.pronunciation import speakable, speakable_ahead
from conversation.reply.guarded_parser import Guard, GuardedParser
from conversation.reply.language import UNSPOKEN
from conversation.reply.parser import MAX_SENTENCES, SentenceReady, TranslationReady
from conversation.single_error import single_error
from conversation.timeline import Timeline
from services.base import LLM, Emotion, Line, LLMError, Prompt, TTSError, TurnSynthesis, TurnTTS, Voices

Emit = Callable[[TurnEvent], Awaitable[None]]

_BYTES_PER_SAMPLE = 2
# How far a voice may run ahead of delivery within one sentence: with a vendor's usual pieces of 40 ms about 2.5 s, and
# a voice that gives a clause at a time is held back after few sentences' worth. Where audio leaves no faster than it is
# played, a vendor would have to wait for a listener: there, a long sentence's worth.
_PCM_AHEAD = 64
_PCM_AHEAD_PACED = 512
# Once so much audio is made, nobody waits for the next words of an LLM: it is read in longer steps.
_AHEAD_S = 1.0
_REST_S = 0.2
_LEAST_REST_S = 0.02
_HOLD_S = 0.25  # while so much still sounds, less than a chunk waits for what makes it whole


@dataclass(slots=True)
class SpokenSentence:
    """One sentence of the reply, as far as it has come."""

    index: int
    jp: str
    emotion: Emotion
    cn: str | None
    language: str | None = None  # as in SentenceReady
    begun: bool = False
    start_ms: int = 0
    made_ms: int = 0  # audio of it that the voice has made
    made_whole: bool = False  # there will be no more
    translated: anyio.Event = field(default_factory=anyio.Event)

    @property
    def line(self) -> Line:
        """As it is kept; without a translation the words themselves stand in for it."""
        return Line(self.jp, self.jp if self.cn is None else self.cn, self.emotion)


@dataclass(slots=True)
class Reply:
    """What a turn has come to, also when it is cut short: written by the turn, read by whoever runs it."""

    sentences: list[SpokenSentence] = field(default_factory=list)
    incomplete: LLMError | Literal["too_long"] | None = None
    audio_error: TTSError | None = None
    audio_sent: bool = False
    repeated: int = 0  # characters of the prompt, in what was replaced

    def lines(self) -> list[Line]:
        """The whole reply."""
        return [sentence.line for sentence in self.sentences]

    def lines_begun(self) -> list[Line]:
        """Only what has reached the user."""
        return [sentence.line for sentence in self.sentences if sentence.begun]


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """What a turn needs to know. `chunk_ms`: longest piece of audio handed out.

    `translation_first`: no audio of a sentence before its translation is written. `paced`: `emit` takes audio no faster
    than it is played. `guard`: of what the LLM was told.
    """

    prompt: Prompt
    voices: Voices
    pronunciation: Mapping[str, str]
    chunk_ms: int = 80
    translation_first: bool = False
    paced: bool = False
    guard: Guard | None = None


async def run_turn(
    request: TurnRequest, llm: LLM, tts: TurnTTS, emit: Emit, *, reply: Reply, timeline: Timeline
) -> None:
    """Think, speak and deliver one reply; `reply` grows as it goes.

    A voice that fails leaves `reply.audio_error` and the text goes on without it. An LLM that fails after its first
    sentence leaves `reply.incomplete`.

    Raises:
        LLMError: the LLM failed before its first sentence, or said nothing at all.
    """
    # No stage waits for the one after it beyond these: thinking never waits for the voice nor for a slow user (an LLM
    # is done in seconds, and at most MAX_SENTENCES fit), the voice is at most one sentence ahead of delivery.
    to_voice, sentences = anyio.create_memory_object_stream[SpokenSentence](MAX_SENTENCES)
    to_deliver, voiced = anyio.create_memory_object_stream[tuple[SpokenSentence, MadeAudio]](0)
    to_tell, translated = anyio.create_memory_object_stream[SpokenSentence](MAX_SENTENCES)
    telling = _Telling(emit)
    turn = _Turn(request, llm, tts, telling, reply, timeline, to_tell)
    with single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(telling.announce)
            tasks.start_soon(turn.think, to_voice)
            tasks.start_soon(turn.speak, sentences, to_deliver)
            tasks.start_soon(turn.deliver, voiced)
            tasks.start_soon(turn.tell_translations, translated)
    if not reply.sentences:
        raise LLMError("The model gave an empty answer; try again")


class _Telling:
    """What is told of a turn, first of all that the LLM is asked. It is asked meanwhile: its user may still have to
    hear out the reply before."""

    def __init__(self, emit: Emit) -> None:
        self.announced = anyio.Event()
        self._emit = emit

    async def announce(self) -> None:
        await self._emit(ThinkingStarted())
        self.announced.set()

    async def __call__(self, event: TurnEvent) -> None:
        if not self.announced.is_set():
            await self.announced.wait()
        await self._emit(event)


@dataclass(slots=True)
class _Ahead:
    """The sentence that is being written, for the voice: it may need a connection for each emotion, which is known
    before the words, and it may speak a sentence as it grows."""

    written: tuple[Emotion, str] | None = None
    spoken: tuple[Emotion, str] | None = None
    told: tuple[Emotion, str] | None = None

    def read(self, parser: GuardedParser, pronunciation: Mapping[str, str]) -> bool:
        """Whether there is news."""
        emotion = parser.emotion_ahead
        written = None if emotion is None else (emotion, parser.words_ahead)
        if written == self.written:
            return False
        self.written = written
        self.spoken = written and (written[0], speakable_ahead(written[1], pronunciation))
        return True

    def tell(self, synthesis: TurnSynthesis, *, with_words: bool) -> None:
        if self.spoken is None:
            self.told = None
            return
        emotion, words = self.spoken if with_words else (self.spoken[0], "")
        if self.told is None or self.told[0] != emotion or (words and words != self.told[1]):
            self.told = emotion, words
            synthesis.expect(emotion, words)


@dataclass(slots=True)
class _Turn:
    request: TurnRequest
    llm: LLM
    tts: TurnTTS
    emit: "_Telling"
    reply: Reply
    timeline: Timeline
    to_tell: MemoryObjectSendStream[SpokenSentence]
    bytes_sent: int = 0
    spoken_until: int = MAX_SENTENCES  # the sentence in which the voice was lost
    synthesis: TurnSynthesis | None = None  # once it is open
    ahead: _Ahead = field(default_factory=_Ahead)  # of the sentence that is being written
    asked: int = 0  # sentences the voice was asked for, and delivery has come to
    made: Playback = field(default_factory=Playback)  # of all that the voice has made, heard from its first sample on
    sent: Playback = field(default_factory=Playback)  # of what was delivered

    async def think(self, out: MemoryObjectSendStream[SpokenSentence]) -> None:
        parser = GuardedParser(self.request.guard)
        async with out, self.to_tell:
            began = monotonic()
            try:
                async with aclosing(self.llm.stream(self.request.prompt)) as deltas:
                    await self._read(deltas, parser, out)
            except LLMError as error:
                if not self.reply.sentences:
                    await self.emit.announced.wait()
                    raise
                self.reply.incomplete = error
            elapsed_s = monotonic() - began
            if parser.too_long:
                self.reply.incomplete = "too_long"
            for sentence in self.reply.sentences:  # one that was cut short gets none any more
                if sentence.cn is None:
                    await self._take(TranslationReady(sentence.index, sentence.line.cn), out)
            await self.emit(ThinkingEnded(elapsed_s))

    async def _read(
        self, deltas: AsyncGenerator[str], parser: GuardedParser, out: MemoryObjectSendStream[SpokenSentence]
    ) -> None:
        async for delta in deltas:
            self.timeline.mark("first_token", monotonic())
            events = parser.feed(delta)
            self.reply.repeated = parser.repeated
            for event in events:
                await self._take(event, out)
            if self.ahead.read(parser, self.request.pronunciation):
                self._expect()
            if parser.is_over:
                return
            await _rest(self.made)
        events = parser.close()
        self.reply.repeated = parser.repeated
        for event in events:
            await self._take(event, out)

    async def _take(self, event: SentenceReady | TranslationReady, out: MemoryObjectSendStream[SpokenSentence]) -> None:
        match event:
            case SentenceReady(index, jp, emotion, cn, language):
                self.timeline.mark("first_sentence", monotonic())
                self.ahead = _Ahead()
                sentence = SpokenSentence(index, jp, emotion, cn, language)
                if cn is not None:
                    sentence.translated.set()
                self.reply.sentences.append(sentence)
                await out.send(sentence)
            case TranslationReady(index, cn):
                sentence = self.reply.sentences[index]
                sentence.cn = cn
                sentence.translated.set()
                if sentence.begun:
                    self.to_tell.send_nowait(sentence)

    def _expect(self) -> None:
        """Tell the voice early. Words are told only where the sentence, if it were whole, would be asked for now: so no
        other comes before it."""
        if self.synthesis is not None and _voice_lives(self.reply):
            self.ahead.tell(self.synthesis, with_words=self.asked == len(self.reply.sentences))

    async def tell_translations(self, translated: MemoryObjectReceiveStream[SpokenSentence]) -> None:
        async with translated:
            async for sentence in translated:
                await self.emit(_translated(sentence))

    async def speak(
        self,
        sentences: MemoryObjectReceiveStream[SpokenSentence],
        out: MemoryObjectSendStream[tuple[SpokenSentence, MadeAudio]],
    ) -> None:
        async with out, sentences:
            try:
                async with self.tts.open_synthesis(self.request.voices) as self.synthesis:
                    self._expect()
                    await self._speak_each(self.synthesis, sentences, out)
            except TTSError as error:
                self.synthesis = None
                self.reply.audio_error = self.reply.audio_error or error
                await self._speak_each(None, sentences, out)

    async def _speak_each(
        self,
        synthesis: TurnSynthesis | None,
        sentences: MemoryObjectReceiveStream[SpokenSentence],
        out: MemoryObjectSendStream[tuple[SpokenSentence, MadeAudio]],
    ) -> None:
        """Start each sentence's synthesis, then wait until delivery has come to it."""
        async with anyio.create_task_group() as tasks:
            async for sentence in sentences:
                audio = MadeAudio(_PCM_AHEAD_PACED if self.request.paced else _PCM_AHEAD)
                text = speakable(sentence.jp, self.request.pronunciation)
                if synthesis and text and not (sentence.language is None or sentence.language in synthesis.languages):
                    text = ""
                    if sentence.language != UNSPOKEN:
                        self.reply.audio_error = self.reply.audio_error or _other_language()
                if synthesis and text and _voice_lives(self.reply):
                    tasks.start_soon(self._synthesize, synthesis, text, sentence, audio)
                    await self.emit(SynthesisStarted(sentence.jp, sentence.emotion))  # its user may have to wait
                else:
                    audio.end()
                await out.send((sentence, audio))
                self.asked = sentence.index + 1
                self._expect()

    async def _synthesize(self, synthesis: TurnSynthesis, text: str, sentence: SpokenSentence, out: MadeAudio) -> None:
        made_bytes = 0
        try:
            async with aclosing(synthesis.synthesize(text, sentence.emotion, sentence.language)) as pieces:
                async for pcm in pieces:
                    made_bytes += len(pcm)
                    sentence.made_ms = _milliseconds(made_bytes, self.tts.sample_rate_hz)
                    self.made.sent(_seconds(pcm, self.tts.sample_rate_hz), monotonic())
                    await out.put(pcm)
        except TTSError as error:
            if _voice_lives(self.reply):
                self.reply.audio_error = error
            if not error.one_sentence:
                self.spoken_until = min(self.spoken_until, sentence.index)
        sentence.made_whole = True
        out.end()

    async def deliver(self, voiced: MemoryObjectReceiveStream[tuple[SpokenSentence, MadeAudio]]) -> None:
        async with voiced:
            async for sentence, audio in voiced:
                await self._deliver_one(sentence, audio)
        if self.reply.audio_sent:
            self.timeline.mark("audio_end", monotonic())

    async def _deliver_one(self, sentence: SpokenSentence, audio: MadeAudio) -> None:
        held, more = b"", True  # an odd byte waits for its other half, and less than a chunk for more
        while more:
            pcm = await audio.take()
            more = not audio.ended
            # Where an earlier one broke off, what was made beside it would be heard behind a hole.
            held = held + pcm if sentence.index <= self.spoken_until else b""
            if len(held) >= _BYTES_PER_SAMPLE:
                await self._begin(sentence, voiced=True)
                held = await self._send(sentence.index, held, more=more)
        await self._begin(sentence, voiced=False)

    async def _begin(self, sentence: SpokenSentence, *, voiced: bool) -> None:
        if sentence.begun:
            return
        if self.request.translation_first:
            await sentence.translated.wait()
        cn = sentence.cn
        sentence.start_ms = _milliseconds(self.bytes_sent, self.tts.sample_rate_hz)
        await self.emit(SentenceBegun(sentence.index, sentence.jp, cn, sentence.emotion, sentence.start_ms, voiced))
        sentence.begun = True
        if cn is None and sentence.cn is not None:  # it came just now
            await self.emit(_translated(sentence))

    async def _send(self, index: int, pcm: bytes, *, more: bool) -> bytes:
        """Hand out whole samples in pieces of at most `chunk_ms`; give back what is left."""
        chunk_bytes = self.tts.sample_rate_hz * self.request.chunk_ms // 1000 * _BYTES_PER_SAMPLE
        whole = len(pcm) - len(pcm) % _BYTES_PER_SAMPLE
        for start in range(0, whole, chunk_bytes):
            chunk = pcm[start : min(start + chunk_bytes, whole)]
            if more and len(chunk) < chunk_bytes and self.sent.left_s(monotonic()) > _HOLD_S:
                return pcm[start:]
            await self.emit(ReplyAudio(index, chunk))
            self.reply.audio_sent = True
            self.timeline.mark("first_audio", monotonic())
            self.sent.sent(_seconds(chunk, self.tts.sample_rate_hz), monotonic())
            self.bytes_sent += len(chunk)
        return pcm[whole:]


async def _rest(made: Playback) -> None:
    """Nobody waits for the next words while there is plenty to listen to: what is read at once costs as one."""
    rest_s = min(_REST_S, made.left_s(monotonic()) - _AHEAD_S)
    if rest_s >= _LEAST_REST_S:
        await anyio.sleep(rest_s)


def _seconds(pcm: bytes, rate_hz: int) -> float:
    return len(pcm) / (_BYTES_PER_SAMPLE * rate_hz)


def _milliseconds(size: int, rate_hz: int) -> int:
    return size * 1000 // (_BYTES_PER_SAMPLE * rate_hz)


def _translated(sentence: SpokenSentence) -> SentenceTranslated:
    line = sentence.line
    return SentenceTranslated(sentence.index, line.jp, line.cn, line.emotion, sentence.start_ms)


def _other_language() -> TTSError:
    return TTSError(
        "The voice does not speak the language of this reply; it was shown only.", retryable=False, one_sentence=True
    )


def _voice_lives(reply: Reply) -> bool:
    return reply.audio_error is None or reply.audio_error.one_sentence
