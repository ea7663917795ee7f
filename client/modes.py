"""What is to be said (of the command line, of files, of a person) in; requests, and in the end an exit code, out."""

from collections.abc import Iterable, Sequence

import anyio

from client.chat import Asked, Chat
from client.language import tell
from client.options import REFUSED, WELL
from client.terminal import Replies, Terminal, to_request
from client.voice.agent_mode import AgentMode
from client.voice.push_to_talk import PushToTalk, Utterance
from client.voice.sound_source import WavSource
from client.voice.voice_display import VoiceDisplay

LEAVE = ("/quit", "/exit")


async def send_one(chat: Chat, replies: Replies, text: str) -> int:
    """The mode of --message: one turn."""
    asked = chat.ask(lambda server: server.say(text))
    await asked.done.wait()
    await replies.wait_heard()
    return REFUSED if asked.failed or replies.save_failed else WELL


async def send_files(chat: Chat, replies: Replies, display: VoiceDisplay, files: Sequence[bytes]) -> int:
    """The mode of --wav alone: a turn for each file, sent whole."""

    def send(file: bytes) -> Asked:
        return chat.ask(lambda server: server.send_recording(file), display.latency.start)

    return await _take_turns(replies, display, (send(file) for file in files))


async def stream_files(
    chat: Chat, replies: Replies, display: VoiceDisplay, terminal: Terminal, speeches: Sequence[bytes]
) -> int:
    """The mode of --voice --wav: a turn for each file, said in real time."""
    utterances = (Utterance(WavSource(pcm), display, terminal) for pcm in speeches)
    return await _take_turns(replies, display, (utterance.begin(chat) for utterance in utterances))


async def _take_turns(replies: Replies, display: VoiceDisplay, turns: Iterable[Asked]) -> int:
    """Each is asked when the one before it was heard."""
    exit_code = WELL
    for asked in turns:
        await asked.done.wait()
        exit_code = REFUSED if asked.failed else exit_code
        await display.latency.wait_shown()
        await replies.wait_heard()
    return REFUSED if replies.save_failed else exit_code


async def talk_hands_free(talk: AgentMode, replies: Replies) -> int:
    """The mode of --agent, to the end of the file or of the microphone."""
    await talk.over.wait()
    await talk.latency.wait_shown()
    await replies.wait_heard()
    return REFUSED if replies.save_failed and talk.exit_code == WELL else talk.exit_code


async def send_lines(
    chat: Chat,
    replies: Replies,
    terminal: Terminal,
    display: VoiceDisplay | None = None,
    push: PushToTalk | None = None,
) -> int:
    """The mode of the prompt. Through a pipe the next line waits for the answers to the last."""
    exit_code = WELL
    on_sent = None if display is None else display.latency.start
    leaving = False
    if terminal.interactive:
        terminal.show(_hint(display, push))
    while not leaving:
        line = await terminal.read_line()
        text = "/quit" if line is None else line.strip()
        leaving = text.lower() in LEAVE
        if leaving and terminal.interactive:
            break
        asked: list[Asked | None] = [await push.take_line(text)] if push is not None else []
        if not leaving and (request := to_request(text, replies, terminal)) is not None:
            asked.append(chat.ask(request, on_sent))
        for each in asked:
            if each is not None and not terminal.interactive:
                await each.done.wait()
                exit_code = REFUSED if each.failed else exit_code
    if not terminal.interactive:
        if line is None and isinstance(display, AgentMode):  # the input has ended, the talk has not
            await anyio.sleep_forever()
        await replies.wait_heard()
    return exit_code


def _hint(display: VoiceDisplay | None, push: PushToTalk | None) -> str:
    if push is not None:
        return tell("hint_voice")
    if display is not None:
        return tell("hint_agent")
    return tell("hint_text")
