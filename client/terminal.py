"""What a person types in, what a person sees and hears out: a prompt on a terminal, plain lines through a pipe."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import anyio

from chatanon_client import Audio, ChatAnon, Request, Response, Sentence
from client.audio_manager import Player, WavRecorder
from client.explain import explain, printable
from client.language import tell

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

COMMANDS = ("/switch", "/clear", "/save", "/help", "/quit", "/exit")
READ_BYTES = 65_536
STDIN = 0
ERASE_LINE = "\r\x1b[2K"


class Style(Enum):
    """How a line looks where the terminal has colours: the parameters of the SGR escape sequence."""

    PLAIN = ""
    FAINT = "2"
    NAME = "1;36"
    SPOKEN = "1"
    WARNING = "33"


Interrupt = Callable[[], bool]  # stops a character that speaks; whether one did


def never() -> bool:
    """Nothing can be interrupted."""
    return False


class Terminal(Protocol):
    interactive: bool  # a person waits here and can decide for himself when to give up
    interrupt: Interrupt  # by a key

    def show(self, text: str, style: Style = Style.PLAIN) -> None: ...

    def warn(self, text: str) -> None: ...

    def show_status(self, text: str) -> None:
        """One line that is always rewritten in place, "" for none; nothing where lines cannot be rewritten."""
        ...

    async def read_line(self) -> str | None:
        """None: the person left, or the input ended."""
        ...

    def leave(self) -> bool:
        """Make a `read_line` that waits return None. False: none waits, or it can be cancelled without harm."""
        ...


def help_text() -> str:
    lines = [f"  {name:<8} {tell(f'command_{name[1:]}')}" for name in COMMANDS]
    return "\n".join([tell("commands"), *lines])


def cut_to_width(text: str) -> str:
    """The end of it that fits one line of the terminal; wide characters take two places."""
    room = shutil.get_terminal_size().columns - 2
    for start in range(len(text) - 1, -1, -1):
        room -= 2 if unicodedata.east_asian_width(text[start]) in "WF" else 1
        if room < 0:
            return f"…{text[start + 1 :]}"
    return text


class PipeTerminal:
    """Lines from standard input, replies to standard output, everything else to standard error."""

    interactive = False

    def __init__(self) -> None:
        self.interrupt: Interrupt = never  # there are no keys
        self._encoding = (sys.stdin and sys.stdin.encoding) or "utf-8"
        self._unread = b""
        self._ended = sys.stdin is None
        self._rewrites = bool(sys.stdout and sys.stdout.isatty()) and os.environ.get("TERM") != "dumb"
        self._status = ""

    def show_status(self, text: str) -> None:
        if self._rewrites and text != self._status:
            self._status = text
            with suppress(OSError):
                print(f"{ERASE_LINE}{cut_to_width(text)}", end="", flush=True)

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        self._print(text, sys.stdout)

    def warn(self, text: str) -> None:
        self._print(text, sys.stderr)

    def _print(self, text: str, out: TextIO) -> None:
        try:
            if self._status:
                print(ERASE_LINE, end="", flush=True)
                self._status = ""
            print(text, file=out, flush=True)
        except OSError:  # whoever read this has left (`| head`): read no further, and end without a word
            self._ended, self._unread = True, b""
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())

    async def read_line(self) -> str | None:
        while b"\n" not in self._unread and not self._ended:
            received = await _read_stdin()
            self._ended = not received
            self._unread += received
        if not self._unread:
            return None
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode(self._encoding, "replace").lstrip("\ufeff")

    def leave(self) -> bool:
        return False


async def _read_stdin() -> bytes:
    """Not through sys.stdin: a thread that blocks in there would keep the program from ending."""
    try:
        await anyio.wait_readable(STDIN)
    except OSError:  # a regular file, which is always readable; on Windows anything but a socket
        return await anyio.to_thread.run_sync(os.read, STDIN, READ_BYTES, abandon_on_cancel=True)
    return os.read(STDIN, READ_BYTES)


class PromptTerminal:
    """An editable line at the bottom with replies above it; to be used inside `opened()`."""

    interactive = True

    def __init__(self) -> None:
        from prompt_toolkit import PromptSession  # only here: a pipe needs none of it, and it takes a while to load
        from prompt_toolkit.completion import WordCompleter
        from prompt_toolkit.shortcuts import CompleteStyle

        self.interrupt: Interrupt = never
        self._colours = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._status = ""
        self._session: PromptSession[str] = PromptSession(
            self._prompt,
            completer=WordCompleter(list(COMMANDS), sentence=True),
            complete_style=CompleteStyle.READLINE_LIKE,  # a menu would keep eight lines free below the prompt
            complete_while_typing=False,
            interrupt_exception=EOFError,  # Ctrl-C and Ctrl-D both mean: leave
            key_bindings=self._bindings(),
        )

    def _bindings(self) -> "KeyBindings":
        """Ctrl-C, and Space where nothing is typed yet, stop a character that speaks; else they are what they are."""
        from prompt_toolkit.key_binding import KeyBindings

        bindings = KeyBindings()

        @bindings.add("c-c")
        def _(event: "KeyPressEvent") -> None:
            if not self.interrupt():
                event.app.exit(exception=EOFError())

        @bindings.add(" ")
        def _(event: "KeyPressEvent") -> None:
            if event.current_buffer.text or not self.interrupt():
                event.current_buffer.insert_text(" ")

        return bindings

    def _prompt(self) -> str:
        """The status stands above it, and does not stay behind when a line is done."""
        status = "" if self._session.app.is_done or not self._status else f"{cut_to_width(self._status)}\n"
        return status + tell("prompt")

    def show_status(self, text: str) -> None:
        if text != self._status:
            self._status = text
            self._session.app.invalidate()

    @contextmanager
    def opened(self) -> Iterator[None]:
        from prompt_toolkit.patch_stdout import patch_stdout

        with patch_stdout(raw=True):
            yield

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        print(f"\x1b[{style.value}m{text}\x1b[0m" if self._colours and style.value else text, flush=True)

    def warn(self, text: str) -> None:
        self.show(text, Style.WARNING)

    async def read_line(self) -> str | None:
        try:
            return await self._session.prompt_async(handle_sigint=False, set_exception_handler=False)
        except EOFError:
            return None

    def leave(self) -> bool:
        """A prompt that is cancelled instead would leave the terminal's last report to be read as typed text."""
        if not self._session.app.is_running:
            return False
        if not self._session.app.is_done:
            self._session.app.exit(exception=EOFError())
        return True


class Replies:
    """Shows, plays and saves what the character answers, one reply at a time."""

    def __init__(self, terminal: Terminal, player: Player | None, recorder: WavRecorder, saving: bool) -> None:
        self.character = ""
        self.saving = saving
        self.save_failed = False
        self._terminal = terminal
        self._player = player
        self.recorder = recorder
        self._translated: dict[int, bool] = {}  # by the index of each sentence shown: with its translation?
        self._warned_of_audio = False

    def begin(self) -> None:
        self.discard()
        self._terminal.show("  ……", Style.FAINT)

    def discard(self) -> None:
        """Forget a reply that will not be finished; what the speaker has is still heard."""
        self.recorder.discard()
        self._translated = {}

    def add_sentence(self, sentence: Sentence) -> None:
        """A sentence comes a second time where its translation was not ready the first time."""
        index, cn = sentence.index, printable(sentence.content_cn)
        if index not in self._translated:
            self._show_spoken(sentence.content_jp, sentence.emotion)
        if cn and not self._translated.get(index):
            self._terminal.show(tell("line_zh", text=cn))
        self._translated[index] = bool(cn) or self._translated.get(index, False)

    def add_audio(self, audio: Audio | None) -> None:
        """None: it cannot be read."""
        if audio is None:
            if not self._warned_of_audio:
                self._warned_of_audio = True
                self._terminal.warn(tell("sound_unreadable"))
            return
        self.recorder.add(audio.pcm, audio.sample_rate)
        if self._player is not None:
            self._player.play(audio.pcm, audio.sample_rate)

    def end_audio(self) -> None:
        if self._player is not None:
            self._player.end_reply()

    def cut(self) -> int | None:
        """The character is silent from here on. How many ms of the reply were heard; None where it was silent."""
        return None if self._player is None else self._player.cut()

    @property
    def is_sounding(self) -> bool:
        """The speaker has not come to rest."""
        return self._player is not None and self._player.is_sounding

    def finish(self, response: Response) -> None:
        cn = printable(response.content_cn)
        if not self._translated:
            self._show_spoken(response.content_jp, response.emotion)
        if cn and not all(self._translated.values() or [False]):
            self._terminal.show(tell("line_zh", text=cn))
        if response.incomplete:
            self._terminal.warn(tell("incomplete", reason=explain("incomplete", response.reason)))
        problem = response.audio_error
        if problem is not None:
            self._terminal.warn(tell("without_sound", reason=explain("error", problem.code, problem.message)))
        if self.saving:
            self._save()
        self.discard()

    def _show_spoken(self, jp: str, emotion: str) -> None:
        if not self._translated:
            self._terminal.show(self.character or tell("someone"), Style.NAME)
        emotion = printable(emotion) or "auto"
        self._terminal.show(tell("line_ja", text=printable(jp), emotion=emotion), Style.SPOKEN)

    def _save(self) -> None:
        try:
            recording = self.recorder.finish(datetime.now())
        except OSError as error:
            self.save_failed = True
            self._terminal.warn(tell("not_saved", error=error.strerror or error, folder=self.recorder.folder))
            return
        if recording is None:
            self._terminal.warn(tell("nothing_to_save"))
            return
        seconds = f"{recording.seconds:.1f}"
        saved = "saved" if recording.whole else "saved_partly"
        self._terminal.show(tell(saved, path=recording.path, seconds=seconds), Style.FAINT)

    async def wait_heard(self) -> None:
        if self._player is not None:
            await self._player.wait_played()


def to_request(text: str, replies: Replies, terminal: Terminal) -> Callable[[ChatAnon], Request[Any]] | None:
    """What a typed line asks; None: it concerns this program only, and is done."""
    if not text.startswith("/"):
        return (lambda server: server.say(text)) if text else None
    command, *rest = text.split(maxsplit=1)
    match command.lower(), "".join(rest):
        case "/switch", "":
            terminal.warn(tell("switch_to_whom"))
        case "/switch", name:
            return lambda server: server.switch_character(name)
        case "/clear", _:
            return lambda server: server.clear_history()
        case "/save", _:
            replies.saving = not replies.saving
            saving = tell("saving_on", folder=replies.recorder.folder) if replies.saving else tell("saving_off")
            terminal.show(saving)
        case "/help", _:
            terminal.show(help_text())
        case _:
            terminal.warn(tell("command_unknown", command=command, commands=" ".join(COMMANDS)))
    return None
