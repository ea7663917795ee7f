"""ChatAnon: what one can say to a character, and ask of the server."""

from collections.abc import Callable
from typing import Any

from chatanon_client.errors import LOST, NOT_GRANTED, ChatAnonError
from chatanon_client.events import AgentListening, CharacterSwitched, History, HistoryCleared, Pong
from chatanon_client.line import Line
from chatanon_client.link import Link
from chatanon_client.turns import Request, Turn
from chatanon_client.wire import audio_field, text_frame


class ChatAnon(Link):
    """One user of a server: `async with ChatAnon("localhost:8765", token) as chat`.

    Requests are sent in order, each once the one before it is answered, and wait for a connection where there is none.
    """

    def say(self, text: str) -> Turn:
        """`reply = await chat.say("你好")`, or `async for event in chat.say("你好")` for the reply as it comes."""
        return self._ask(Turn(text_frame("message", content=text)))

    def send_recording(self, recording: bytes) -> Turn:
        """A whole utterance: a WAV file, or raw samples. The turn is the answer to it."""
        return self._ask(Turn(text_frame("audio_message", **audio_field(recording)), "audio"))

    def start_stream(self) -> "Stream":
        """Begin to say something, piece by piece."""
        return self._ask(Stream(lambda: self._line))

    def start_agent(self) -> Request[AgentListening]:
        """Talk without a key to press: the server hears when somebody begins and has finished. Its turns are among
        the `events`. It ends with the connection: begin anew on `Reconnected`.
        """
        return self._ask(Request(text_frame("agent_mode_start"), AgentListening))

    async def stop_agent(self) -> None:
        """At once; a turn that runs goes to its end."""
        if self._line is not None:
            self._line.ledger.in_agent_mode = False
        await self.send("agent_mode_stop")

    async def send_audio(self, pcm: bytes) -> bool:
        """Sound for agent mode, without a break, as it is heard: signed 16-bit little-endian, mono; 20 to 200 ms are
        good. False: agent mode is not open, and the sound was dropped.
        """
        line = self._line
        return line is not None and line.ledger.in_agent_mode and await line.send_sound("agent_audio_chunk", pcm)

    async def interrupt(self, played_ms: int | None = None) -> None:
        """Extension `barge_in`: the character stops speaking. `played_ms`: how much of its reply was heard.

        Raises:
            ChatAnonError: the server did not grant the extension, or there is no connection.
        """
        line = _ready(self._line, "barge_in")
        await line.send(text_frame("interrupt", **({} if played_ms is None else {"played_ms": max(0, played_ms)})))

    def switch_character(self, name: str) -> Request[CharacterSwitched]:
        """Talk with another one from then on. The message of `unknown_character` names those that there are."""
        return self._ask(Request(text_frame("switch_character", character_name=name), CharacterSwitched))

    def clear_history(self) -> Request[HistoryCleared]:
        """Forget the talk with this character."""
        return self._ask(Request(text_frame("clear_history"), HistoryCleared))

    async def history(self, limit: int = 50, before: int | None = None) -> History:
        """Extension `history`: the last lines of the talk with this character, or those before an `id`.

        Raises:
            ChatAnonError: the server did not grant the extension, cannot read the history, or there is no connection.
        """
        request = Request[History](text_frame("get_history", limit=limit, before=before), History)
        return await _ready(self._line, "history").ask_beside(request)

    async def ping(self) -> Pong:
        """
        Raises:
            ChatAnonError: there is no connection.
        """
        return await _ready(self._line).ask_beside(Request[Pong](text_frame("ping"), Pong))

    async def send(self, kind: str, **fields: Any) -> bool:
        """Any message, at once; what comes of it is among the `events`. False: there is no connection."""
        return self._line is not None and await self._line.send(text_frame(kind, **fields))


class Stream(Turn):
    """What is said piece by piece: `send` the sound as it comes, `end` it, and await the reply, or go through it."""

    def __init__(self, line: Callable[[], Line | None]) -> None:
        super().__init__(text_frame("audio_stream_start"), "stream")
        self._line = line  # the one that there is now; a stream ends with its connection

    async def send(self, pcm: bytes) -> bool:
        """Signed 16-bit little-endian, mono; 20 to 200 ms are good. Waits until the stream is open.

        False: it is not open any more, and the sound was dropped; awaiting the stream tells why.
        """
        await self.started.wait()
        line = self._line()
        return self.has_rest and line is not None and await line.send_sound("audio_stream_chunk", pcm)

    async def end(self) -> None:
        """All of it was said."""
        await self.started.wait()
        if self.has_rest:
            self.has_rest = False
            line = self._line()
            if line is not None:
                await line.send(text_frame("audio_stream_end"))
            self.on_sent()


def _ready(line: Line | None, extension: str = "") -> Line:
    """The connection, if there is one and it has this extension."""
    if line is None or not line.is_ready:
        raise ChatAnonError(LOST, "there is no connection at the moment", retryable=True)
    if extension and extension not in line.extensions:
        raise ChatAnonError(NOT_GRANTED, f"the server did not grant the extension {extension}")
    return line
