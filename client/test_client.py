"""Lines a person types (or one --message) in; the character's subtitles, voice and WAV files out.

    python client/test_client.py --token dev_token_001

Exit codes: 0 well, 1 the server answered with an error or ended the talk, 2 it could not be reached (or wrong usage).
"""

import argparse
import io
import os
import random
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

try:
    import anyio
    from websockets.asyncio.client import ClientConnection
    from websockets.exceptions import ConnectionClosed

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script finds its own folder, not its package
    from client.audio_manager import Player, WavRecorder
    from client.connection import (
        LONGEST_DELAY_S,
        CannotConnect,
        Frame,
        decode,
        encode,
        explain_close,
        may_reconnect,
        mend_url,
        open_connection,
        reconnect_delay_s,
        text_of,
    )
    from client.terminal import COMMANDS, PipeTerminal, PromptTerminal, Replies, Terminal, to_message
except ModuleNotFoundError as error:
    sys.exit(f"缺少 Python 库 {error.name}：请在项目目录里运行 pip install -r requirements.txt，并使用那个虚拟环境")
except KeyboardInterrupt:
    sys.exit(130)

DEFAULT_URL = "ws://localhost:8765/ws"
DEFAULT_TOKEN = "dev_token_001"
DEFAULT_FOLDER = "recordings"
TOKEN_VARIABLE = "CHATANON_TOKEN"
TOKEN_REFUSED = 4500
TOKEN_MEND = (
    f"请用 --token 或环境变量 {TOKEN_VARIABLE} 给出它认识的令牌"
    f"（{DEFAULT_TOKEN} 只在没有设置令牌的服务器上、从本机连接时有效）"
)
TRIES = 5  # where no person waits who can decide to give up
HANDSHAKE_S = 15.0  # from the open socket to `connected`
HANDSHAKE_TIMED_OUT = 4004  # the wire's close code for it
LONGEST_HOLD_MS = 3_600_000
QUEUED_REQUESTS = 8  # what may be typed ahead while there is no connection
HANG_UP_S = 2.0
WELL, REFUSED, UNREACHABLE = 0, 1, 2
SIGNALLED = 128


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    url: str
    token: str = field(repr=False)
    token_source: str
    character: str | None
    message: str | None
    folder: Path
    saving: bool
    playing: bool


@dataclass(eq=False, slots=True)
class Request:
    """A message that the server answers."""

    message: Frame
    done: anyio.Event = field(default_factory=anyio.Event)
    failed: bool = False

    def finish(self, *, failed: bool) -> None:
        self.failed = failed
        self.done.set()


class Chat:
    """The talk with the server: one receive loop; the modes (functions below) only hand in requests.

    Eleven attributes, because the state of the connection that it opens again and again is its own.
    """

    def __init__(self, options: Options, terminal: Terminal, replies: Replies) -> None:
        self._options = options
        self._terminal = terminal
        self._replies = replies
        self._character = options.character
        self._requests, self._unsent = anyio.create_memory_object_stream[Request](QUEUED_REQUESTS)
        self._unanswered: deque[Request] = deque()
        self._connection: ClientConnection | None = None
        self._connected = anyio.Event()
        self._was_useful = False  # this connection has brought an answer
        self._hold_until = 0.0  # the server asked for silence until this moment of the loop's clock

    def ask(self, message: Frame) -> Request:
        request = Request(message)
        try:
            self._requests.send_nowait(request)
            if self._terminal.interactive and not self._connected.is_set():
                self._terminal.warn("还没有连上，连上以后就发出去")
        except anyio.WouldBlock:
            self._terminal.warn("前面的还没有发出去，这一句先不发了；连上以后请再说一遍")
            request.finish(failed=True)
        return request

    async def stay_connected(self) -> int:
        """Returns the exit code once another try would be of no use."""
        failures = 0
        while True:
            useful = False
            try:
                self._connection = await open_connection(self._options.url)
            except CannotConnect as error:
                reason, transient, exit_code = str(error), error.transient, UNREACHABLE
            else:
                opened = anyio.current_time()
                reason, transient = await self._talk(self._connection)
                useful = self._was_useful or anyio.current_time() - opened > LONGEST_DELAY_S
                exit_code = REFUSED if useful or not transient else UNREACHABLE
            failures = 1 if useful else failures + 1
            if not transient or (failures >= TRIES and not self._terminal.interactive):
                self._terminal.warn(reason)
                return exit_code
            await self._pause(reason, failures)

    async def _pause(self, reason: str, failures: int) -> None:
        delay_s = max(reconnect_delay_s(failures, random.random()), self._hold_until - anyio.current_time())
        if failures < TRIES:
            self._terminal.warn(f"{reason}；{delay_s:.1f} 秒后再试")
        elif failures == TRIES:
            self._terminal.warn(f"{reason}；会一直再试，连上时告诉你（Ctrl-C 退出）")
        await anyio.sleep(delay_s)

    async def _talk(self, connection: ClientConnection) -> tuple[str, bool]:
        """One connection to its end. Why it ended, and whether another may be tried."""
        self._was_useful = False
        greeting: Frame = {"type": "connect", "api_token": self._options.token, "extensions": ["sentences"]}
        if self._character is not None:
            greeting["character_name"] = self._character
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send_requests, connection)
            with suppress(ConnectionClosed):
                await connection.send(encode(greeting))
                async for received in connection:
                    self._receive(decode(received))
            tasks.cancel_scope.cancel()
        self._connected = anyio.Event()
        self._replies.discard()
        code = connection.close_code or 1006
        reason = explain_close(code, connection.close_reason or "")
        if code == TOKEN_REFUSED:
            reason += f"，它来自{self._options.token_source}；{TOKEN_MEND}"
        lost = len(self._unanswered)
        while self._unanswered:  # not sent again: the server may have handled them
            self._unanswered.popleft().finish(failed=True)
        transient = may_reconnect(code) and not (lost and self._options.message is not None)
        if lost:
            reason += f"，有 {lost} 句没有等到回答{'，请再说一遍' if transient else ''}"
        return reason, transient

    async def _send_requests(self, connection: ClientConnection) -> None:
        with anyio.move_on_after(HANDSHAKE_S):
            await self._connected.wait()
        if not self._connected.is_set():
            await connection.close(HANDSHAKE_TIMED_OUT, "no answer to connect")
            return
        with suppress(ConnectionClosed):  # the receive loop learns of it as well
            while True:
                request = await self._unsent.receive()
                self._unanswered.append(request)
                await anyio.sleep_until(self._hold_until)
                await connection.send(encode(request.message))

    def _receive(self, frame: Frame) -> None:
        match frame.get("type"):
            case "connected" | "character_switched" as kind:
                self._enter(frame, kind)
            case "thinking":
                self._replies.begin()
            case "sentence":
                self._replies.add_sentence(frame)
            case "audio_chunk":
                self._replies.add_audio(frame)
            case "audio_end":
                self._replies.end_audio()
            case "response":
                self._replies.finish(frame)
                self._answer()
            case "history_cleared":
                self._terminal.show("对话历史已清除")
                self._answer()
            case "disconnected":
                self._hold(frame)
                self._terminal.warn(f"服务器断开连接：{text_of(frame, 'message')}（{text_of(frame, 'reason')}）")
            case "error":
                self._report_error(frame)
            case _:
                pass  # pong, and what a newer server may add

    def _enter(self, frame: Frame, kind: object) -> None:
        self._character = text_of(frame, "character") or self._character
        self._replies.character = text_of(frame, "character_display_name") or self._character or ""
        if kind == "connected":
            self._terminal.show(f"已连接，正在和 {self._replies.character} 说话")
            self._connected.set()
        else:
            self._terminal.show(f"已换成 {self._replies.character}")
            self._answer()

    def _answer(self, *, failed: bool = False) -> None:
        """The oldest request is answered: the server handles them in order."""
        self._was_useful = True
        if self._unanswered:
            self._unanswered.popleft().finish(failed=failed)

    def _report_error(self, frame: Frame) -> None:
        code = text_of(frame, "code")
        self._hold(frame)
        wait_s = self._hold_until - anyio.current_time()
        wait = f"；服务器请你等 {wait_s:.0f} 秒" if wait_s > 0 else ""
        self._terminal.warn(f"错误：{text_of(frame, 'message')}{f'（{code}）' if code else ''}{wait}")
        if self._connected.is_set() and code != "history_unavailable":  # that one comes beside an answer
            self._answer(failed=True)

    def _hold(self, frame: Frame) -> None:
        wait_ms = frame.get("retry_after_ms")
        if isinstance(wait_ms, int | float) and 0 < wait_ms:
            self._hold_until = anyio.current_time() + min(wait_ms, LONGEST_HOLD_MS) / 1000

    async def hang_up(self) -> None:
        if self._connection is not None:
            with anyio.move_on_after(HANG_UP_S, shield=True):
                await self._connection.close()


async def send_one(chat: Chat, replies: Replies, text: str) -> int:
    """The mode of --message: one turn."""
    request = chat.ask({"type": "message", "content": text})
    await request.done.wait()
    await replies.wait_heard()
    return REFUSED if request.failed or replies.save_failed else WELL


async def send_lines(chat: Chat, replies: Replies, terminal: Terminal) -> int:
    """The mode of the prompt. Through a pipe the next line waits for the answer to the last."""
    exit_code = WELL
    if terminal.interactive:
        terminal.show("直接输入文字就能聊天，/help 看命令，Ctrl-D 退出")
    while (line := await terminal.read_line()) is not None:
        text = line.strip()
        if text.lower() in ("/quit", "/exit"):
            break
        message = to_message(text, replies, terminal)
        if message is None:
            continue
        request = chat.ask(message)
        if not terminal.interactive:
            await request.done.wait()
            exit_code = REFUSED if request.failed else exit_code
    if not terminal.interactive:
        await replies.wait_heard()
    return exit_code


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        usage="python client/test_client.py [选项]", description="和角色聊天的命令行客户端", add_help=False
    )
    options = parser.add_argument_group("选项")
    options.add_argument(
        "--token", metavar="TOKEN", help=f"令牌，默认取环境变量 {TOKEN_VARIABLE}，没有则是 {DEFAULT_TOKEN}"
    )
    options.add_argument(
        "--url", metavar="URL", default=DEFAULT_URL, help="服务器地址，默认 %(default)s；也可写成 主机:端口"
    )
    options.add_argument("--character", metavar="NAME", help="角色名，默认由服务器决定")
    options.add_argument("--message", metavar="TEXT", help="只说这一句，等到回答就结束，声音存成 WAV")
    options.add_argument(
        "--save",
        metavar="DIR",
        nargs="?",
        const=DEFAULT_FOLDER,
        help=f"把每个回答的声音存成 WAV 文件，默认目录 {DEFAULT_FOLDER}/",
    )
    options.add_argument("--no-audio", action="store_true", help="不播放声音")
    options.add_argument("-h", "--help", action="help", help="显示这份帮助")
    parser.epilog = f"聊天时的命令：{' '.join(COMMANDS)}"
    return parser


def parse_arguments(arguments: list[str]) -> Options:
    parser = make_parser()
    given = parser.parse_args(arguments)
    try:
        url = mend_url(given.url)
    except ValueError as error:
        parser.error(str(error))
    token, source = given.token, " --token"
    if token is None:
        token, source = os.environ.get(TOKEN_VARIABLE), f"环境变量 {TOKEN_VARIABLE}"
    if not token and given.token is None:
        token, source = DEFAULT_TOKEN, "默认值"
    return Options(
        url=url,
        token=token,
        token_source=source,
        character=given.character,
        message=given.message,
        folder=Path(given.save or DEFAULT_FOLDER),
        saving=given.save is not None or given.message is not None,
        playing=not given.no_audio,
    )


async def wait_for_signal(terminal: Terminal) -> int:
    if sys.platform == "win32":  # its event loop knows no signals; Ctrl-C arrives as KeyboardInterrupt
        await anyio.sleep_forever()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            return WELL if terminal.interactive else SIGNALLED + number
    raise AssertionError("signals never end")


async def talk(options: Options, terminal: Terminal) -> int:
    player = Player(terminal.warn) if options.playing else None
    replies = Replies(terminal, player, WavRecorder(options.folder), options.saving)
    chat = Chat(options, terminal, replies)
    exit_codes: list[int] = []

    async def run_to_end(part: Callable[..., Awaitable[int]], *arguments: object) -> None:
        """Whichever part is done first ends the program."""
        exit_codes.append(await part(*arguments))
        if not terminal.leave():
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_to_end, wait_for_signal, terminal)
        if player is not None:
            await player.start()  # before the first line: a missing speaker is said first, and only then
        tasks.start_soon(run_to_end, chat.stay_connected)
        if options.message is not None:
            tasks.start_soon(run_to_end, send_one, chat, replies, options.message)
        else:
            tasks.start_soon(run_to_end, send_lines, chat, replies, terminal)
    if player is not None:
        player.close()
    await chat.hang_up()
    return exit_codes[0]


async def run(options: Options) -> int:
    if options.message is None and sys.stdin and sys.stdin.isatty() and sys.stdout.isatty():
        terminal = PromptTerminal()
        with terminal.opened():
            return await talk(options, terminal)
    return await talk(options, PipeTerminal())


def main() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows question marks
    options = parse_arguments(sys.argv[1:])
    try:
        return anyio.run(run, options)
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
