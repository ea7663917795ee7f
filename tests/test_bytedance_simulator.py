"""The stand-in for ByteDance's ASR against the vendor's page: its examples, and every refusal it names."""

import gzip
import itertools
import json
import math
import struct
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from tests.simulators.bytedance import (
    ACCESS_KEY,
    API_KEY,
    APP_KEY,
    SERVICES,
    BytedanceSimulator,
    Fault,
    Manner,
    Service,
    hear_length,
    simulate_bytedance,
)
from tests.simulators.bytedance_recogniser import Recogniser

pytestmark = pytest.mark.anyio

CONNECT_ID = "67ee89ba-7050-4c04-a3d7-ac61a63499b3"
HEADERS = {
    "X-Api-App-Key": APP_KEY,
    "X-Api-Access-Key": ACCESS_KEY,
    "X-Api-Resource-Id": "volc.bigasr.sauc.duration",
    "X-Api-Request-Id": "0f3a5e58-30a1-4b4c-9c8a-2a04a4a1f3c7",
    "X-Api-Connect-Id": CONNECT_ID,
    "X-Api-Sequence": "-1",
}
NEW_HEADERS = {**{name: value for name, value in HEADERS.items() if "App" not in name and "Access" not in name}}
NEW_HEADERS["X-Api-Key"] = API_KEY

AUDIO = {"format": "pcm", "codec": "raw", "rate": 16000, "bits": 16, "channel": 1}
WISHES = {"model_name": "bigmodel", "show_utterances": True, "end_window_size": 300}


# ---------------------------------------------------------------- a user of its own


@dataclass(frozen=True)
class Answer:
    """A frame of the server, read by the rules of section 2."""

    kind: int
    flags: int
    number: int | None  # its sequence, or the code of an error
    json: Any

    @property
    def result(self) -> Any:
        return self.json["result"]

    @property
    def definite(self) -> list[str]:
        return [each["text"] for each in self.result.get("utterances", []) if each["definite"]]


def read(message: str | bytes) -> Answer:
    assert isinstance(message, bytes) and message[0] == 0x11 and message[3] == 0
    kind, flags, form, compression = message[1] >> 4, message[1] & 15, message[2] >> 4, message[2] & 15
    rest, number = message[4:], None
    if kind == 15 or flags & 1:
        (number,), rest = struct.unpack(">I" if kind == 15 else ">i", rest[:4]), rest[4:]
    size, payload = struct.unpack(">I", rest[:4])[0], rest[4:]
    assert size == len(payload)
    payload = gzip.decompress(payload) if compression else payload
    return Answer(kind, flags, number, json.loads(payload) if form else payload.decode())


def frame(kind: int, payload: bytes, *, last: bool = False, sequence: int | None = None, zipped: bool = False) -> bytes:
    flags = (2 if last else 0) | (0 if sequence is None else 1)
    payload = gzip.compress(payload) if zipped else payload
    middle = b"" if sequence is None else struct.pack(">i", sequence)
    head = bytes([0x11, kind << 4 | flags, (0x10 if kind == 1 else 0) | zipped, 0])
    return head + middle + struct.pack(">I", len(payload)) + payload


def asking(wishes: dict[str, Any] | None = None, **audio: Any) -> bytes:
    return frame(1, json.dumps({"audio": {**AUDIO, **audio}, "request": {**WISHES, **(wishes or {})}}).encode())


def tone(ms: int) -> bytes:
    pcm: bytes = (8000 * np.sin(np.arange(16 * ms) * 0.3)).astype("<i2").tobytes()
    return pcm


def silence(ms: int) -> bytes:
    return bytes(32 * ms)


def packets(pcm: bytes, ms: int = 200) -> list[bytes]:
    return [frame(2, pcm[at : at + 32 * ms]) for at in range(0, len(pcm), 32 * ms)]


LAST = frame(2, b"", last=True)


@asynccontextmanager
async def vendor(manner: Manner | None = None, *faults: Fault) -> AsyncIterator[BytedanceSimulator]:
    with anyio.fail_after(30):  # a test that hangs is a test that fails
        async with simulate_bytedance(manner) as simulator:
            simulator.faults = list(faults)
            yield simulator


def call(simulator: BytedanceSimulator, service: Service = "bigmodel_async") -> connect:
    return connect(simulator.url_of(service), additional_headers=HEADERS, close_timeout=0.2, ping_interval=None)


async def answers(socket: ClientConnection) -> list[Answer]:
    """All to the close."""
    return [read(message) async for message in socket]


async def said_to(
    *messages: str | bytes, service: Service = "bigmodel", manner: Manner | None = None, hear: Sequence[str] = ()
) -> list[Answer]:
    """All the answers of a session with these messages."""
    async with vendor(manner) as simulator:
        if hear:
            simulator.hear = deque(hear)
        async with call(simulator, service) as socket:
            for message in messages:
                with suppress(ConnectionClosed):  # what came before the close is still to be read
                    await socket.send(message)
            return await answers(socket)


# ---------------------------------------------------------------- the worked examples (section 2)

EXAMPLE_REQUEST = bytes.fromhex("11111000 00000001 0000009a") + (
    b'{"user":{"uid":"u1"},"audio":{"format":"pcm","codec":"raw","rate":16000,"bits":16,"channel":1},'
    b'"request":{"model_name":"bigmodel","show_utterances":true}}'
)
EXAMPLE_AUDIO = bytes.fromhex(
    "11210100 00000002 0000001c 1f8b0800 00000000 00036360 60646062 60660000 84975a2f 08000000"
)
EXAMPLE_LAST = bytes.fromhex("11230100 fffffffd 00000014 1f8b0800 00000000 00030300 00000000 00000000")


async def test_worked_examples_are_answered_as_the_page_shows() -> None:
    async with vendor() as simulator, call(simulator, "bigmodel") as socket:
        await socket.send(EXAMPLE_REQUEST)
        first = await socket.recv()
        assert isinstance(first, bytes) and first[:8].hex() == "1191100000000001"
        assert json.loads(first[12:]) == {
            "audio_info": {"duration": 0},
            "result": {"additions": {"log_id": simulator.calls[0].log_id}, "text": "", "utterances": []},
        }
        await socket.send(EXAMPLE_AUDIO)
        assert read(await socket.recv()).number == 2
        await socket.send(EXAMPLE_LAST)
        final = read(await socket.recv())
        assert (final.flags, final.number, final.result["text"]) == (3, -3, "")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000
        (seen,) = simulator.calls
        assert bytes(seen.audio) == np.arange(4, dtype="<i2").tobytes()
        assert [packet.size for packet in seen.packets] == [8, 0] and seen.ended and seen.answered
        assert seen.request is not None and seen.request["user"] == {"uid": "u1"}


async def test_error_frame_is_laid_out_as_captured() -> None:
    async with vendor() as simulator, call(simulator, "bigmodel") as socket:
        await socket.send(frame(1, EXAMPLE_REQUEST[12:], sequence=0))
        raw = await socket.recv()
        assert isinstance(raw, bytes) and raw[:8].hex() == "11f0100002aea540"
        assert "autoAssignedSequence (1) mismatch sequence in request (0)" in read(raw).json["error"]
        assert read(raw).json.keys() == {"error"}
        assert simulator.calls[0].sent_codes == [45000000]


# ---------------------------------------------------------------- the handshake (section 1)


@pytest.mark.parametrize("headers", [HEADERS, NEW_HEADERS], ids=["two keys", "one key"])
@pytest.mark.parametrize("folder", ["sauc", "plan/sauc"])
async def test_either_key_scheme_opens_every_path(headers: dict[str, str], folder: str) -> None:
    async with vendor() as simulator:
        for service in SERVICES:
            async with connect(f"{simulator.base}/api/v3/{folder}/{service}", additional_headers=headers) as socket:
                assert socket.response is not None
                assert socket.response.headers["X-Api-Connect-Id"] == CONNECT_ID
                assert socket.response.headers["X-Tt-Logid"] == simulator.calls[-1].log_id
                assert simulator.calls[-1].service == service
                assert simulator.calls[-1].headers["X-Api-Resource-Id"] == HEADERS["X-Api-Resource-Id"]


@pytest.mark.parametrize("path", ["/", "/api/v3/sauc", "/api/v3/sauc/bigmodel_other", "/api/v2/asr"])
async def test_other_paths_are_not_found(path: str) -> None:
    async with vendor() as simulator:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(simulator.base + path, additional_headers=HEADERS):
                pass
        assert refused.value.response.status_code == 404


def changed(**changes: str | None) -> dict[str, str]:
    names = {name.replace("-", "_"): name for name in (*HEADERS, "X-Api-Key")}
    headers = {**HEADERS, **{names[name]: value for name, value in changes.items() if value is not None}}
    return {name: value for name, value in headers.items() if changes.get(name.replace("-", "_"), "") is not None}


REFUSED_HEADERS = [
    (changed(X_Api_Key=API_KEY), 403, "load grant: requested grant not found in SaaS storage"),
    (changed(X_Api_App_Key="other"), 403, "load grant: requested grant not found in SaaS storage"),
    (changed(X_Api_Access_Key="other"), 403, "load grant: requested grant not found in SaaS storage"),
    (NEW_HEADERS | {"X-Api-Key": "other"}, 401, "Invalid X-Api-Key"),
    (changed(X_Api_Access_Key=None), 401, "missing credentials"),
    (changed(X_Api_App_Key=None, X_Api_Access_Key=None), 401, "missing credentials"),
    (changed(X_Api_Resource_Id="volc.other"), 403, "[resource_id=volc.other] requested resource not granted"),
    (changed(X_Api_Resource_Id=None), 400, "missing X-Api-Resource-Id"),
    (changed(X_Api_Request_Id=None), 400, "missing X-Api-Request-Id"),
    (changed(X_Api_Connect_Id=None), 400, "missing X-Api-Connect-Id"),
    (changed(X_Api_Sequence="1"), 400, "X-Api-Sequence must be -1"),
]


@pytest.mark.parametrize(("headers", "status", "text"), REFUSED_HEADERS)
async def test_wrong_headers_are_refused_with_json(headers: dict[str, str], status: int, text: str) -> None:
    async with vendor() as simulator:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(simulator.url, additional_headers=headers):
                pass
        response = refused.value.response
        assert (response.status_code, json.loads(response.body or b"")) == (status, {"error": text})
        assert response.headers["X-Tt-Logid"]
        assert not simulator.calls and simulator.handshakes == 1


@pytest.mark.parametrize(
    ("headers", "code"),
    [(changed(X_Api_App_Key="other"), 45000010), (changed(X_Api_Resource_Id="volc.other"), 45000030)],
)
async def test_wrong_grant_may_be_told_after_the_upgrade(headers: dict[str, str], code: int) -> None:
    async with vendor(Manner(wrong_key="frame")) as simulator:
        async with connect(simulator.url, additional_headers=headers) as socket:
            assert [(answer.kind, answer.number) for answer in await answers(socket)] == [(15, code)]


async def test_more_connections_than_granted_are_told_the_quota() -> None:
    async with vendor(Manner(connections=1)) as simulator, call(simulator) as first:
        async with call(simulator) as second:
            assert [answer.number for answer in await answers(second)] == [45000292]
        await first.send(asking())
        assert read(await first.recv()).kind == 9


# ---------------------------------------------------------------- frames (section 2)

REQUEST_JSON = asking()[8:]
SPEECH = tone(100)
NUMBERED = [frame(1, REQUEST_JSON, sequence=1), frame(2, SPEECH, sequence=2), frame(2, SPEECH, sequence=3)]

FINE = {
    "all numbered": [*NUMBERED, frame(2, b"", last=True, sequence=-4)],
    "none numbered": [asking(), frame(2, SPEECH), frame(2, SPEECH), LAST],
    "all but the last": [*NUMBERED, LAST],
    "the request alone": [NUMBERED[0], frame(2, SPEECH), frame(2, SPEECH), LAST],
    "one in the middle": [asking(), frame(2, SPEECH), NUMBERED[2], LAST],
    "the last has audio": [asking(), frame(2, SPEECH), frame(2, SPEECH, last=True)],
    "the last has audio and number": [*NUMBERED[:2], frame(2, SPEECH, last=True, sequence=-3)],
    "gzip": [
        frame(1, REQUEST_JSON, zipped=True),
        frame(2, SPEECH * 2, zipped=True),
        frame(2, b"", last=True, zipped=True),
    ],
    "audio called JSON": [asking(), b"\x11\x20\x10\x00" + frame(2, SPEECH * 2)[4:], LAST],
}


@pytest.mark.parametrize("messages", FINE.values(), ids=FINE.keys())
async def test_frames_with_and_without_sequence_and_gzip_are_taken(messages: list[bytes]) -> None:
    async with vendor() as simulator, call(simulator) as socket:
        for message in messages:
            await socket.send(message)
        final = (await answers(socket))[-1]
        assert (final.kind, final.flags, final.number) == (9, 3, -len(messages))
        assert final.result["text"] == "听到200毫秒" and simulator.audio == SPEECH * 2


WRONG_NUMBERS = {
    "a start at 0": ([frame(1, REQUEST_JSON, sequence=0)], "(1)", "(0)"),
    "a start at 2": ([frame(1, REQUEST_JSON, sequence=2)], "(1)", "(2)"),
    "a repeat": ([NUMBERED[0], frame(2, SPEECH, sequence=1)], "(2)", "(1)"),
    "a gap": ([*NUMBERED[:2], frame(2, SPEECH, sequence=4)], "(3)", "(4)"),
    "a gap after unnumbered ones": ([asking(), frame(2, SPEECH), frame(2, SPEECH, sequence=2)], "(3)", "(2)"),
    "a positive last": ([NUMBERED[0], frame(2, SPEECH, last=True, sequence=2)], "(-2)", "(2)"),
    "a wrong last": ([NUMBERED[0], frame(2, SPEECH, last=True, sequence=-3)], "(-2)", "(-3)"),
    "a negative one before": ([NUMBERED[0], frame(2, SPEECH, sequence=-2)], "(2)", "(-2)"),
}


@pytest.mark.parametrize(("messages", "due", "given_"), WRONG_NUMBERS.values(), ids=WRONG_NUMBERS.keys())
async def test_wrong_sequence_is_refused_by_name(messages: list[bytes], due: str, given_: str) -> None:
    final = (await said_to(*messages))[-1]
    assert (final.kind, final.number) == (15, 45000000)
    assert f"autoAssignedSequence {due} mismatch sequence in request {given_}" in final.json["error"]


def with_byte(at: int, value: int) -> bytes:
    message = bytearray(frame(2, SPEECH))
    message[at] = value
    return bytes(message)


PACKED = gzip.compress(SPEECH)
UNDECODABLE: dict[str, str | bytes] = {
    "a text": "hello",
    "nothing": b"",
    "half a header": b"\x11\x20",
    "no size": b"\x11\x20\x00\x00",
    "a sequence and no size": b"\x11\x21\x00\x00\x00\x00\x00\x02",
    "version 2": with_byte(0, 0x21),
    "a longer header": with_byte(0, 0x12),
    "reserved byte": with_byte(3, 1),
    "kind 3": with_byte(1, 0x30),
    "kind of the server": with_byte(1, 0x90),
    "kind of errors": with_byte(1, 0xF0),
    "an event": with_byte(1, 0x24),
    "unknown flag": with_byte(1, 0x28),
    "unknown serialization": with_byte(2, 0xF0),
    "unknown compression": with_byte(2, 0x02),
    "a sequence under flags 0": b"\x11\x20\x00\x00\x00\x00\x00\x02" + frame(2, SPEECH)[4:],
    "a sequence under flags 2": b"\x11\x22\x00\x00\xff\xff\xff\xfe" + frame(2, SPEECH)[4:],
    "size too small": b"\x11\x20\x00\x00\x00\x00\x00\x02" + SPEECH[:4],
    "size too large": b"\x11\x20\x00\x00\x00\x00\x00\x08" + SPEECH[:4],
    "not gzip": b"\x11\x20\x01\x00" + frame(2, SPEECH)[4:],
    "cut gzip": b"\x11\x20\x01\x00" + frame(2, PACKED[:-5])[4:],
    "more than gzip": b"\x11\x20\x01\x00" + frame(2, PACKED + b"more")[4:],
    "request without JSON": b"\x11\x10\x00\x00" + asking()[4:],
}


@pytest.mark.parametrize("message", UNDECODABLE.values(), ids=UNDECODABLE.keys())
async def test_what_is_no_frame_is_refused(message: str | bytes) -> None:
    refused = (await said_to(asking(), message))[-1]
    assert (refused.kind, refused.number) == (15, 45000000)


# ---------------------------------------------------------------- the session (sections 3, 6)


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([frame(2, SPEECH)], 45000001),
        ([asking(), asking()], 45000001),
        ([asking(), frame(2, SPEECH), asking()], 45000001),
        ([asking(), LAST], 45000002),
        ([asking(), frame(2, b""), LAST], 45000002),
        ([asking()[:1] + b"\x12" + asking()[2:]], 45000002),  # the request is the last
        ([asking(), frame(2, b"\0\0\0")], 45000151),
        ([asking(channel=2), frame(2, b"\0\0")], 45000151),
    ],
    ids=["audio first", "asked twice", "asked again", "no audio", "empty", "request last", "odd", "half a pair"],
)
@pytest.mark.parametrize("service", SERVICES)
async def test_what_a_session_cannot_be_ends_with_its_code(messages: list[bytes], code: int, service: Service) -> None:
    refused = (await said_to(*messages, service=service))[-1]
    assert (refused.kind, refused.number) == (15, code)


@pytest.mark.parametrize("before", [[], [asking()], [asking(), frame(2, SPEECH)]])
async def test_waiting_too_long_for_the_next_packet_ends_the_session(before: list[bytes]) -> None:
    refused = (await said_to(*before, manner=Manner(idle_s=0.02)))[-1]
    assert (refused.kind, refused.number) == (15, 45000081)
    assert refused.json["error"] == (
        "[Timeout waiting next packet] waiting next packet timeout: 0.020000 seconds, session has ended"
    )


def test_vendor_waits_eight_seconds_by_default() -> None:
    assert Manner().idle_s == 8


async def test_packet_after_the_last_is_refused() -> None:
    refused = (await said_to(asking(), frame(2, SPEECH), LAST, frame(2, SPEECH), manner=Manner(final_s=math.inf)))[-1]
    assert (refused.kind, refused.number) == (15, 45000000)


@pytest.mark.parametrize("service", SERVICES)
async def test_silence_alone_gives_an_empty_final_and_the_close(service: Service) -> None:
    *_, final = await said_to(asking(), *packets(silence(2000)), LAST, service=service)
    assert (final.flags, final.result["text"], final.result["utterances"]) == (3, "", [])
    assert final.json["audio_info"] == {"duration": 2000}


async def test_dead_session_may_stay_open_and_answers_nothing() -> None:
    async with vendor(Manner(error_close=None)) as simulator:
        async with call(simulator) as socket:
            await socket.send("hello")
            assert read(await socket.recv()).number == 45000000
            await socket.send(asking())
            await socket.send(frame(2, SPEECH))
            await simulator.until(lambda: simulator.audio == SPEECH)
            assert simulator.open_calls
        await simulator.until(lambda: not simulator.open_calls)


# ---------------------------------------------------------------- what may be asked for (section 4)


def words(count: int) -> str:
    return json.dumps({"hotwords": [{"word": "安"} for _ in range(count)]})


def turns(count: int, text: str = "你好") -> str:
    return json.dumps({"context_type": "dialog_ctx", "context_data": [{"text": text}] * count})


BOTH = json.dumps({**json.loads(words(100)), **json.loads(turns(20))})
ALLOWED: list[dict[str, Any]] = [
    {},
    {"something_new": {"of": ["the", "vendor"]}},
    {"end_window_size": 300, "force_to_speech_time": 1},
    {"end_window_size": 5000, "result_type": "single", "enable_punc": False, "enable_itn": True},
    {"enable_nonstream": True, "enable_poi_fc": True, "accelerate_score": 20, "vad_segment_duration": 3000},
    {"corpus": {"boosting_table_name": "names", "context": BOTH}},
    {"corpus": {"context": "{}"}, "sensitive_words_filter": '{"system_reserved_filter":true}', "ssd_version": "200"},
]
INVALID: list[dict[str, Any]] = [
    {"model_name": "other"},
    {"model_name": None},
    {"show_utterances": 1},
    {"enable_punc": "true"},
    {"result_type": "all"},
    {"end_window_size": 299},
    {"end_window_size": 5001},
    {"end_window_size": 800.0},
    {"end_window_size": True},
    {"end_window_size": "800"},
    {"force_to_speech_time": 0},
    {"accelerate_score": 21},
    {"enable_music_fc": True},
    {"output_zh_variant": "simplified"},
    {"ssd_version": "400"},
    {"sensitive_words_filter": {}},
    {"corpus": "names"},
    {"corpus": {"correct_table_id": 1}},
    {"corpus": {"context": json.loads(words(1))}},
    {"corpus": {"context": "names"}},
    {"corpus": {"context": '["name"]'}},
    {"corpus": {"context": '{"hotwords":["name"]}'}},
    {"corpus": {"context": '{"hotwords":[{"word":""}]}'}},
    {"corpus": {"context": words(101)}},
    {"corpus": {"context": turns(21)}},
    {"corpus": {"context": turns(2, "长" * 401)}},
    {"corpus": {"context": '{"context_data":[{"text":"a"}]}'}},
    {"corpus": {"context": '{"context_type":"dialog_ctx","context_data":["a"]}'}},
]


@pytest.mark.parametrize("wishes", ALLOWED, ids=str)
async def test_requests_of_the_page_are_taken(wishes: dict[str, Any]) -> None:
    async with vendor() as simulator, call(simulator) as socket:
        await socket.send(asking(wishes, channel=2, codec="pcm", language="ja-JP"))
        assert read(await socket.recv()).kind == 9
        context = wishes.get("corpus", {}).get("context", "{}")
        assert simulator.calls[0].context == json.loads(context)


@pytest.mark.parametrize("wishes", INVALID, ids=lambda wishes: str(wishes)[:60])
async def test_requests_against_the_page_are_refused(wishes: dict[str, Any]) -> None:
    (refused,) = await said_to(asking(wishes), service="bigmodel_async")
    assert (refused.kind, refused.number) == (15, 45000001)


@pytest.mark.parametrize(
    ("audio", "code"),
    [
        ({"rate": 8000}, 45000001),
        ({"rate": "16000"}, 45000001),
        ({"bits": 8}, 45000001),
        ({"channel": 3}, 45000001),
        ({"channel": True}, 45000001),
        ({"format": None}, 45000001),
        ({"language": 1}, 45000001),
        ({"format": "flac"}, 45000151),
        ({"codec": "opus"}, 45000151),
    ],
    ids=str,
)
async def test_audio_against_the_page_is_refused(audio: dict[str, Any], code: int) -> None:
    assert [answer.number for answer in await said_to(asking(**audio))] == [code]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"{}", b'{"audio":{}}', b'{"user":1}', b"\xff", b'{"audio":[]}'])
async def test_request_that_is_no_request_is_refused(payload: bytes) -> None:
    assert [answer.number for answer in await said_to(frame(1, payload))] == [45000001]


async def test_wishes_of_one_path_alone_are_refused_on_the_others() -> None:
    two_passes = asking({"enable_nonstream": True})
    many = asking({"corpus": {"context": words(5000)}})
    for service in ("bigmodel", "bigmodel_nostream"):
        assert [answer.number for answer in await said_to(two_passes, service=service)] == [45000001]
    *_, final = await said_to(many, frame(2, SPEECH), LAST, service="bigmodel_nostream")
    assert final.kind == 9
    assert [answer.number for answer in await said_to(many)] == [45000001]


# ---------------------------------------------------------------- answers (sections 1, 5)

TWO = tone(600) + silence(400) + tone(400) + silence(200)  # utterances; the second is ended by the last packet


async def test_bigmodel_answers_every_packet() -> None:
    found = await said_to(asking(), *packets(TWO), LAST, hear=["你好世界", "再见"])
    assert [answer.number for answer in found] == [*range(1, 10), -10]
    assert [answer.flags for answer in found] == [1] * 9 + [3]
    assert [answer.json["audio_info"]["duration"] for answer in found] == [*range(0, 1601, 200), 1600]
    assert [answer.result["text"] for answer in found] == [
        *[
            "",
            "你",
            "你好",
            "你好世界",
            "你好世界",
            "你好世界",
            "你好世界再",
            "你好世界再见",
            "你好世界再见",
            "你好世界再见",
        ]
    ]
    assert [answer.definite for answer in found[4:]] == [[]] + [["你好世界"]] * 4 + [["你好世界", "再见"]]


async def test_async_answers_changes_alone_and_first_a_log_id() -> None:
    first, *found = await said_to(asking(), *packets(TWO), LAST, service="bigmodel_async", hear=["你好世界", "再见"])
    assert (first.flags, first.number, first.json.keys()) == (0, None, {"result"})
    assert first.result.keys() == {"additions"} and first.result["additions"].keys() == {"log_id"}
    assert [(answer.number, answer.result["text"], len(answer.definite)) for answer in found] == [
        *[(2, "你", 0), (3, "你好", 0), (4, "你好世界", 0), (6, "你好世界", 1)],
        *[(7, "你好世界再", 1), (8, "你好世界再见", 1), (-10, "你好世界再见", 2)],
    ]


async def test_nostream_answers_after_fifteen_seconds_or_the_last_packet() -> None:
    pcm = tone(400) + silence(31_600)
    found = await said_to(asking(), *packets(pcm), LAST, service="bigmodel_nostream")
    assert [(answer.number, answer.json["audio_info"]["duration"]) for answer in found] == [
        *[(76, 15_000), (151, 30_000), (-162, 32_000)]
    ]
    assert {answer.result["text"] for answer in found} == {"听到400毫秒"}


async def test_utterance_is_described_as_the_page_draws_it() -> None:
    *_, final = await said_to(asking(), *packets(silence(100) + tone(600) + silence(400)), LAST, hear=["好 OK。"])
    log_id = final.result["additions"]["log_id"]
    assert final.result["utterances"] == [
        {
            "text": "好 OK。",
            "start_time": 100,
            "end_time": 700,
            "definite": True,
            "additions": {"source": "stream", "invoke_type": "hard_vad", "log_id": log_id},
            "words": [
                {"text": "好", "start_time": 100, "end_time": 400, "blank_duration": 0},
                {"text": "OK", "start_time": 400, "end_time": 700, "blank_duration": 0},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("wishes", "ended_ms"),
    [
        ({"end_window_size": 500}, 900),
        ({"end_window_size": 500, "force_to_speech_time": 1300}, 1300),
        ({"end_window_size": 500, "vad_segment_duration": 900}, 900),
    ],
    ids=str,
)
async def test_silence_of_the_wished_length_ends_an_utterance(wishes: dict[str, Any], ended_ms: int) -> None:
    found = await said_to(asking(wishes), *packets(tone(400) + silence(1600), 100), LAST)
    first = next(answer for answer in found if answer.definite)
    assert first.json["audio_info"]["duration"] == ended_ms
    assert first.result["utterances"][0]["additions"]["invoke_type"] == "hard_vad"


@pytest.mark.parametrize(
    ("wishes", "ended_ms", "source", "invoke_type"),
    [
        ({"enable_nonstream": True}, 1200, "two_pass", "hard_vad"),
        ({}, 3400, "stream", "soft_vad"),
        ({"vad_segment_duration": 1000}, 1400, "stream", "soft_vad"),
    ],
    ids=str,
)
async def test_without_a_wish_the_other_segmentations_end_it(
    wishes: dict[str, Any], ended_ms: int, source: str, invoke_type: str
) -> None:
    request = {"model_name": "bigmodel", "show_utterances": True, **wishes}
    asked = frame(1, json.dumps({"audio": AUDIO, "request": request}).encode())
    found = await said_to(asked, *packets(tone(400) + silence(4000), 100), LAST, service="bigmodel_async")
    first = next(answer for answer in found if answer.definite)
    assert first.json["audio_info"]["duration"] == ended_ms
    additions = first.result["utterances"][0]["additions"]
    assert (additions["source"], additions["invoke_type"]) == (source, invoke_type)


async def test_definite_utterances_come_again_unless_single_is_wished() -> None:
    pcm = tone(400) + silence(400) + tone(400) + silence(400)
    full = await said_to(asking(), *packets(pcm), LAST, hear=["一", "二"])
    single = await said_to(asking({"result_type": "single"}), *packets(pcm), LAST, hear=["一", "二"])
    assert [answer.definite for answer in full[4:]] == [["一"]] * 4 + [["一", "二"]] * 2
    assert [answer.definite for answer in single[4:]] == [["一"], [], [], [], ["二"], []]
    assert single[6].result["text"] == "二"


async def test_without_show_utterances_there_are_none() -> None:
    found = await said_to(asking({"show_utterances": False}), *packets(TWO), LAST)
    assert all("utterances" not in answer.result for answer in found)


async def test_text_is_what_the_test_says() -> None:
    async with vendor() as simulator:
        heard: list[bytes] = []

        def hear(pcm: bytes) -> str:
            heard.append(pcm)
            return "ok"

        simulator.hear = hear
        async with call(simulator) as socket:
            for message in (asking(), *packets(silence(250) + tone(300) + silence(50)), LAST):
                await socket.send(message)
            assert (await answers(socket))[-1].result["text"] == "ok"
        assert heard[-1] == tone(300)
        assert simulator.calls[0].texts == ["ok"]


async def test_queue_of_texts_goes_on_in_the_next_session_where_it_stood() -> None:
    async with vendor() as simulator:
        simulator.hear = deque(["一二三", "四五六"])
        async with call(simulator) as socket:  # which leaves before its utterance has ended
            await socket.send(asking())
            await socket.send(frame(2, tone(400)))
            await simulator.until(lambda: bool(simulator.audio))
        for text in ("一二三", "四五六", "听到400毫秒"):
            async with call(simulator) as socket:
                for message in (asking(), frame(2, tone(400)), LAST):
                    await socket.send(message)
                assert (await answers(socket))[-1].result["text"] == text


def recogniser() -> Recogniser:
    request = {"audio": AUDIO, "request": WISHES}
    return Recogniser(request, lambda pcm, _: hear_length(pcm), loud_rms=300, character_ms=150, final_invoke_type=None)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=40))
def test_what_is_heard_does_not_depend_on_the_packets(samples: list[int]) -> None:
    pcm, at = silence(73) + TWO, 0
    whole, cut = recogniser(), recogniser()
    whole.feed(pcm, last=True)
    for count in itertools.chain(samples, itertools.repeat(3200)):
        piece, at = pcm[at : at + 2 * count], at + 2 * count
        cut.feed(piece, last=at >= len(pcm))
        if at >= len(pcm):
            break
    found = [(each.start_ms, each.end_ms, each.text, each.invoke_type) for each in cut.utterances]
    assert found == [(each.start_ms, each.end_ms, each.text, each.invoke_type) for each in whole.utterances]
    assert [text for _, _, text, _ in found] == ["听到610毫秒", "听到410毫秒"]  # its blocks are 10 ms


# ---------------------------------------------------------------- manners


async def test_manners_of_answering() -> None:
    messages = (asking(), *packets(tone(400) + silence(200)), LAST)

    async def final(manner: Manner) -> Answer:
        return (await said_to(*messages, manner=manner, service="bigmodel_async"))[-1]

    assert isinstance((await final(Manner(result_list=True))).json["result"], list)
    assert (await final(Manner(gzips=True))).result["text"] == "听到400毫秒"
    assert "utterances" not in (await final(Manner(final_utterances=False))).result
    assert ((await final(Manner(final_sequence="positive"))).number) == 5
    unnumbered = await final(Manner(final_sequence="none"))
    assert (unnumbered.flags, unnumbered.number) == (2, None)
    assert (await final(Manner(empty_definite=True))).definite == ["", "听到400毫秒"]
    last = (await final(Manner(final_invoke_type="last_package"))).result["utterances"][-1]
    assert last["additions"]["invoke_type"] == "last_package"
    assert "invoke_type" not in (await final(Manner())).result["utterances"][-1]["additions"]


async def test_start_times_of_partial_utterances_may_be_missing() -> None:
    found = await said_to(asking(), *packets(TWO), LAST, manner=Manner(start_time="absent"))
    partial = found[1].result["utterances"][0]
    assert not partial["definite"] and "start_time" not in partial
    found = await said_to(asking(), *packets(TWO), LAST, manner=Manner(start_time="-1"))
    assert found[1].result["utterances"][0]["start_time"] == -1
    assert found[6].result["utterances"][0]["start_time"] == 0  # definite


@pytest.mark.parametrize(("greeting", "numbers"), [("log id", [None]), ("empty", [1]), ("none", [])])
async def test_greeting_of_the_async_path(greeting: Any, numbers: list[int | None]) -> None:
    found = await said_to(asking(), "a text", service="bigmodel_async", manner=Manner(greeting=greeting))
    assert [answer.number for answer in found] == [*numbers, 45000000]


async def test_partial_texts_may_come_seldom_and_definite_ones_never_wait() -> None:
    messages = (asking({"end_window_size": 300}), *packets(tone(1000) + silence(400), 100), LAST)
    found = await said_to(*messages, service="bigmodel_async", manner=Manner(partial_ms=400), hear=["一二三四五六七"])
    assert [answer.json["audio_info"]["duration"] for answer in found[1:]] == [400, 800, 1200, 1300, 1400]


async def test_errors_may_be_plain_text_or_gzip() -> None:
    (refused,) = await said_to("hello", manner=Manner(plain_errors=True))
    assert refused.number == 45000000 and isinstance(refused.json, str)
    (refused,) = await said_to("hello", manner=Manner(gzips=True))
    assert refused.number == 45000000 and refused.json.keys() == {"error"}


# ---------------------------------------------------------------- faults on demand

TALK = (asking(), *packets(tone(800)), LAST)


async def talk(simulator: BytedanceSimulator) -> tuple[list[Answer], int | None]:
    """What came of a whole session, and the code of its close."""
    async with call(simulator, "bigmodel") as socket:
        found = []
        try:
            for message in TALK:
                with suppress(ConnectionClosed):  # what came before the close is still to be read
                    await socket.send(message)
                found.append(read(await socket.recv()))
            found += await answers(socket)
        except ConnectionClosed:
            pass
        return found, socket.close_code


ANSWERED_BEFORE = {"upgrade": 0, "first": 0, "audio": 2, "final": 5}


@pytest.mark.parametrize("stage", ANSWERED_BEFORE)
@pytest.mark.parametrize("what", [{"code": 55000031}, {"close": 1011}, {"drop": True}], ids=str)
async def test_session_breaks_where_it_shall_and_the_next_goes_well(stage: Any, what: dict[str, Any]) -> None:
    async with vendor(None, Fault(stage, after_bytes=12_800 if stage == "audio" else 0, **what)) as simulator:
        found, close_code = await talk(simulator)
        regular = [answer for answer in found if answer.kind == 9]
        assert len(regular) == ANSWERED_BEFORE[stage]
        assert [answer.number for answer in found[len(regular) :]] == ([55000031] if "code" in what else [])
        assert close_code == {"code": 1000, "close": 1011, "drop": 1006}[next(iter(what))]
        found, close_code = await talk(simulator)
        assert (len(found), close_code) == (6, 1000)
        await simulator.until(lambda: not simulator.open_calls)


@pytest.mark.parametrize("stage", ANSWERED_BEFORE)
async def test_raw_message_stands_for_the_answer(stage: Any) -> None:
    async with vendor(None, Fault(stage, raw=b"garbage")) as simulator, call(simulator) as socket:
        for message in (asking(), frame(2, tone(400)), LAST):
            await socket.send(message)
        assert b"garbage" in [message async for message in socket]


@pytest.mark.parametrize("stage", ANSWERED_BEFORE)
async def test_stalled_session_takes_everything_and_says_nothing(stage: Any) -> None:
    async with vendor(None, Fault(stage, stall=True)) as simulator:
        async with call(simulator) as socket:
            for message in TALK:
                await socket.send(message)
            await simulator.until(lambda: simulator.calls[0].ended)
            assert simulator.audio == tone(800) and not simulator.calls[0].answered
        await simulator.until(lambda: not simulator.open_calls)
        assert simulator.calls[0].sent_codes == []


async def test_half_open_session_does_not_notice_that_its_caller_left() -> None:
    async with vendor(None, Fault("audio", half_open=True)) as simulator:
        async with call(simulator) as socket:
            for message in TALK:
                await socket.send(message)
            await simulator.until(lambda: bool(simulator.audio))
        assert simulator.audio == tone(200)
        assert simulator.open_calls and simulator.sockets


@pytest.mark.parametrize(
    "what", [{"status": 401}, {"status": 503}, {"drop": True}, {"stall": True}, {"half_open": True}]
)
async def test_handshake_goes_wrong_as_it_shall(what: dict[str, Any]) -> None:
    silent = "stall" in what or "half_open" in what
    async with vendor(None, Fault("handshake", **what)) as simulator:
        with pytest.raises((InvalidStatus, InvalidMessage, TimeoutError)) as failed:
            async with connect(simulator.url, additional_headers=HEADERS, open_timeout=0.2 if silent else None):
                pass
        if isinstance(failed.value, InvalidStatus):
            assert failed.value.response.status_code == what["status"]
        assert isinstance(failed.value, TimeoutError) == silent
        assert (await talk(simulator))[1] == 1000
        assert simulator.handshakes == 2 and len(simulator.calls) == 1


async def test_fault_of_one_service_leaves_the_others() -> None:
    async with vendor(None, Fault("first", code=55000031, service="bigmodel_nostream")) as simulator:
        assert (await talk(simulator))[1] == 1000
        async with call(simulator, "bigmodel_nostream") as socket:
            await socket.send(asking())
            assert [answer.number for answer in await answers(socket)] == [55000031]


@pytest.mark.parametrize("wrong", [{}, {"drop": True, "stall": True}, {"status": 401}])
def test_fault_that_cannot_be_is_the_tests_mistake(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        Fault("first", **wrong)


def test_it_serves_a_person() -> None:
    command = [sys.executable, "-m", "tests.simulators.bytedance", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address, keys = process.stdout.readline(), process.stdout.readline()
            assert "ws://127.0.0.1:" in address and "/api/v3/sauc/bigmodel_async" in address
            assert API_KEY in keys and ACCESS_KEY in keys
        finally:
            process.terminate()
