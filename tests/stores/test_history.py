"""Every store keeps the same promises, whether it lies in a file or in memory."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.base import Line
from stores.history import MEMORY_MESSAGES, FinishedTurn, HistoryKey, HistoryStore, MemoryHistory
from stores.history_sql import open_history

pytestmark = pytest.mark.anyio

URL = "sqlite:///data/chatanon.db"
ANON = HistoryKey("a" * 64, "anon")
LINES = (Line("ハロー～", "哈喽～", "happy"), Line("元気？", "你好吗？"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory:", URL])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HistoryStore]:
    async with open_history(request.param, tmp_path) as opened:
        yield opened


async def say(store: HistoryStore, turn_id: str, key: HistoryKey = ANON, text: str = "你好") -> None:
    await store.append_turn(
        key,
        FinishedTurn(turn_id, text, LINES, content_cn="哈喽～你好吗？", content_jp="ハロー～元気？", emotion="happy"),
    )


async def test_a_turn_is_found_again_with_both_sides(store: HistoryStore) -> None:
    before = datetime.now(UTC)
    await say(store, "t1")
    (user, reply), more = await store.newest(ANON, 10)
    assert not more
    assert (user.turn_id, user.role, user.content_cn) == ("t1", "user", "你好")
    assert (user.content_jp, user.emotion, user.lines, user.cut) == (None, None, (), False)
    assert (reply.turn_id, reply.role, reply.content_cn) == ("t1", "assistant", "哈喽～你好吗？")
    assert (reply.content_jp, reply.emotion, reply.lines) == ("ハロー～元気？", "happy", LINES)
    assert user.id < reply.id
    assert before - timedelta(milliseconds=1) < user.at == reply.at <= datetime.now(UTC)
    assert user.at.tzinfo == UTC and user.at.microsecond % 1000 == 0


async def test_a_reply_cut_before_it_was_heard_leaves_the_users_text_alone(store: HistoryStore) -> None:
    await store.append_turn(
        ANON, FinishedTurn("t1", "你好", [], content_cn="", content_jp="", emotion="auto", cut=True)
    )
    messages, _ = await store.newest(ANON, 10)
    assert [(message.role, message.cut) for message in messages] == [("user", True)]


async def test_a_cut_reply_is_marked(store: HistoryStore) -> None:
    await store.append_turn(
        ANON,
        FinishedTurn("t1", "你好", LINES[:1], content_cn="哈喽～", content_jp="ハロー～", emotion="happy", cut=True),
    )
    messages, _ = await store.newest(ANON, 10)
    assert [(message.role, message.cut) for message in messages] == [("user", True), ("assistant", True)]


async def test_pages_lead_back_to_the_beginning_without_gap_or_overlap(store: HistoryStore) -> None:
    for number in range(5):
        await say(store, f"t{number}")
    everything, more = await store.newest(ANON, 10)
    assert len(everything) == 10 and not more
    page, more = await store.newest(ANON, 4)
    assert page == everything[6:] and more
    page, more = await store.newest(ANON, 4, before=page[0].id)
    assert page == everything[2:6] and more
    page, more = await store.newest(ANON, 4, before=page[0].id)
    assert page == everything[:2] and not more
    assert await store.newest(ANON, 4, before=page[0].id) == ([], False)


async def test_callers_and_characters_have_histories_of_their_own(store: HistoryStore) -> None:
    tomori, stranger = HistoryKey(ANON.token_hash, "tomori"), HistoryKey("b" * 64, "anon")
    for key in (ANON, tomori, stranger):
        await say(store, f"with {key.character} {key.token_hash[0]}", key)
    await store.clear(tomori)
    assert await store.newest(tomori, 10) == ([], False)
    assert {message.turn_id for message in (await store.newest(ANON, 10))[0]} == {"with anon a"}
    assert {message.turn_id for message in (await store.newest(stranger, 10))[0]} == {"with anon b"}


async def test_an_id_is_not_used_again_after_clear(store: HistoryStore) -> None:
    await say(store, "t1")
    last = (await store.newest(ANON, 1))[0][0].id
    await store.clear(ANON)
    await store.clear(ANON)
    await say(store, "t2")
    assert (await store.newest(ANON, 10))[0][0].id > last


@pytest.mark.parametrize(
    "text", ["a\0b", "\0", "👩‍👩‍👧‍👦🏳️‍🌈", "燈" * 4000, "'; DROP TABLE messages; --", "\r\n\t\u202e", '"\\']
)
async def test_any_text_comes_back_as_it_was(store: HistoryStore, text: str) -> None:
    line = Line(text, text, "sad")
    await store.append_turn(ANON, FinishedTurn("t", text, [line], content_cn=text, content_jp=text, emotion="sad"))
    (user, reply), _ = await store.newest(ANON, 2)
    assert (user.content_cn, reply.content_cn, reply.content_jp, reply.lines) == (text, text, text, (line,))


@pytest.mark.slow
async def test_many_sessions_append_at_once(store: HistoryStore) -> None:
    async def talk(number: int) -> None:
        key = HistoryKey(f"{number:064x}", "anon")
        for turn in range(5):
            await say(store, f"{number}-{turn}", key)
            messages, _ = await store.newest(key, 20)
            assert [message.turn_id for message in messages[::2]] == [f"{number}-{done}" for done in range(turn + 1)]

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(talk, number)


STEPS = st.lists(
    st.tuples(st.just("say"), st.sampled_from("ab"), st.text(max_size=20), st.integers(0, 2))
    | st.tuples(st.just("clear"), st.sampled_from("ab"))
    | st.tuples(st.just("newest"), st.sampled_from("ab"), st.integers(1, 5), st.none() | st.integers(1, 20)),
    max_size=15,
)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
async def test_the_file_and_the_memory_tell_the_same_story(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    memory = MemoryHistory()
    async with open_history(URL, tmp_path_factory.mktemp("story")) as file:
        for step in steps:
            key = HistoryKey(step[1] * 64, "anon")
            match step:
                case ("say", _, text, count):
                    for store in (memory, file):
                        await store.append_turn(
                            key,
                            FinishedTurn("t", text, LINES[:count], content_cn=text, content_jp=text, emotion="calm"),
                        )
                case ("clear", _):
                    for store in (memory, file):
                        await store.clear(key)
                case ("newest", _, limit, before):
                    assert timeless(await memory.newest(key, limit, before)) == timeless(
                        await file.newest(key, limit, before)
                    )


def timeless(page: tuple[list[Any], bool]) -> object:
    messages, more = page
    return [(m.id, m.turn_id, m.role, m.content_cn, m.content_jp, m.emotion, m.lines) for m in messages], more


async def test_memory_is_bounded() -> None:
    store = MemoryHistory()
    for number in range(MEMORY_MESSAGES // 2 + 1):
        await say(store, f"t{number}")
    messages, more = await store.newest(ANON, MEMORY_MESSAGES * 2)
    assert len(messages) == MEMORY_MESSAGES and not more
    assert messages[0].turn_id == "t1"


def test_a_key_does_not_show_the_hash() -> None:
    assert repr(ANON) == "HistoryKey(character='anon')"
