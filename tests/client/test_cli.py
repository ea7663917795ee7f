"""One message, or lines through a pipe: what the client sends, shows, plays, saves, and how it ends."""

import ast
import random
import re
import socket
import sys
import wave
from http import HTTPStatus
from pathlib import Path

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from client.options import parse_arguments
from tests.client.peer import (
    CLIENT,
    PATIENCE_S,
    ROOT,
    Message,
    Peer,
    answer_everything,
    open_peer,
    reply,
    run_client,
    say,
    say_audio,
    surroundings,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def saved_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wav"))


def read_wav(path: Path) -> tuple[int, int, int, bytes]:
    with wave.open(str(path), "rb") as wav:
        return wav.getnchannels(), wav.getsampwidth(), wav.getframerate(), wav.readframes(wav.getnframes())


async def test_one_message_prints_the_subtitles_and_saves_what_was_sent(tmp_path: Path) -> None:
    pcm = random.Random(1).randbytes(2560)

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await reply(socket, chunks=[pcm])

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", cwd=tmp_path)
    assert outcome.code == 0
    assert all(part in outcome.out for part in ("千早爱音", "ハロー～", "哈喽～", "happy"))
    connect, message = peer.talks[0]
    assert connect["api_token"] == "dev_token_001" and "character_name" not in connect
    assert message == {"type": "message", "content": "你好"}
    (path,) = saved_files(tmp_path / "recordings")
    assert read_wav(path) == (1, 2, 16000, pcm)
    assert re.fullmatch(r"\d{8}-\d{6}-001\.wav", path.name) and path.name in outcome.out
    assert peer.closed == [1000]


async def test_a_reply_in_many_chunks_is_one_file_at_the_rate_the_server_states(tmp_path: Path) -> None:
    dice = random.Random(2)
    chunks = [dice.randbytes(2 * dice.randint(1, 1500)) for _ in range(200)]

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await reply(socket, chunks=chunks, sample_rate_hz=24000)

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", "--save", "音", cwd=tmp_path)
    assert outcome.code == 0
    (path,) = saved_files(tmp_path / "音")
    assert read_wav(path) == (1, 2, 24000, b"".join(chunks))


async def test_an_error_answer_is_shown_and_the_exit_code_is_1(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await say(socket, "error", message="The model did not answer", code="llm_failed", retryable=True)

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", cwd=tmp_path)
    assert outcome.code == 1
    assert "The model did not answer" in outcome.err and "llm_failed" in outcome.err
    assert not (tmp_path / "recordings").exists()


async def test_an_error_beside_an_answer_does_not_end_the_turn(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await say(socket, "error", message="This will not be remembered", code="history_unavailable")
        await reply(socket)

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", cwd=tmp_path)
    assert outcome.code == 0
    assert "history_unavailable" in outcome.err and "ハロー～" in outcome.out


async def test_an_unknown_token_is_explained_and_not_tried_again(tmp_path: Path) -> None:
    async with open_peer() as peer:
        named = await run_client("--url", peer.url, "--token", "wrong", "--message", "你好", cwd=tmp_path)
        set_outside = await run_client("--url", peer.url, cwd=tmp_path, typed="你好\n", CHATANON_TOKEN="wrong")
    assert (named.code, set_outside.code) == (1, 1)
    assert "--token" in named.err and "unauthorized" in named.err
    assert "环境变量 CHATANON_TOKEN" in set_outside.err
    assert [len(talk) for talk in peer.talks] == [1, 1]
    assert "没有等到回答" not in named.err + set_outside.err  # what was never sent waits for none


@pytest.mark.parametrize("token", ["dev_token_001\r", " dev_token_001 \r\n", "\tdev_token_001"])
def test_what_a_file_leaves_around_a_token_is_no_part_of_it(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_arguments(["--token", token]).token == "dev_token_001"
    monkeypatch.setenv("CHATANON_TOKEN", token)
    assert parse_arguments([]).token == "dev_token_001"


async def test_a_replaced_connection_says_so_and_ends(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        text = "Another client connected with the same token"
        await say(socket, "disconnected", reason="new_connection", message=text)
        await socket.close(4501)

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, cwd=tmp_path, typed="你好\n还在吗\n")
    assert outcome.code == 1
    assert "new_connection" in outcome.err and "取代" in outcome.err
    assert len(peer.talks) == 1


async def test_a_dropped_connection_is_made_again_with_the_same_character(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        if message.get("content") == "掉线":
            socket.transport.abort()
        elif message.get("content") == "重启":
            await socket.close(1012)
        else:
            await answer_everything(peer, socket, message)

    async with open_peer(answer) as peer:
        typed = "/switch tomori\n掉线\n一\n重启\n二\n"
        outcome = await run_client("--url", peer.url, cwd=tmp_path, typed=typed)
    assert [[message["type"] for message in talk] for talk in peer.talks] == [
        ["connect", "switch_character", "message"],
        ["connect", "message", "message"],
        ["connect", "message"],
    ]
    assert [talk[0].get("character_name") for talk in peer.talks] == [None, "tomori", "tomori"]
    assert "一だよ" in outcome.out and "二だよ" in outcome.out
    assert outcome.err.count("没有等到回答") == 2 and outcome.code == 1


async def test_one_message_is_never_sent_twice(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await say(socket, "thinking", message="Processing...")
        await say_audio(socket, [b"\1\0"])
        socket.transport.abort()

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", cwd=tmp_path)
    assert outcome.code == 1 and "没有等到回答" in outcome.err
    assert len(peer.talks) == 1
    assert not (tmp_path / "recordings").exists()


async def test_a_busy_server_is_left_in_peace_as_long_as_it_asks(tmp_path: Path) -> None:
    class BusyPeer(Peer):
        async def greet(self, socket: ServerConnection, connect: Message) -> None:
            if len(self.talks) == 1:
                await say(socket, "error", message="No room", code="server_busy", retry_after_ms=1200)
                await socket.close(4010)
            else:
                await super().greet(socket, connect)

    busy = BusyPeer(answer_everything)
    async with serve(busy.serve_connection, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await run_client("--url", f"127.0.0.1:{port}", "--message", "你好", cwd=tmp_path)
    assert outcome.code == 0 and len(busy.talks) == 2
    assert "server_busy" in outcome.err and "1.2 秒后再试" in outcome.err


async def test_without_a_server_there_is_a_sentence_and_exit_code_2(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound but not listening: nobody else is given the port meanwhile
        url = f"ws://127.0.0.1:{nobody.getsockname()[1]}/ws"
        outcome = await run_client("--url", url, "--message", "你好", cwd=tmp_path)
    assert outcome.code == 2
    assert outcome.err.count(f"连不上 {url}") == 5


async def test_a_wrong_path_is_explained_and_not_tried_again(tmp_path: Path) -> None:
    def refuse(socket: ServerConnection, request: Request) -> Response:
        return socket.respond(HTTPStatus.NOT_FOUND, "nothing here")

    async def nobody(socket: ServerConnection) -> None: ...

    async with serve(nobody, "127.0.0.1", 0, process_request=refuse) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await run_client("--url", f"ws://127.0.0.1:{port}/chat", "--message", "你好", cwd=tmp_path)
    assert outcome.code == 2
    assert "404" in outcome.err and outcome.err.count("连不上") == 1


async def test_piped_lines_send_exactly_these_messages(tmp_path: Path) -> None:
    lines = "你好\n\n   \n/switch tomori\n/SWITCH\n/save\n/clear\n/dance\nまたね\n/help\n/quit\n太晚了\n"
    async with open_peer() as peer:
        outcome = await run_client("--url", peer.url, "--character", "anon", cwd=tmp_path, typed=lines)
    connect, *rest = peer.talks[0]
    assert connect["character_name"] == "anon"
    assert rest == [
        {"type": "message", "content": "你好"},
        {"type": "switch_character", "character_name": "tomori"},
        {"type": "clear_history"},
        {"type": "message", "content": "またね"},
    ]
    assert outcome.code == 0 and peer.closed == [1000]
    assert "/dance" in outcome.err and "/switch anon" in outcome.err
    assert all(command in outcome.out for command in ("/quit", "/exit", "/switch", "/clear", "/save", "/help"))
    assert len(saved_files(tmp_path / "recordings")) == 1  # of the reply after /save
    assert outcome.out.index("你好だよ") < outcome.out.index("高松灯") < outcome.out.index("またねだよ")


async def test_lines_from_a_file_end_after_the_last_reply(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes("一\r\n二".encode())
    async with open_peer() as peer:
        with anyio.fail_after(PATIENCE_S), (tmp_path / "lines.txt").open() as lines:
            command = [sys.executable, str(CLIENT), "--url", peer.url, "--no-audio"]
            done = await anyio.run_process(command, stdin=lines, cwd=tmp_path, env=surroundings())
    assert [message.get("content") for message in peer.talks[0]] == [None, "一", "二"]
    assert "二だよ" in done.stdout.decode()
    assert done.stderr == b""


async def test_sentences_are_shown_as_they_start_and_only_once(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await say(socket, "thinking", message="Processing...")
        one: Message = {"turn_id": "t1", "index": 0, "content_jp": "はじめ。", "emotion": "happy", "start_ms": 0}
        two: Message = {"turn_id": "t1", "index": 1, "content_jp": "おわり。", "emotion": "sad", "start_ms": 1}
        await say(socket, "sentence", **one, content_cn=None)
        await say_audio(socket, [b"\1\0"])
        await say(socket, "sentence", **one, content_cn="开头。")
        await say(socket, "sentence", **two, content_cn="结尾。")
        await say_audio(socket, [b"\2\0"])
        await say(socket, "audio_end")
        await say(socket, "response", content_cn="开头。结尾。", content_jp="はじめ。おわり。", emotion="happy")

    async with open_peer(answer, extensions=("sentences",)) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", cwd=tmp_path)
    subtitles = [line.strip() for line in outcome.out.splitlines() if line.startswith(("  日", "  中"))]
    assert subtitles == ["日 はじめ。  [happy]", "中 开头。", "日 おわり。  [sad]", "中 结尾。"]
    assert outcome.code == 0


async def test_a_reply_without_voice_says_why_and_saves_nothing(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        error = {"code": "tts_failed", "message": "The voice is away"}
        await reply(socket, chunks=[], audio_error=error, incomplete=True, reason="llm_timeout")

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", cwd=tmp_path)
    assert outcome.code == 0 and "ハロー～" in outcome.out
    assert "The voice is away" in outcome.err and "llm_timeout" in outcome.err and "没有保存文件" in outcome.err
    assert not (tmp_path / "recordings").exists()


async def test_a_folder_that_cannot_be_written_is_a_sentence_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with open_peer() as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", "--save", "file", cwd=tmp_path)
    assert outcome.code == 1 and "存不了" in outcome.err and "你好だよ" in outcome.out


async def test_what_is_not_the_protocol_is_passed_over(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        for strange in ("not json", "[1]", "{}", "[" * 100_000, b"\1\2\3", '{"type": ["thinking"]}'):
            await socket.send(strange)
        await say(socket, "pong")
        await say(socket, "of_a_newer_server", anything=1)
        await say(socket, "audio_chunk", audio_base64="***", audio_sample_rate="fast")
        await say(socket, "audio_chunk", audio_base64="AAA=", audio_sample_rate=16000)
        await say(socket, "audio_chunk")
        await reply(socket, jp="\x1b[2Jハロー\x07～\n二行", cn="哈喽", audio_error=5)

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", cwd=tmp_path)
    assert outcome.code == 0
    assert "\x1b" not in outcome.out and "\x07" not in outcome.out and "ハロー ～ 二行" in outcome.out
    assert outcome.err.count("pcm") == 1


SPEAKERS = {
    "no library": "raise OSError('PortAudio library not found')",
    "no device": """
        class PortAudioError(Exception): ...
        def RawOutputStream(**_): raise PortAudioError('Error querying device -1')
        """,
}


def install_sounddevice(folder: Path, source: str) -> str:
    folder.mkdir()
    lines = source.splitlines()
    (folder / "sounddevice.py").write_text("\n".join(line.removeprefix(" " * 8) for line in lines))
    return str(folder)


@pytest.mark.parametrize("speaker", SPEAKERS)
async def test_without_sound_one_sentence_says_so_and_the_talk_goes_on(tmp_path: Path, speaker: str) -> None:
    library = install_sounddevice(tmp_path / "library", SPEAKERS[speaker])
    async with open_peer() as peer:
        outcome = await run_client("--url", peer.url, cwd=tmp_path, typed="一\n二\n", PYTHONPATH=library)
    assert outcome.code == 0 and "二だよ" in outcome.out
    (sentence,) = outcome.err.splitlines()
    assert "只显示文字" in sentence
    assert ("apt-get install libportaudio2" in sentence) == (speaker == "no library")


async def test_this_machine_gives_at_most_one_sentence_about_sound(tmp_path: Path) -> None:
    async with open_peer() as peer:
        outcome = await run_client("--url", peer.url, cwd=tmp_path, typed="一\n二\n")
        silenced = await run_client("--url", peer.url, "--no-audio", cwd=tmp_path, typed="一\n")
    assert outcome.code == 0 and len(outcome.err.splitlines()) <= 1
    assert silenced.code == 0 and silenced.err == ""


async def test_the_whole_reply_is_heard_before_the_client_ends(tmp_path: Path) -> None:
    speaker = """
        class PortAudioError(Exception): ...
        class RawOutputStream:
            def __init__(self, samplerate, channels, dtype):
                assert (samplerate, channels, dtype) == (16000, 1, 'int16')
                self.written = []
            def start(self): pass
            def write(self, pcm): self.written.append(pcm)
            def stop(self): open('heard', 'ab').write(b''.join(self.written)); self.written.clear()
            def close(self): pass
        """
    library = install_sounddevice(tmp_path / "library", speaker)
    chunks = [random.Random(seed).randbytes(2560) for seed in range(100)]

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await reply(socket, chunks=chunks)

    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--message", "你好", cwd=tmp_path, PYTHONPATH=library)
    assert (outcome.code, outcome.err) == (0, "")
    assert (tmp_path / "heard").read_bytes() == b"".join(chunks)


async def test_a_reader_that_leaves_gives_no_traceback(tmp_path: Path) -> None:
    async with open_peer() as peer:
        command = f"printf '一\\n二\\n三\\n' | {sys.executable} {CLIENT} --url {peer.url} --no-audio | head -n 1"
        with anyio.fail_after(PATIENCE_S):
            done = await anyio.run_process(command, cwd=tmp_path, env=surroundings())
    assert done.stdout.count(b"\n") == 1 and done.stderr == b""


async def test_help_and_wrong_usage_need_no_server(tmp_path: Path) -> None:
    shown = await run_client("--help", cwd=tmp_path)
    wrong = await run_client("--url", "ftp://example.org", cwd=tmp_path)
    assert shown.code == 0 and all(f"--{name}" in shown.out for name in ("token", "url", "message", "save", "no-audio"))
    assert wrong.code == 2 and "ws://" in wrong.err


@pytest.mark.parametrize(
    ("folder", "may"), [("client", {"client", "chatanon_client"}), ("chatanon_client", {"chatanon_client"})]
)
def test_the_client_imports_nothing_of_the_server(folder: str, may: set[str]) -> None:
    ours = {path.name for path in ROOT.iterdir() if path.is_dir()} - may
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {module.partition(".")[0] for module in modules} & ours, path.name
