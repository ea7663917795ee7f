"""The client in the reader's language: which that is, that every text is in all of them, errors by code."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from websockets.asyncio.server import ServerConnection

from chatanon_client import errors
from client.language import LANGUAGES, language_of
from client.texts import TEXTS
from server.protocol import wire
from tests.client.peer import ROOT, Message, Peer, open_peer, reply, run_client, say

ENVIRONMENTS = [
    ({}, "zh"),
    ({"LANG": ""}, "zh"),
    ({"LANG": "C"}, "zh"),
    ({"LANG": "C.UTF-8"}, "zh"),
    ({"LC_ALL": "POSIX", "LANG": "ja_JP.UTF-8"}, "zh"),
    ({"LANG": "zh_CN.UTF-8"}, "zh"),
    ({"LANG": "zh-TW"}, "zh"),
    ({"LANG": "en_US.UTF-8"}, "en"),
    ({"LANG": "EN"}, "en"),
    ({"LANG": "ja_JP.eucJP"}, "ja"),
    ({"LANG": "ja_JP@cjknarrow"}, "ja"),
    ({"LANG": "de_DE.UTF-8"}, "en"),
    ({"LC_MESSAGES": "ja_JP.UTF-8", "LANG": "en_US.UTF-8"}, "ja"),
    ({"LC_ALL": "en_GB.UTF-8", "LC_MESSAGES": "ja_JP.UTF-8"}, "en"),
    ({"LC_ALL": "", "LANG": "ja_JP.UTF-8"}, "ja"),
    ({"LANGUAGE": "de:ja:en", "LANG": "de_DE.UTF-8"}, "ja"),
    ({"LANGUAGE": "fr", "LANG": "ja_JP.UTF-8"}, "en"),
    ({"LANGUAGE": ":ja", "LANG": "en_US"}, "ja"),
]


@pytest.mark.parametrize(("environ", "language"), ENVIRONMENTS)
def test_the_reader_s_language_is_what_the_environment_says(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language


# ---------------------------------------------------------------- the table


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_is_in_every_language_and_names_the_same_things(name: str) -> None:
    texts = TEXTS[name]
    assert len(texts) == len(LANGUAGES) and all(text.strip() for text in texts)
    assert len({frozenset(fields_of(text)) for text in texts}) == 1
    english = texts[LANGUAGES.index("en")]
    assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff\uff00-\uffef\u3000-\u303f]", english)


def calls_of_tell() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted((ROOT / "client").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tell":
                yield f"{path.name}:{node.lineno}", node


def test_what_is_told_is_in_the_table_with_these_fields() -> None:
    for place, call in calls_of_tell():
        if isinstance(call.args[0], ast.Constant) and None not in {each.arg for each in call.keywords}:
            assert fields_of(TEXTS[str(call.args[0].value)][0]) == {each.arg for each in call.keywords}, place


def test_no_text_is_left_that_nobody_tells() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "client").rglob("*.py") if path.parent.name != "texts"
    )
    unused = {name for name in TEXTS if f'"{name}"' not in sources}
    assert {
        name
        for name in unused
        if not re.match(r"(error|incomplete|disconnected|close|unreachable)\.|command_|url_", name)
    } == set()


def test_no_sentence_stands_outside_the_table() -> None:
    for path in (ROOT / "client").rglob("*.py"):
        if path.parent.name != "texts":
            assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", path.read_text(encoding="utf-8")), path


def test_why_there_is_no_connection_has_its_text_for_every_code_of_the_library() -> None:
    for name in (*errors.URL_CODES, *(f"unreachable.{code}" for code in errors.UNREACHABLE_CODES)):
        assert fields_of(TEXTS[name][0]) <= {"url", "detail"}


CODES = [
    *(("error", code) for code in (*get_args(wire.ErrorCode), *get_args(wire.AudioErrorCode))),
    *(("incomplete", code) for code in get_args(wire.IncompleteReason)),
    *(("disconnected", code) for code in get_args(wire.DisconnectReason)),
]


@pytest.mark.parametrize(("kind", "code"), CODES)
def test_every_code_of_the_wire_has_its_text(kind: str, code: str) -> None:
    assert fields_of(TEXTS[f"{kind}.{code}"][0]) <= {"message"}


PAGE = (ROOT / "web" / "app" / "errors.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("kind", "code"), CODES)
def test_the_page_has_a_text_for_the_same_codes(kind: str, code: str) -> None:
    name = f"incomplete_{code}" if kind == "incomplete" else code
    (texts,) = re.findall(rf"^  {name}: (\[.*\]),$", PAGE, re.MULTILINE)
    assert len([text for text in ast.literal_eval(texts) if text.strip()]) == len(LANGUAGES)


def test_no_code_is_told_that_nobody_sends() -> None:
    told = {name for name in TEXTS if re.match(r"(error|incomplete|disconnected)\.", name)}
    assert told == {f"{kind}.{code}" for kind, code in CODES}


# ---------------------------------------------------------------- as a person meets it

ANSWERS = [
    ("en_US.UTF-8", "busy", "Error: too much is waiting, or the server is busy; send it again in a while (busy)"),
    ("ja_JP.UTF-8", "llm_timeout", "エラー：言語モデルの応答が遅すぎます（llm_timeout）"),
    ("zh_CN.UTF-8", "llm_failed", "错误：大模型没有答上来：The server's own words（llm_failed）"),
    ("", "bad_audio", "错误：声音用不了：The server's own words（bad_audio）"),
    ("ja_JP.UTF-8", "of_tomorrow", "エラー：The server's own words（of_tomorrow）"),
    ("en_US.UTF-8", "wait", "Error: The server's own words (wait)"),
    ("zh_CN.UTF-8", "{x}", "错误：The server's own words（{x}）"),
]


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.parametrize(("language", "code", "shown"), ANSWERS)
async def test_errors_are_told_by_their_code(tmp_path: Path, language: str, code: str, shown: str) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await say(socket, "error", message="The server's own words", code=code, retryable=True)

    async with open_peer(answer) as peer:
        arguments = ("--url", peer.url, "--no-audio", "--message", "你好")
        outcome = await run_client(*arguments, cwd=tmp_path, LANGUAGE="", LC_ALL="", LANG=language)
    assert (outcome.code, outcome.err.strip()) == (1, shown)


@pytest.mark.anyio
@pytest.mark.slow
async def test_a_talk_and_the_help_are_in_english_where_the_reader_is(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await reply(socket, "Hello", "Hi", incomplete=True, reason="too_long")

    async with open_peer(answer) as peer:
        peer_said = await run_client("--url", peer.url, "--no-audio", cwd=tmp_path, typed="hi\n/help\n", LANGUAGE="en")
    helped = await run_client("--help", cwd=tmp_path, LANGUAGE="en")
    wrong = await run_client("--hepl", cwd=tmp_path, LANGUAGE="en")
    assert "Connected; you are talking with" in peer_said.out and "  JA Hello  [happy]" in peer_said.out
    assert "the answer was too long (too_long)" in peer_said.err
    assert helped.code == 0 and "microphone" in helped.out
    assert wrong.code == 2 and "--hepl is not known" in wrong.err
    seen = (peer_said.out + peer_said.err + helped.out + wrong.err).replace("千早爱音", "")
    assert not re.search(r"[\u3000-\u30ff\u4e00-\u9fff]", seen)
