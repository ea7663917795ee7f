"""A source that never ends, a microphone or a file, in; agent mode on every connection out.

As much is sent as time passes, silence where the user is not to be heard: the server's clock is the count of samples,
so that its silence window and its times stay true, and what was said before a pause is never glued to what comes after.
"""

from contextlib import suppress

import anyio

from chatanon_client import (
    AgentListening,
    ChatAnon,
    ChatAnonError,
    Event,
    Response,
    SpeechStarted,
    SpeechStopped,
    Thinking,
    Transcription,
)
from client.language import tell
from client.options import REFUSED, UNUSABLE, WELL
from client.terminal import Replies, Terminal
from client.voice.sound_source import Source, SourceError, WavSource, seconds_of
from client.voice.voice_display import VoiceDisplay

ECHO_TAIL_S = 0.3  # from the speaker's last sample to the last of it in the microphone
LONGEST_TURN_S = 90.0  # without a word from the server; then the microphone is heard again
LONGEST_LAG_MS = 10_000  # between a moment of speech and the word about it
QUIET_S = 5.0  # after a file: no utterance is going to come
HARMLESS = ("history_unavailable", "no_speech")  # errors after which all is as well as before
UNFINISHED_S = 15.0  # after a file, where an utterance has begun and its final transcript is due


class AgentMode(VoiceDisplay):
    """`over` is set when nothing more is to come: a file was answered, the server refused, the microphone broke."""

    def __init__(self, source: Source, replies: Replies, terminal: Terminal, headset: bool) -> None:
        super().__init__(terminal)
        self.over = anyio.Event()
        self.exit_code = WELL
        self.source = self._source = source
        self._replies = replies
        self._headset = headset
        self._floor = _Floor()
        self._sent_ms = 0.0
        self._interrupt: int | None = None  # ms that were heard; to be sent before the next sound
        if headset:
            self.extensions = (*self.extensions, "barge_in")

    def receive(self, event: Event) -> None:
        super().receive(event)
        self._floor.receive(event, anyio.current_time())
        if isinstance(event, SpeechStopped):
            lag_ms = self._sent_ms - event.at_ms
            if 0 <= lag_ms <= LONGEST_LAG_MS:
                self.latency.start(anyio.current_time() - lag_ms / 1000)

    def interrupt(self) -> bool:
        """Stop the character, if it speaks and can be stopped. Whether it does."""
        played_ms = self._replies.cut() if self._headset else None
        if played_ms is None:
            return False
        self._interrupt = played_ms
        return True

    def lose(self) -> None:
        super().lose()
        self._floor.lose()

    async def run(self, server: ChatAnon) -> None:
        try:
            await server.start_agent()
        except ChatAnonError:
            if server.is_connected:
                self._end(REFUSED)
            return
        self._sent_ms = 0.0
        await self._send_sound(server)

    async def take_leave(self, server: ChatAnon) -> None:
        await server.stop_agent()

    async def _send_sound(self, server: ChatAnon) -> None:
        muted = True  # what a microphone heard while there was no connection is nobody's
        while not self.over.is_set():
            try:
                chunk = await self._source.read(muted=muted)
            except SourceError as error:
                self._terminal.warn(str(error))
                self._end(UNUSABLE)
                return
            if self._interrupt is not None:
                with suppress(ChatAnonError):  # the server cannot be interrupted, or is gone
                    await server.interrupt(self._interrupt)
                self._interrupt = None
            await server.send_audio(chunk)
            self._sent_ms += seconds_of(chunk) * 1000
            self.show_level(chunk, muted=muted)
            now = anyio.current_time()
            if not self._source.ended:
                self._floor.said_at = now
            muted = self._is_muted(now)
            if isinstance(self._source, WavSource) and self._source.ended and not muted and self._floor.is_quiet(now):
                self._end_file()

    def _is_muted(self, now: float) -> bool:
        """A microphone hears the speaker. A file keeps what it has to say until the server listens."""
        if self._replies.is_sounding:
            self._floor.sounded_at = now
        echoes = not self._headset and now < self._floor.sounded_at + ECHO_TAIL_S
        listens = self._headset and not isinstance(self._source, WavSource)
        return echoes or (not listens and self._floor.is_taken(now))

    def _end_file(self) -> None:
        if self._floor.is_unanswered:
            self._terminal.warn(tell("file_unanswered"))
        self._end(self._floor.exit_code)

    def _end(self, exit_code: int) -> None:
        self.exit_code = exit_code
        self.close_meter()
        self.over.set()


class _Floor:
    """Whose turn it is to speak, as far as the server's messages tell."""

    def __init__(self) -> None:
        self.sounded_at = float("-inf")
        self.said_at = float("-inf")  # the last there is of a file
        self._heard_from_at = 0.0
        self._taken = False  # by the character: from the final transcript until the server listens again
        self._speaking = False  # the user: something was heard of an utterance whose final transcript is due
        self._answered = False
        self._failed = False

    def receive(self, event: Event, now: float) -> None:
        self._heard_from_at = now
        match event:
            case SpeechStarted():
                self._speaking = True
            case Transcription():
                self._speaking = event.is_partial
                self._taken = self._taken or bool(not event.is_partial and event.text)
            case Thinking():
                self._taken = True
            case AgentListening():
                self._taken = self._speaking = False
            case Response():
                self._answered = True
            case ChatAnonError():
                self._speaking = False
                self._failed = self._failed or event.code not in HARMLESS

    def lose(self) -> None:
        self._taken = self._speaking = False

    def is_taken(self, now: float) -> bool:
        return self._taken and now < self._heard_from_at + LONGEST_TURN_S

    def is_quiet(self, now: float) -> bool:
        """Nothing was heard for so long that nothing is going to be."""
        return now > max(self.said_at, self._heard_from_at) + (UNFINISHED_S if self._speaking else QUIET_S)

    @property
    def is_unanswered(self) -> bool:
        return not self._answered

    @property
    def exit_code(self) -> int:
        return WELL if self._answered and not self._failed else REFUSED
