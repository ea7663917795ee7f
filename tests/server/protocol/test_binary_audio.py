"""The extension `binary_audio`, both ways and byte by byte: 8 bytes, then samples; and what is no such frame."""

import json
import struct
from collections.abc import Iterator, Sequence

import pytest
from websockets.protocol import State

from tests.protocol_client import ProtocolClient, Wire, audio, kinds
from tests.server.voice import (
    AGENT,
    BATCH,
    REPLY_KINDS,
    STREAM,
    Guest,
    b64,
    cloud_server,
    errors,
    framed,
    uneven,
    visit,
    words,
)
from tests.simulated_cloud import TOKENS, CloudServer
from tests.simulators.ark import REPLY, Behaviour
from tests.speech import chunks, seconds_of, silence

pytestmark = pytest.mark.slow

CLIENTS_HEAD = bytes([1, 0, 0, 0, 0, 0, 0, 0])
CHUNK_BYTES = 80 * 32  # audio.chunk_ms


class FrameClient(ProtocolClient):
    """A client that takes binary frames: each is a message of the type `frame` here."""

    def receive(self) -> Wire:
        frame = self.socket.recv(timeout=60)
        if isinstance(frame, str):
            return self._note(frame)
        assert len(frame) > 8
        version, codec, index, number = struct.unpack(">BBHI", frame[:8])
        message = {"type": "frame", "head": (version, codec), "index": index, "number": number, "pcm": frame[8:]}
        self.said.append(message)
        return message

    def _note(self, frame: str) -> Wire:
        message: Wire = json.loads(frame)
        self.said.append(message)
        return message

    def send_audio(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self.send_raw(CLIENTS_HEAD + piece)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    with cloud_server(tmp_path_factory.mktemp("binary")) as server:
        yield server


@pytest.fixture
def guest(cloud: CloudServer) -> Iterator[Guest]:
    """Somebody who asked for no extension."""
    with visit(cloud) as guest:
        yield guest


@pytest.fixture
def client(guest: Guest) -> Iterator[FrameClient]:
    """Somebody who asked for binary audio and for turns."""
    client = FrameClient(guest.server.process.url)
    connected = client.connect(api_token=TOKENS[-1], extensions=["turns", "binary_audio"])
    assert connected["extensions"] == ["binary_audio", "turns"]
    yield client
    if client.socket.state is State.OPEN:
        assert "frame" in kinds(client.turn("然后呢？"))
        guest.leave(client)


def frames(messages: Sequence[Wire]) -> list[Wire]:
    """The audio of a turn, checked."""
    found = [message for message in messages if message["type"] == "frame"]
    assert found and not any(message["type"] == "audio_chunk" for message in messages)
    for frame in found:
        assert frame["head"] == (1, 0)
        assert 0 < len(frame["pcm"]) <= CHUNK_BYTES and len(frame["pcm"]) % 2 == 0
    return found


def without_turns(messages: Sequence[Wire]) -> list[str]:
    return [kind for kind in kinds(list(messages)) if kind not in ("turn_started", "turn_end")]


def with_frames(base: Sequence[str]) -> list[str]:
    return ["frame" if kind == "audio_chunk" else kind for kind in base]


# --- from the server


def test_the_voice_comes_as_frames_with_the_turns_number_and_the_sentences_index(
    guest: Guest, client: FrameClient
) -> None:
    for number in (1, 2):
        client.send("message", content="你好")
        messages = client.until("turn_end")
        assert without_turns(messages) == with_frames(REPLY_KINDS)
        assert messages[0]["turn_number"] == number
        said = frames(messages)
        assert {frame["number"] for frame in said} == {number}
        indices = [frame["index"] for frame in said]
        assert indices == sorted(indices) and set(indices) == {0, 1, 2}
        for index, line in enumerate(json.loads(line) for line in REPLY.splitlines()):
            pcm = b"".join(frame["pcm"] for frame in said if frame["index"] == index)
            assert pcm == guest.vendors.pcm(line["jp"], line["emotion"])


def test_the_audio_is_byte_by_byte_that_of_the_base64_form(guest: Guest, client: FrameClient) -> None:
    plain = audio(guest.client.turn("你好"))
    client.send("message", content="你好")
    messages = client.until("turn_end")
    assert b"".join(frame["pcm"] for frame in frames(messages)) == plain
    client.send("audio_message", audio_base64=b64(words()))
    messages = client.until("turn_end")
    assert without_turns(messages) == with_frames(BATCH)
    assert b"".join(frame["pcm"] for frame in frames(messages)) == plain


# --- from the client


def test_a_stream_of_frames_is_heard_to_the_last_sample(guest: Guest, client: FrameClient) -> None:
    for pieces in (chunks(framed(words("ja")), 20), uneven(framed(words("en"), 0.2, 0.1))):
        client.send("audio_stream_start")
        client.send_audio(pieces)
        client.send("audio_stream_end")
        assert without_turns(client.until("turn_end")) == with_frames(STREAM)
        assert bytes(guest.asr.calls[-1].audio) == b"".join(pieces)


def test_both_forms_may_be_sent_in_one_stream_in_order(guest: Guest, client: FrameClient) -> None:
    pcm = framed(words())
    client.send("audio_stream_start")
    for number, piece in enumerate(chunks(pcm)):
        if number % 2:
            client.send_audio([piece])
        else:
            client.send("audio_stream_chunk", audio_base64=b64(piece))
    client.send("audio_stream_end")
    assert without_turns(client.until("turn_end")) == with_frames(STREAM)
    assert bytes(guest.asr.calls[-1].audio) == pcm


def test_a_voice_call_of_frames_is_heard_and_nothing_but_its_speech(guest: Guest, client: FrameClient) -> None:
    client.send("agent_mode_start")
    assert client.receive()["type"] == "agent_listening"
    for language in ("zh", "en"):
        client.send_audio(chunks(framed(words(language), 1.5), 20))
        assert without_turns(client.until("agent_listening")) == with_frames(AGENT)
        heard = bytes(guest.asr.calls[-1].audio)
        assert words(language) in heard and seconds_of(heard) < seconds_of(words(language)) + 1.3
    client.send("agent_mode_stop")


# --- what is no such frame


def test_a_frame_outside_of_any_mode_is_wrong_state_that_names_what_is_expected(client: FrameClient) -> None:
    client.send_audio([silence(0.1)])
    error = client.receive()
    assert error["code"] == "wrong_state"
    assert "audio_stream_start" in error["message"] and "agent_mode_start" in error["message"]


def test_frames_after_the_end_get_one_wrong_state(guest: Guest, client: FrameClient) -> None:
    client.send("audio_stream_start")
    client.send_audio(chunks(framed(words())))
    client.send("audio_stream_end")
    client.send_audio(chunks(words()))
    assert errors(client.until("turn_end")) == ["wrong_state"]


NO_FRAMES = {
    "version 0": (b"\x00" + CLIENTS_HEAD[1:] + bytes(320), "version 1"),
    "version 2": (b"\x02" + CLIENTS_HEAD[1:] + bytes(320), "version 1"),
    "another codec": (b"\x01\x01" + CLIENTS_HEAD[2:] + bytes(320), "codec 0"),
    "nothing": (b"", "shorter"),
    "half a head": (CLIENTS_HEAD[:7], "shorter"),
    "a head alone": (CLIENTS_HEAD, "no audio"),
    "an odd number of bytes": (CLIENTS_HEAD + bytes(321), "odd"),
    "too much": (CLIENTS_HEAD + bytes(65538), "65536"),
    "another format": (CLIENTS_HEAD + b"OggS\x00\x02" + bytes(40), "Ogg"),
}


@pytest.mark.parametrize("name", NO_FRAMES)
def test_a_frame_that_is_none_is_bad_audio_that_says_why_and_the_stream_goes_on(
    guest: Guest, client: FrameClient, name: str
) -> None:
    bad, why = NO_FRAMES[name]
    pcm = framed(words())
    client.send("audio_stream_start")
    client.send_audio(chunks(pcm)[:6])
    client.send_raw(bad)
    client.send_audio(chunks(pcm)[6:])
    client.send("audio_stream_end")
    messages = client.until("turn_end")
    (error,) = [message for message in messages if message["type"] == "error"]
    assert (error["code"], error["retryable"]) == ("bad_audio", False) and why in error["message"]
    assert bytes(guest.asr.calls[-1].audio) == pcm


def test_bad_frames_do_not_end_the_connection_however_many_come(client: FrameClient) -> None:
    for _ in range(20):  # `bad_json` and `bad_message` would
        client.send_raw(b"\x00")
        assert client.receive()["code"] == "bad_audio"


def test_a_frame_over_the_limit_of_messages_is_too_big(guest: Guest, client: FrameClient) -> None:
    client.send("audio_stream_start")
    client.send_raw(CLIENTS_HEAD + bytes(262144))
    code, messages = client.closed()
    assert code == 1009 and errors(messages) == ["message_too_big"]
    client.close()
    guest.wait_unheard()


def test_without_the_extension_a_frame_is_a_bad_message_and_the_stream_goes_on(guest: Guest) -> None:
    pcm = framed(words())
    guest.client.send("audio_stream_start")
    assert guest.client.receive()["type"] == "audio_stream_started"
    guest.client.send_raw(CLIENTS_HEAD + bytes(320))
    error = guest.client.receive()
    assert error["code"] == "bad_message" and "binary_audio" in error["message"]
    guest.push(chunks(pcm))
    guest.client.send("audio_stream_end")
    messages = guest.client.until("response")
    assert kinds(messages) == STREAM[1:] and audio(messages)
    assert bytes(guest.asr.calls[-1].audio) == pcm


def test_frames_of_the_extension_wait_with_their_stream(guest: Guest, client: FrameClient) -> None:
    guest.vendors.answer(Behaviour(first_token_s=1.0))
    pcm = framed(words())
    client.send("message", content="你好")
    client.send("audio_stream_start")
    client.send_audio(chunks(pcm))
    client.send("audio_stream_end")
    assert without_turns(client.until("turn_end")) == with_frames(REPLY_KINDS)
    assert without_turns(client.until("turn_end")) == with_frames(STREAM)
    assert bytes(guest.asr.calls[-1].audio) == pcm
