"""What a person types or says (or one --message, or WAV files) in; the character's subtitles, voice and WAV files out.

    python client/test_client.py --token dev_token_001

Exit codes: 0 well, 1 the server answered with an error or ended the talk, 2 it could not be reached
(or wrong usage; a file or a device that the mode needs is missing).
Any Python 3 may start it (hence nothing in this file that Python 3.8 cannot read): it finds the project's own.
"""

import io
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script finds its own folder, not its package
from client import right_python

right_python.insist_on_version(*sys.argv)
try:
    import anyio

    from client import modes
    from client.audio_manager import Player, WavRecorder, open_speaker
    from client.chat import Chat, Companion
    from client.devices import NoSoundLibrary, NoSuchDevice, describe_devices
    from client.language import tell
    from client.options import UNUSABLE, WELL, Options, parse_arguments
    from client.terminal import PipeTerminal, PromptTerminal, Replies, Terminal
    from client.voice.agent_mode import AgentMode
    from client.voice.microphone import MicrophoneError, check_microphone, open_microphone
    from client.voice.push_to_talk import PushToTalk
    from client.voice.sound_source import RATE_HZ, SAMPLE_BYTES, Source, WavSource
    from client.voice.voice_display import VoiceDisplay
    from client.voice.wav_file import WavError, read_speech, read_whole
except ModuleNotFoundError as error:
    right_python.insist_on_library(error.name, *sys.argv)
except KeyboardInterrupt:
    sys.exit(130)

SIGNALLED = 128
BETWEEN_FILES = bytes(RATE_HZ * SAMPLE_BYTES)  # one second: they are not one utterance

Part = Callable[[], Awaitable[int]]


async def wait_for_signal(terminal: Terminal) -> int:
    if sys.platform == "win32":  # its event loop knows no signals; Ctrl-C arrives as KeyboardInterrupt
        await anyio.sleep_forever()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            return WELL if terminal.interactive else SIGNALLED + number
    raise AssertionError("signals never end")


async def open_companion(
    options: Options, terminal: Terminal, replies: Replies, speeches: Sequence[bytes]
) -> Companion:
    """What the mode adds to the chat.

    Raises:
        MicrophoneError: in agent mode there is nothing else to talk with.
    """
    if options.agent:
        source: Source = WavSource(BETWEEN_FILES.join(speeches))
        if not speeches:
            source = await open_microphone(options.input_device, terminal.warn)
        return AgentMode(source, replies, terminal, options.headset)
    if options.voice and options.is_typed:
        try:
            await check_microphone(options.input_device)
        except MicrophoneError as error:
            terminal.warn(tell("typing_works", reason=error))
    return VoiceDisplay(terminal) if options.voice or speeches else Companion()


def choose_parts(
    options: Options, terminal: Terminal, replies: Replies, companion: Companion, speeches: Sequence[bytes]
) -> tuple[Chat, list[Part]]:
    """The chat, and what runs beside it; whichever part is done first ends the program."""
    chat = Chat(options, terminal, replies, companion)
    if options.message is not None:
        return chat, [partial(modes.send_one, chat, replies, options.message)]
    if not isinstance(companion, VoiceDisplay):
        return chat, [partial(modes.send_lines, chat, replies, terminal)]
    if isinstance(companion, AgentMode):
        terminal.interrupt = companion.interrupt
        parts: list[Part] = [partial(modes.talk_hands_free, companion, replies)]
        return chat, parts if speeches else [*parts, partial(modes.send_lines, chat, replies, terminal, companion)]
    if not speeches:
        push = PushToTalk(options, chat, replies, companion, terminal)
        return chat, [partial(modes.send_lines, chat, replies, terminal, companion, push)]
    if options.voice:
        return chat, [partial(modes.stream_files, chat, replies, companion, terminal, speeches)]
    return chat, [partial(modes.send_files, chat, replies, companion, speeches)]


async def talk(options: Options, terminal: Terminal, speeches: Sequence[bytes]) -> int:
    player = Player(terminal.warn, partial(open_speaker, wanted=options.output_device)) if options.playing else None
    replies = Replies(terminal, player, WavRecorder(options.folder), options.saving)
    exit_codes: list[int] = []
    chat: Chat | None = None

    async def run_to_end(part: Part) -> None:
        exit_codes.append(await part())
        if not terminal.leave():
            tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run_to_end, partial(wait_for_signal, terminal))
        if player is not None:
            await player.start()  # before the first line: a missing speaker is said first, and only then
        try:
            companion = await open_companion(options, terminal, replies, speeches)
        except MicrophoneError as error:
            terminal.warn(str(error))
            exit_codes.append(UNUSABLE)
            tasks.cancel_scope.cancel()
        else:
            chat, parts = choose_parts(options, terminal, replies, companion, speeches)
            for part in (chat.stay_connected, *parts):
                tasks.start_soon(run_to_end, part)
    if player is not None:
        player.close()
    if chat is not None:
        await chat.hang_up()
    return exit_codes[0]


async def run(options: Options, speeches: Sequence[bytes]) -> int:
    if options.is_typed and sys.stdin and sys.stdin.isatty() and sys.stdout.isatty():
        terminal = PromptTerminal()
        with terminal.opened():
            return await talk(options, terminal, speeches)
    return await talk(options, PipeTerminal(), speeches)


def list_devices() -> int:
    try:
        print(describe_devices())
    except (NoSoundLibrary, NoSuchDevice) as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    return WELL


def read_files(options: Options) -> list[bytes]:
    """
    Raises:
        WavError
    """
    read = read_speech if options.voice or options.agent else read_whole
    return [read(path) for path in options.wavs]


def main() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows question marks
    logging.getLogger("chatanon_client").setLevel(logging.CRITICAL)  # what it warns of is told in the reader's language
    options = parse_arguments(sys.argv[1:])
    if options.list_devices:
        return list_devices()
    try:
        return anyio.run(run, options, read_files(options))
    except WavError as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
