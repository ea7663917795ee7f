"""Enter pressed, or a file, in; one streamed utterance (start, chunks, end) out, as one request."""

from chatanon_client import Stream
from client.chat import Asked, Chat
from client.language import tell
from client.options import Options
from client.terminal import Replies, Terminal
from client.voice.microphone import MicrophoneError, open_microphone
from client.voice.sound_source import Source, SourceError
from client.voice.voice_display import VoiceDisplay


class Utterance:
    """What a source says until it ends, sent as it is said."""

    def __init__(self, source: Source, display: VoiceDisplay, terminal: Terminal) -> None:
        self._source = source
        self._display = display
        self._terminal = terminal
        self._asked: Asked | None = None

    def begin(self, chat: Chat) -> Asked:
        self._asked = chat.ask(lambda server: server.start_stream(), self._display.latency.start)
        if isinstance(self._asked.request, Stream):
            chat.start(self._send_sound, self._asked.request)
        return self._asked

    def end(self) -> Asked | None:
        """Nothing more is said. None: that was so before."""
        if self._asked is None or self._source.ended or self._asked.done.is_set():
            return None
        self._source.close()
        return self._asked

    async def _send_sound(self, stream: Stream) -> None:
        """An answer before the end is the server's no to the rest."""
        await stream.started.wait()
        while not self._source.ended and not stream.is_done:
            try:
                chunk = await self._source.read()
            except SourceError as error:
                self._terminal.warn(str(error))
                self._source.close()
                continue
            if chunk and await stream.send(chunk):
                self._display.show_level(chunk)
        self._source.close()
        self._display.close_meter()
        await stream.end()


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

    async def take_line(self, text: str) -> Asked | None:
        """A line that was typed: any ends what is being said, and gives it; an empty one begins something else."""
        said = None if self._utterance is None else self._utterance.end()
        if said is not None:
            return said
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
        self._utterance.begin(self._chat)
