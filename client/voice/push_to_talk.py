"""Enter pressed, or a file, in; one streamed utterance (start, chunks, end) out, as one request."""

from client.chat import Chat
from client.connection import audio_frame
from client.language import tell
from client.ledger import Request, Send
from client.options import Options
from client.terminal import Replies, Terminal
from client.voice.microphone import MicrophoneError, open_microphone
from client.voice.sound_source import Source, SourceError
from client.voice.voice_display import VoiceDisplay


class Utterance(Request):
    """What a source says until it ends, sent as it is said."""

    def __init__(self, source: Source, display: VoiceDisplay, terminal: Terminal) -> None:
        super().__init__({"type": "audio_stream_start"}, on_sent=display.latency.start)
        self.has_rest = True
        self._source = source
        self._display = display
        self._terminal = terminal

    def finish(self, *, failed: bool) -> None:
        super().finish(failed=failed)
        self._source.close()
        self._display.close_meter()

    def end(self) -> None:
        """Nothing more is said."""
        self._source.close()

    async def send_rest(self, send: Send) -> None:
        """An answer before the end is the server's no to the rest."""
        while not self._source.ended and not self.done.is_set():
            try:
                chunk = await self._source.read()
            except SourceError as error:
                self._terminal.warn(str(error))
                self._source.close()
                continue
            if chunk and not self.done.is_set():
                self._display.show_level(chunk)
                await send(audio_frame("audio_stream_chunk", chunk))
        self._display.close_meter()
        if not self.done.is_set():
            self.has_rest = False
            await send({"type": "audio_stream_end"})


class PushToTalk:
    """The microphone of --voice, opened by one Enter and closed by the next."""

    def __init__(
        self, options: Options, chat: Chat, replies: Replies, display: VoiceDisplay, terminal: Terminal
    ) -> None:
        self._options = options
        self._chat = chat
        self._replies = replies
        self._display = display
        self._terminal = terminal
        self._utterance: Utterance | None = None

    async def take_line(self, text: str) -> Utterance | None:
        """A line that was typed: any ends what is being said, and gives it; an empty one begins something else."""
        if self._utterance is not None and self._utterance.has_rest and not self._utterance.done.is_set():
            self._utterance.end()
            return self._utterance
        if not text:
            await self._start()
        return None

    async def _start(self) -> None:
        if not self._chat.is_ready or (self._replies.is_sounding and not self._options.headset):
            self._terminal.warn(tell("not_yet"))
            return
        try:
            microphone = await open_microphone(self._options.input_device, self._terminal.warn)
        except MicrophoneError as error:
            self._terminal.warn(tell("typing_works", reason=error))
            return
        self._display.source = microphone
        self._utterance = Utterance(microphone, self._display, self._terminal)
        self._chat.ask(self._utterance)
