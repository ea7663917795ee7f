"""The client library against a real server on the embedded engines: what it says, hears, loses and survives."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest

from chatanon_client import (
    EXTENSIONS,
    AgentListening,
    Audio,
    ChatAnon,
    ChatAnonError,
    Connected,
    Disconnected,
    Event,
    Events,
    Interrupted,
    Pong,
    Reconnected,
    Reconnecting,
    Request,
    Response,
    SpeechStarted,
    Transcription,
    TurnEnd,
    TurnEvent,
)
from tests import speech
from tests.chatanon_client.cable import Cable, open_cable
from tests.running_server import RunningServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

SENTENCES_APART = ("turns", "stages", "sentence_responses")
PHRASE = "你叫什么名字"


@pytest.fixture(scope="module")
def spoken() -> bytes:
    return speech.silence(0.5) + speech.say(PHRASE, "zh") + speech.silence(1.5)


async def until(events: Events, kind: type) -> list[Event]:
    """Everything up to and with the first of a kind."""
    seen: list[Event] = []
    async for event in events:
        seen.append(event)
        if isinstance(event, kind):
            break
    return seen


# ---------------------------------------------------------------- what is said


@pytest.mark.parametrize("extensions", [(), ("binary_audio",), EXTENSIONS, ("stages",), SENTENCES_APART], ids="-".join)
async def test_a_turn_is_the_same_whole_and_in_pieces(
    server: RunningServer, token: str, extensions: tuple[str, ...]
) -> None:
    async with ChatAnon(server.url, token, extensions=extensions) as chat:
        assert chat.connected is not None and set(chat.connected.extensions) == set(extensions)
        events = chat.events()
        turn = chat.say("你好")
        pieces: list[TurnEvent] = [event async for event in turn]
        reply = await turn
        assert reply.content_jp and reply.content_cn and reply.emotion
        assert b"".join(piece.pcm for piece in pieces if isinstance(piece, Audio)) == reply.audio != b""
        assert isinstance(pieces[-1], TurnEnd if {"turns", "stages"} & set(extensions) else Response)
        assert ("first_audio" in reply.timings_ms) == ("turns" in extensions)
        if "sentences" in extensions:
            assert "".join(sentence.content_jp for sentence in reply.sentences) == reply.content_jp
    told = [event async for event in events if isinstance(event, TurnEvent)]
    assert told[: len(pieces)] == pieces


async def test_what_else_one_can_ask(server: RunningServer, token: str) -> None:
    async with ChatAnon(server.url, token) as chat:
        await chat.say("你好")
        assert await chat.ping() == Pong()
        assert [line.role for line in (await chat.history()).messages] == ["user", "assistant"]
        with pytest.raises(ChatAnonError) as refused:
            await chat.switch_character("nobody")
        assert (refused.value.code, refused.value.fatal) == ("unknown_character", False)
        assert (await chat.switch_character("Tomori")).character == chat.character == "tomori"
        assert (await chat.history()).messages == ()
        await chat.switch_character("anon")
        await chat.clear_history()
        assert (await chat.history(limit=1, before=99)).messages == ()
        with pytest.raises(ChatAnonError) as refused:
            await chat.interrupt()
        assert refused.value.code == "not_granted"


async def test_refused_texts_raise_and_those_around_them_are_answered(server: RunningServer, token: str) -> None:
    async with ChatAnon(server.url, token, extensions=()) as chat:
        turns = [chat.say(text) for text in ("一", " ", "二", "字" * 5000)]
        asked: list[Request[Any]] = [
            *turns,
            *(chat.switch_character("anon") for _ in range(12)),
        ]  # more than a server lets wait
        assert chat.unanswered == len(asked)
        ends = [await _code(request) for request in asked]
    assert ends == ["", "empty_message", "", "message_too_long", *[""] * 12]


async def _code(request: Request[Any]) -> str:
    """Of its error; "": it was answered."""
    try:
        await request
    except ChatAnonError as error:
        return error.code
    return ""


# ---------------------------------------------------------------- what is spoken


@pytest.mark.parametrize("extensions", [(), EXTENSIONS], ids=["base64", "binary"])
async def test_a_recording_a_stream_and_agent_mode_are_understood(
    server: RunningServer, token: str, spoken: bytes, extensions: tuple[str, ...]
) -> None:
    async with ChatAnon(server.url, token, extensions=extensions) as chat:
        recorded = await chat.send_recording(speech.wav(spoken))
        stream = chat.start_stream()
        assert all([await stream.send(chunk) for chunk in speech.chunks(spoken)])
        await stream.end()
        streamed = await stream
        assert not await stream.send(spoken) and not await chat.send_audio(spoken)

        events = chat.events()
        await chat.start_agent()
        for chunk in speech.chunks(spoken):
            await chat.send_audio(chunk)
        await until(events, AgentListening)
        heard = await until(events, AgentListening)
        typed = await chat.say("你好")
        await chat.stop_agent()
        assert not await chat.send_audio(spoken)
    assert recorded.transcript == streamed.transcript == PHRASE and recorded.audio and streamed.audio
    assert [event.text for event in heard if isinstance(event, Transcription) and not event.is_partial] == [PHRASE]
    assert any(isinstance(event, Response) for event in heard) and typed.content_jp
    assert any(isinstance(event, SpeechStarted) for event in heard) == ("speech_events" in extensions)


async def test_sound_is_sent_at_the_rate_that_was_told(server: RunningServer, token: str) -> None:
    async with ChatAnon(server.url, token, audio_sample_rate=8000) as chat:
        stream = chat.start_stream()
        await stream.send(b"".join(speech.silence(1)[at : at + 2] for at in range(0, 32000, 4)))
        await stream.end()
        with pytest.raises(ChatAnonError) as error:
            await stream
    assert error.value.code == "no_speech" and not error.value.fatal


async def test_a_reply_is_interrupted_with_what_was_heard_of_it(server: RunningServer, token: str) -> None:
    async with ChatAnon(server.url, token, extensions=(*EXTENSIONS, "barge_in")) as chat:
        turn = chat.say("你好")
        async for event in turn:
            if isinstance(event, Audio):
                await chat.interrupt(played_ms=80)
                break
        reply = await turn
        cut = (await chat.history()).messages[-1]
    assert isinstance(reply.interrupted, Interrupted) and reply.interrupted.reason == "client"
    assert reply.interrupted.heard_ms == 80 and cut.cut


# ---------------------------------------------------------------- who may not talk (any more)


async def test_another_device_ends_the_talk_for_good(server: RunningServer, token: str) -> None:
    async with ChatAnon(server.url, token) as first:
        events = first.events()
        async with ChatAnon(server.url, token) as second:
            with pytest.raises(ChatAnonError) as ended:
                await until(events, Reconnecting)
            assert (await second.say("你好")).content_jp
        assert (ended.value.code, ended.value.fatal, ended.value.close_code) == ("new_connection", True, 4501)
        with pytest.raises(ChatAnonError) as late:
            await first.say("你好")
        assert late.value.code == "new_connection"


@pytest.mark.parametrize(
    ("hello", "code"), [({"token": "wrong"}, "unauthorized"), ({"character": "nobody"}, "unknown_character")]
)
async def test_who_is_refused_does_not_try_again(
    server: RunningServer, token: str, hello: dict[str, str], code: str
) -> None:
    async with open_cable(server.port) as cable:
        with pytest.raises(ChatAnonError) as refused:
            await ChatAnon(cable.url, hello.get("token", token), hello.get("character")).connect()
        assert (refused.value.code, refused.value.fatal, cable.plugs) == (code, True, 1)


async def test_nobody_there_is_an_error_after_as_many_tries_as_are_wanted() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound but not listening
        chat = ChatAnon(f"127.0.0.1:{nobody.getsockname()[1]}", "token", tries=2)
        events = chat.events()
        with pytest.raises(ChatAnonError) as refused:
            await chat.connect()
    assert (refused.value.code, refused.value.retryable) == ("no_server", True)
    with pytest.raises(ChatAnonError):
        assert [type(event) for event in await until(events, Connected)] == [Reconnecting]


# ---------------------------------------------------------------- connections that are lost


async def _cut_in_a_turn(chat: ChatAnon, cable: Cable) -> None:
    async for event in chat.say("一"):
        if isinstance(event, Audio):
            cable.cut()


async def test_after_a_cut_cable_nothing_is_sent_twice_and_what_waited_is_said(
    server: RunningServer, token: str
) -> None:
    async with (
        open_cable(server.port) as cable,
        ChatAnon(cable.url, token, extensions=(*EXTENSIONS, "barge_in")) as chat,
    ):
        events = chat.events()
        lost = asyncio.create_task(_cut_in_a_turn(chat, cable))
        await until(events, Audio)
        waiting = chat.say("二")
        with pytest.raises(ChatAnonError) as error:
            await lost
        assert (error.value.code, error.value.fatal, error.value.retryable) == ("lost", False, True)
        (*_, told) = await until(events, Reconnecting)
        (*_, back) = await until(events, Connected)
        assert isinstance(told, Reconnecting) and told.lost == 1 and isinstance(back, Reconnected)
        async for event in waiting:
            if isinstance(event, Audio):
                await chat.interrupt()  # enough of it
        said = [line.content_cn for line in (await chat.history()).messages if line.role == "user"]
        assert said == ["一", "二"] and cable.plugs == 2


async def test_a_stream_ends_with_its_connection_and_the_next_works(
    server: RunningServer, token: str, spoken: bytes
) -> None:
    async with open_cable(server.port) as cable, ChatAnon(cable.url, token) as chat:
        stream = chat.start_stream()
        await stream.send(speech.silence(0.2))
        cable.cut()
        with pytest.raises(ChatAnonError) as error:
            await stream
        assert error.value.code == "lost" and not await stream.send(spoken)
        await stream.end()
        again = chat.start_stream()
        for chunk in speech.chunks(spoken):
            await again.send(chunk)
        await again.end()
        assert (await again).transcript == PHRASE


async def test_a_server_that_stops_is_come_back_to_when_it_says(
    start_server: Callable[..., RunningServer], token: str
) -> None:
    stopping = start_server(VALID_API_TOKENS=token)
    async with ChatAnon(stopping.url, token) as chat:
        events = chat.events()
        stopping.signal()
        seen = await until(events, Reconnecting)
        (farewell,) = [event for event in seen if isinstance(event, Disconnected)]
        assert farewell.reason == "server_shutdown" and isinstance(seen[-1], Reconnecting)
        assert (seen[-1].error.code, seen[-1].error.close_code) == ("server_shutdown", 4001)
        assert not seen[-1].error.fatal and seen[-1].delay_s >= farewell.retry_after_ms / 1000 - 0.5


async def test_who_leaves_has_no_loose_ends(server: RunningServer, token: str) -> None:
    async with ChatAnon(server.url, token, extensions=("barge_in",)) as chat:
        events = chat.events()
        turn = chat.say("你好")
        await until(events, Audio)
    async for _ in events:
        pass  # it ends, and without an error
    for unanswered in (turn, chat.say("还在吗")):
        with pytest.raises(ChatAnonError) as error:
            await unanswered
        assert error.value.code == "left"
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not any(name.startswith("chatanon") for name in names)


async def test_a_wait_that_is_given_up_takes_nobody_with_it(server: RunningServer, token: str) -> None:
    async with ChatAnon(server.url, token) as chat:
        turn = chat.say("你好")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await turn
        assert not turn.is_done and (await turn).content_jp and (await chat.say("再见")).content_jp
