"""What is to be said (the command line's, a file's, a person's lines) in; requests, and at the end an exit code, out."""

from collections.abc import Iterable, Sequence

from client.agent_mode import AgentTalk
from client.chat import Chat
from client.connection import audio_frame
from client.ledger import Request
from client.options import REFUSED, WELL
from client.push_to_talk import PushToTalk, Utterance
from client.sound_source import WavSource
from client.terminal import Replies, Terminal, to_message
from client.voice_display import VoiceDisplay

LEAVE = ("/quit", "/exit")


async def send_one(chat: Chat, replies: Replies, text: str) -> int:
    """The mode of --message: one turn."""
    request = chat.ask(Request({"type": "message", "content": text}))
    await request.done.wait()
    await replies.wait_heard()
    return REFUSED if request.failed or replies.save_failed else WELL


async def send_files(chat: Chat, replies: Replies, display: VoiceDisplay, files: Sequence[bytes]) -> int:
    """The mode of --wav alone: a turn for each file, sent whole."""
    requests = (Request(audio_frame("audio_message", file), display.latency.start) for file in files)
    return await _take_turns(chat, replies, display, requests)


async def stream_files(
    chat: Chat, replies: Replies, display: VoiceDisplay, terminal: Terminal, speeches: Sequence[bytes]
) -> int:
    """The mode of --voice --wav: a turn for each file, said in real time."""
    utterances = (Utterance(WavSource(pcm), display, terminal) for pcm in speeches)
    return await _take_turns(chat, replies, display, utterances)


async def _take_turns(chat: Chat, replies: Replies, display: VoiceDisplay, requests: Iterable[Request]) -> int:
    exit_code = WELL
    for request in requests:
        await chat.ask(request).done.wait()
        exit_code = REFUSED if request.failed else exit_code
        await display.latency.wait_shown()
        await replies.wait_heard()
    return REFUSED if replies.save_failed else exit_code


async def talk_hands_free(talk: AgentTalk, replies: Replies) -> int:
    """The mode of --agent, to the end of the file or of the microphone."""
    await talk.over.wait()
    await talk.latency.wait_shown()
    await replies.wait_heard()
    return REFUSED if replies.save_failed and talk.exit_code == WELL else talk.exit_code


async def send_lines(
    chat: Chat, replies: Replies, terminal: Terminal, display: VoiceDisplay | None, push: PushToTalk | None
) -> int:
    """The mode of the prompt. Through a pipe the next line waits for the answer to the last.

    With a microphone an empty line opens it; any line closes it, and is sent after what was said where it has text.
    """
    exit_code = WELL

    async def settle(request: Request | None) -> None:
        nonlocal exit_code
        if request is not None and not terminal.interactive:
            await request.done.wait()
            exit_code = REFUSED if request.failed else exit_code

    while (line := await terminal.read_line()) is not None:
        text = line.strip()
        if text.lower() in LEAVE:
            break
        if push is not None and push.is_open:
            await settle(push.stop())
        elif push is not None and not text:
            await push.start()
        message = to_message(text, replies, terminal)
        if message is not None:
            await settle(chat.ask(Request(message, display and display.latency.start)))
    else:
        await settle(push and push.stop())
    if not terminal.interactive:
        await replies.wait_heard()
    return exit_code
