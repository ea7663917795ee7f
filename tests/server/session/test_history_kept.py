"""What was said is found again: after a reconnect, a switch, a restart, a kill -9; and said to be lost where it is."""

import hashlib
import itertools
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.protocol_client import ProtocolClient, Wire, kinds
from tests.running_server import RunningServer

Connect = Callable[..., ProtocolClient]
Start = Callable[..., RunningServer]

TOKEN = "a-token-that-is-long-enough"


def connected(server: RunningServer, token: str = TOKEN) -> ProtocolClient:
    client = ProtocolClient(server.url)
    client.connect(api_token=token, extensions=["history"])
    return client


def history(client: ProtocolClient, **query: object) -> tuple[list[Wire], bool]:
    client.send("get_history", **query)
    answer = client.receive()
    assert list(answer) == ["type", "messages", "more"]
    return answer["messages"], answer["more"]


def test_history_is_found_again_after_reconnect_and_switch(talk: Connect) -> None:
    first = talk(extensions=["history"])
    response = first.turn("你好")[-1]
    first.close()
    again = talk(extensions=["history"])
    messages, more = history(again)
    assert not more
    assert [(entry["role"], entry["content_cn"]) for entry in messages] == [
        ("user", "你好"),
        ("assistant", response["content_cn"]),
    ]
    assert (messages[0]["content_jp"], messages[0]["emotion"]) == (None, None)
    assert (messages[1]["content_jp"], messages[1]["emotion"]) == (response["content_jp"], response["emotion"])
    assert messages[1]["at"].endswith("Z") and len(messages[1]["at"]) == len("2026-11-22T10:00:00.000Z")
    again.send("switch_character", character_name="tomori")
    again.until("character_switched")
    assert history(again) == ([], False)
    again.send("switch_character", character_name="anon")
    again.until("character_switched")
    assert history(again)[0] == messages


def test_history_is_paged_newest_last(talk: Connect) -> None:
    client = talk(extensions=["history"])
    for content in ("你好", "谢谢", "再见"):
        client.turn(content)
    everything, _ = history(client)
    assert [entry["id"] for entry in everything] == sorted(entry["id"] for entry in everything)
    newest, more = history(client, limit=2)
    assert (newest, more) == (everything[-2:], True)
    older, more = history(client, limit=4, before=newest[0]["id"])
    assert (older, more) == (everything[:4], False)


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"limit": "5"}, {"before": "x"}])
def test_history_query_out_of_range_is_a_bad_message(talk: Connect, query: dict[str, object]) -> None:
    client = talk(extensions=["history"])
    client.send("get_history", **query)
    error = client.receive()
    assert error["code"] == "bad_message" and next(iter(query)) in error["message"]


def test_clear_history_erases_that_of_the_current_character_alone(talk: Connect) -> None:
    client = talk(extensions=["history"])
    client.turn("你好")
    client.send("switch_character", character_name="tomori")
    client.until("character_switched")
    client.turn("你好")
    client.send("clear_history")
    client.until("history_cleared")
    assert history(client) == ([], False)
    client.send("switch_character", character_name="anon")
    client.until("character_switched")
    assert len(history(client)[0]) == 2


@pytest.mark.slow
def test_what_is_cleared_is_not_on_the_disk_any_more(start_server: Start, tmp_path: Path) -> None:
    server = start_server(VALID_API_TOKENS=TOKEN)
    client = connected(server)
    client.turn("只有我们知道的秘密")
    files = [path for path in tmp_path.iterdir() if path.name.startswith("history.db")]
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)  # and it was for nobody else to read
    assert any("秘密".encode() in path.read_bytes() for path in files)
    client.send("clear_history")
    client.until("history_cleared")
    assert not any("秘密".encode() in path.read_bytes() for path in files)
    client.close()


@pytest.mark.slow
def test_history_survives_a_restart_also_with_a_hashed_token(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS=TOKEN)
    client = connected(server)
    client.turn("你好")
    before, _ = history(client)
    server.signal()
    assert server.wait() == 0
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    again = connected(start_server(VALID_API_TOKENS=f"sha256:{digest}"))
    assert history(again)[0] == before
    again.close()


@pytest.mark.slow
def test_the_character_remembers_what_it_said_before(talk: Connect) -> None:
    """The embedded LLM never says the same line twice in a row, so it must be told what it said."""
    replies = []
    for _ in range(4):
        client = talk()
        replies.append(client.turn("你好")[-1]["content_jp"])
        client.close()
    assert all(one != other for one, other in itertools.pairwise(replies))


@pytest.mark.slow
def test_kill_9_in_a_turn_keeps_every_turn_whose_response_was_received_and_no_other(
    start_server: Start, tmp_path: Path
) -> None:
    answered: list[tuple[str, str]] = []
    for round_number, cut_after in enumerate(["thinking", "audio_chunk", "audio_end", "audio_chunk", "thinking"]):
        server = start_server(VALID_API_TOKENS=TOKEN)
        client = connected(server)
        said = f"你好 {round_number}"
        answered.append((said, client.turn(said)[-1]["content_cn"]))
        client.send("message", content=f"unfinished {round_number}")
        client.until(cut_after)
        server.signal(signal.SIGKILL)
        server.wait()
        client.close()
        with sqlite3.connect(tmp_path / "history.db") as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        database.close()
    survivor = connected(start_server(VALID_API_TOKENS=TOKEN))
    kept, _ = history(survivor, limit=200)
    survivor.close()
    # A turn killed between its commit and its `response` may be there too, but then whole; none is there by half.
    pairs = list(zip(kept[::2], kept[1::2], strict=True))
    assert [(user["role"], reply["role"]) for user, reply in pairs] == [("user", "assistant")] * len(pairs)
    found = {user["content_cn"]: reply["content_cn"] for user, reply in pairs}
    assert {said: found.get(said) for said, _ in answered} == dict(answered)
    assert all(said.startswith("你好") or said in ("unfinished 2",) for said in found)


@pytest.mark.slow
def test_locked_database_leaves_the_turn_answered_and_is_said_once(start_server: Start, tmp_path: Path) -> None:
    server = start_server(VALID_API_TOKENS=TOKEN, CHATANON_HISTORY__BUSY_SECONDS="0.1")
    client = connected(server)
    client.turn("你好")
    lock = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    client.send("message", content="谢谢")
    messages = client.until("response")
    assert kinds(messages) == ["thinking", "audio_chunk", "audio_end", "error", "response"]
    assert messages[-2]["code"] == "history_unavailable"
    client.send("message", content="再见")
    assert "error" not in kinds(client.until("response"))
    lock.execute("ROLLBACK")
    lock.close()
    client.turn("你好吗")
    assert [entry["content_cn"] for entry in history(client)[0] if entry["role"] == "user"] == ["你好", "你好吗"]
    client.close()


@pytest.mark.slow
def test_database_that_another_program_writes_to_is_waited_for(start_server: Start, tmp_path: Path) -> None:
    client = connected(start_server(VALID_API_TOKENS=TOKEN, CHATANON_HISTORY__BUSY_SECONDS="60"))
    lock = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    for said, end in (("你好", "ROLLBACK"), ("谢谢", "COMMIT")):
        lock.execute("BEGIN IMMEDIATE")
        client.send("message", content=said)
        client.until("audio_end")  # the first sound has not waited for it
        client.ping()
        lock.execute(end)
        assert client.receive()["type"] == "response"
    lock.close()
    assert [entry["content_cn"] for entry in history(client)[0] if entry["role"] == "user"] == ["你好", "谢谢"]
    client.close()


@pytest.mark.slow
def test_two_servers_starting_together_in_one_folder_both_come_up(tmp_path: Path) -> None:
    servers = [RunningServer(tmp_path, {"VALID_API_TOKENS": TOKEN}) for _ in range(2)]
    try:
        for server in servers:
            server.wait_until_ready()
            client = connected(server)
            assert client.turn("你好")[-1]["type"] == "response"
            client.close()
    finally:
        for server in servers:
            server.kill()


@pytest.mark.slow
@pytest.mark.parametrize("folder_too", [False, True])
def test_file_that_is_deleted_is_told_to_the_user_and_the_log_and_a_new_one_is_begun(
    start_server: Start, tmp_path: Path, folder_too: bool
) -> None:
    folder = tmp_path / "kept"
    server = start_server(VALID_API_TOKENS=TOKEN, CHATANON_HISTORY__URL=f"sqlite:///{folder}/history.db")
    client = connected(server)
    client.turn("你好")
    for path in folder.iterdir():
        path.unlink()
    if folder_too:
        folder.rmdir()
    client.send("message", content="谢谢")
    told = [message for message in client.until("response") if message["type"] == "error"]
    assert [error["code"] for error in told] == ["history_unavailable"]
    client.send("message", content="再见")
    assert "error" not in kinds(client.until("response"))
    assert [entry["content_cn"] for entry in history(client)[0] if entry["role"] == "user"] == ["谢谢", "再见"]
    assert len([line for line in server.log if "was deleted, moved or replaced" in line]) == 1
    assert len(server.events("history_unavailable")) == 1
    client.close()
    again = connected(start_server(VALID_API_TOKENS=TOKEN, CHATANON_HISTORY__URL=f"sqlite:///{folder}/history.db"))
    assert len(history(again)[0]) == 4
    again.close()


@pytest.mark.slow
def test_second_server_on_one_file_warns_or_does_not_start(start_server: Start, tmp_path: Path) -> None:
    first = start_server(VALID_API_TOKENS=TOKEN)
    second = start_server(VALID_API_TOKENS=TOKEN)
    assert [len([line for line in server.log if "another server uses" in line]) for server in (first, second)] == [0, 1]
    third = RunningServer(tmp_path, {"VALID_API_TOKENS": TOKEN, "CHATANON_HISTORY__SHARED": "refuse"})
    assert third.wait() == 2
    assert third.log[-1].startswith("history.url: another server uses")
    third.kill()
