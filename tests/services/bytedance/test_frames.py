"""The sans-IO half of ByteDance: frames as on the vendor's page, the text of its answers, and what a code means."""

import gzip
import json
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.base import ASRError, RecognitionHints
from services.vendors.bytedance.faults import Remedy, code_fault, http_fault
from services.vendors.bytedance.frames import (
    MAX_PAYLOAD_BYTES,
    Compression,
    Frame,
    Heard,
    Kind,
    Refusal,
    Response,
    Serialization,
    Utterance,
    audio_frame,
    decode,
    encode,
    join,
    receive,
    request_frame,
)
from services.vendors.bytedance.request import full_request

# ---------------------------------------------------------------- the page's worked examples

PAGE_REQUEST = (
    b'{"user":{"uid":"u1"},"audio":{"format":"pcm","codec":"raw","rate":16000,"bits":16,"channel":1},'
    b'"request":{"model_name":"bigmodel","show_utterances":true}}'
)
PAGE_FOUR_SAMPLES = bytes.fromhex("0000 0100 0200 0300")
PAGE_AUDIO = bytes.fromhex("11210100 00000002 0000001c 1f8b08000000000000036360606460626066000084975a2f08000000")
PAGE_LAST = bytes.fromhex("11230100 fffffffd 00000014 1f8b080000000000000303000000000000000000")


def test_full_request_is_the_page_example_byte_for_byte() -> None:
    assert len(PAGE_REQUEST) == 154
    frame = Frame(Kind.REQUEST, PAGE_REQUEST, sequence=1, serialization=Serialization.JSON)
    assert encode(frame) == bytes.fromhex("11111000 00000001 0000009a") + PAGE_REQUEST
    assert decode(encode(frame)) == frame


def test_audio_packet_is_the_page_example_byte_for_byte() -> None:
    frame = Frame(Kind.AUDIO, PAGE_FOUR_SAMPLES, sequence=2, compression=Compression.GZIP)
    assert encode(frame) == PAGE_AUDIO
    assert decode(PAGE_AUDIO) == frame


def test_last_packet_is_the_page_example_byte_for_byte() -> None:
    frame = Frame(Kind.AUDIO, is_last=True, sequence=-3, compression=Compression.GZIP)
    assert encode(frame) == PAGE_LAST
    assert decode(PAGE_LAST) == frame


def test_first_server_response_is_read_as_on_the_page() -> None:
    log_id = "2026".ljust(34, "0")
    body = f'{{"audio_info":{{"duration":0}},"result":{{"additions":{{"log_id":"{log_id}"}},"text":""}}}}'.encode()
    raw = bytes.fromhex("11911000 00000001 0000006e") + body
    assert (decode(raw).sequence, len(decode(raw).payload)) == (1, 110)
    assert receive(raw) == Response(text="")


def test_error_frame_is_read_as_on_the_page() -> None:
    text = "decode ws request failed: {} autoAssignedSequence (1) mismatch sequence in request (0)".format("." * 37)
    body = f'{{"error":"{text}"}}'.encode()
    assert receive(bytes.fromhex("11f01000 02aea540 00000085") + body) == Refusal(45000000, text)


def test_what_we_send_has_neither_sequence_nor_compression() -> None:
    assert request_frame(b"{}") == bytes.fromhex("11101000 00000002") + b"{}"
    assert audio_frame(PAGE_FOUR_SAMPLES) == bytes.fromhex("11200000 00000008") + PAGE_FOUR_SAMPLES
    assert audio_frame(b"", is_last=True) == bytes.fromhex("11220000 00000000")


# ---------------------------------------------------------------- any frame, any bytes

INT32 = st.integers(-(2**31), 2**31 - 1)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    kind = draw(st.sampled_from(Kind))
    is_error = kind is Kind.ERROR
    return Frame(
        kind,
        draw(st.binary(max_size=200)),
        draw(st.booleans()),
        None if is_error else draw(st.none() | INT32),
        draw(st.none() | INT32),
        draw(st.integers(0, 2**32 - 1)) if is_error else None,
        draw(st.sampled_from(Serialization)),
        draw(st.sampled_from(Compression)),
    )


@given(frames())
def test_every_combination_of_flags_sequence_and_compression_is_read_back(frame: Frame) -> None:
    raw = encode(frame)
    assert decode(raw) == frame
    flags = raw[1] & 15
    assert bool(flags & 1) == (frame.sequence is not None)
    assert bool(flags & 2) == frame.is_last


@given(frames(), st.data())
def test_no_frame_survives_being_cut_or_lengthened(frame: Frame, data: st.DataObject) -> None:
    raw = encode(frame)
    cut = data.draw(st.integers(0, len(raw) - 1))
    for wrong in (raw[:cut], raw + b"\0"):
        with pytest.raises(ASRError):
            decode(wrong)


HEADERS = st.builds(bytes, st.tuples(st.just(0x11), *[st.integers(0, 255)] * 2, st.just(0)))
SIZED = st.binary(max_size=40).map(lambda payload: struct.pack(">I", len(payload)) + payload)


@given(st.binary(max_size=80) | st.tuples(HEADERS, st.binary(max_size=8), SIZED).map(b"".join))
def test_any_bytes_are_a_frame_or_an_asr_error(raw: bytes) -> None:
    try:
        assert isinstance(decode(raw), Frame)
    except ASRError:
        pass
    try:
        answer = receive(raw)
    except ASRError as error:
        assert "cannot be read" in str(error) and error.retryable
    else:
        Heard().receive(answer) if isinstance(answer, Response) else None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["result", "text", "utterances", "definite", "start_time", "end_time", "audio_info"]),
                inner,
            )
        ),
    )
)
def test_any_json_is_an_answer_or_an_asr_error(value: object) -> None:
    heard = Heard()
    try:
        answer = receive(response(value))
        assert isinstance(answer, Response)
        heard.receive(answer)
    except ASRError:
        return
    assert isinstance(heard.text, str) and isinstance(heard.confirmed[1], float)


def response(value: object, *, is_last: bool = False, sequence: int | None = 1) -> bytes:
    payload = value if isinstance(value, bytes) else json.dumps(value).encode()
    return encode(Frame(Kind.RESPONSE, payload, is_last, sequence, serialization=Serialization.JSON))


GOOD = encode(Frame(Kind.RESPONSE, b"{}", serialization=Serialization.JSON))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        GOOD[:1],
        GOOD[:4],
        GOOD[:7],
        b"\x11\xf0\x10\0\x02\xae\xa5",  # errors without a whole code, and of another version
        b"\x21\xf0\x10\0\x02\xae\xa5\x40\0\0\0\0",
        b"\x21" + GOOD[1:],  # version 2
        b"\x10" + GOOD[1:],  # a header of no length
        b"\x1f" + GOOD[1:],  # a header longer than the message
        GOOD[:1] + b"\x30" + GOOD[2:],  # types that do not exist
        GOOD[:1] + b"\xb0" + GOOD[2:],
        request_frame(b"{}"),  # types that only a client sends
        audio_frame(b""),
        GOOD[:2] + b"\x20" + GOOD[3:],  # serialization 2
        GOOD[:2] + b"\x12" + GOOD[3:],  # compression 2
        GOOD[:4] + struct.pack(">I", 3) + b"{}",  # sizes that are not those of the payload
        GOOD[:4] + struct.pack(">I", 1) + b"{}",
        GOOD[:4] + struct.pack(">I", 2**32 - 1) + b"{}",
        GOOD[:2] + b"\x11" + GOOD[3:],  # not gzip
        GOOD[:2] + b"\x11\0" + struct.pack(">I", 10) + gzip.compress(b"{}", mtime=0)[:10],  # half of it
        response(b""[:0] + b"\xff\xfe"),
        response(b"{"),
        response(b"[]"),
        response(b'"text"'),
        response(b'{"result":"text"}'),
        response(b'{"result":{"text":7}}'),
        response(b'{"result":{"text":"\\ud800'),
        response(b'{"result":{"utterances":[{"text":"a","end_time":1e999}]}}'),
        response(b"[" * 100_000),
        response(b'{"result":{"words":' + b"[" * 100_000),
        response(b'{"result":' * 20_000),
    ],
    ids=lambda raw: raw[:24].hex(),
)
def test_a_hostile_frame_is_a_clear_asr_error(raw: bytes) -> None:
    with pytest.raises(ASRError, match=r"^Speech recognition sent an answer that cannot be read"):
        receive(raw)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [0x91, 0xF1])
def test_a_gzip_bomb_takes_no_memory(kind: int) -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)
    raw = bytes((0x11, kind & 0xF0, 0x11, 0)) + (b"\x03\x47\x3b\xdf" if kind == 0xF1 else b"")
    raw += struct.pack(">I", len(bomb)) + bomb
    tracemalloc.start()
    try:
        if kind == 0xF1:
            assert receive(raw) == Refusal(55000031)  # whose code is all that matters
        else:
            with pytest.raises(ASRError):
                receive(raw)
        assert tracemalloc.get_traced_memory()[1] < 8 * MAX_PAYLOAD_BYTES
    finally:
        tracemalloc.stop()


def test_the_largest_payload_is_read_and_one_byte_more_is_not() -> None:
    for compression in Compression:
        largest = Frame(Kind.RESPONSE, b" " * MAX_PAYLOAD_BYTES, compression=compression)
        assert decode(encode(largest)) == largest
        with pytest.raises(ASRError):
            decode(encode(Frame(Kind.RESPONSE, largest.payload + b" ", compression=compression)))


def test_two_gzip_streams_in_one_payload_are_not_read() -> None:
    payload = gzip.compress(b"{}") * 2
    with pytest.raises(ASRError):
        receive(b"\x11\x90\x11\0" + struct.pack(">I", len(payload)) + payload)


def test_a_longer_header_is_skipped() -> None:
    assert decode(b"\x12\x90\x10\0" + b"more" + GOOD[4:]) == decode(GOOD)


# ---------------------------------------------------------------- answers

ERROR_TEXT = "quota exceeded for types: concurrency"


@pytest.mark.parametrize(
    ("payload", "compression", "text"),
    [
        (json.dumps({"error": ERROR_TEXT}).encode(), Compression.NONE, ERROR_TEXT),
        (json.dumps({"error": ERROR_TEXT}).encode(), Compression.GZIP, ERROR_TEXT),
        (json.dumps({"error": '{"message":"in it"}'}).encode(), Compression.NONE, '{"message":"in it"}'),
        (b"plain text", Compression.NONE, "plain text"),
        (b"plain text", Compression.GZIP, "plain text"),
        (b'{"message":"another key"}', Compression.NONE, '{"message":"another key"}'),
        (b"\xff", Compression.NONE, "\ufffd"),
        (b"", Compression.NONE, ""),
    ],
)
def test_an_error_frame_tells_its_code_whatever_its_text_is(
    payload: bytes, compression: Compression, text: str
) -> None:
    for serialization in Serialization:
        frame = Frame(Kind.ERROR, payload, code=45000292, serialization=serialization, compression=compression)
        assert receive(encode(frame)) == Refusal(45000292, text)


def test_an_error_frame_with_a_broken_payload_still_tells_its_code() -> None:
    assert receive(b"\x11\xf0\x11\0" + struct.pack(">II", 45000081, 3) + b"zzz") == Refusal(45000081)
    assert receive(b"\x11\xf0\x10\0" + struct.pack(">II", 45000081, 99) + b"{}") == Refusal(45000081)


RESULT = {
    "text": "你好",
    "utterances": [{"text": "你好", "start_time": 0, "end_time": 900, "definite": True, "words": [{"text": "你"}]}],
}


@pytest.mark.parametrize("sequence", [None, 1, -7, 7])
@pytest.mark.parametrize("result", [RESULT, [RESULT]], ids=["object", "list"])
@pytest.mark.parametrize("compression", list(Compression))
def test_an_answer_is_the_same_in_each_of_its_forms(
    sequence: int | None, result: object, compression: Compression
) -> None:
    body = json.dumps({"audio_info": {"duration": 900}, "result": result}).encode()
    for is_last in (False, True):
        raw = encode(Frame(Kind.RESPONSE, body, is_last, sequence, compression=compression))
        assert receive(raw) == Response("你好", (Utterance("你好", 0, 900, True),), is_last)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"result": None},
        {"result": []},
        {"result": {}},
        {"result": {"additions": {"log_id": "2026"}}},
        {"result": {"text": None, "utterances": None}},
        {"audio_info": {"duration": 0}},
    ],
)
def test_an_answer_that_tells_nothing_changes_nothing(value: object) -> None:
    heard = Heard()
    heard.receive(Response("你好"))
    answer = receive(response(value, sequence=None))
    assert answer == Response()
    heard.receive(answer)
    assert heard.text == "你好"


def definite(text: str, start: float | None = None, end: float | None = None) -> Utterance:
    return Utterance(text, start, end, True)


def open_(text: str, start: float | None = None) -> Utterance:
    return Utterance(text, start, None, False)


def heard_after(*answers: tuple[Utterance, ...] | str) -> Heard:
    heard = Heard()
    for answer in answers:
        heard.receive(Response(answer) if isinstance(answer, str) else Response(None, answer))
    return heard


ONE, TWO = definite("你好。", 0, 900), definite("我是爱音。", 1800, 3000)


@pytest.mark.parametrize(
    ("answers", "text", "is_definite"),
    [
        ([], "", False),
        ([(open_("你"),), (open_("你好"),)], "你好", False),
        ([(open_("你好"),), (ONE,)], "你好。", True),
        ([(ONE,), (ONE, open_("我")), (ONE, open_("我是")), (ONE, TWO)], "你好。我是爱音。", True),  # full
        ([(ONE,), (open_("我"),), (TWO,)], "你好。我是爱音。", True),  # single
        ([(ONE,), (ONE,), (ONE, TWO), (ONE, TWO)], "你好。我是爱音。", True),
        ([(ONE, definite("", 900, 1800), open_("", 1800))], "你好。", True),
        ([(definite("", 0, 900),)], "", False),
        ([(definite("好", -1, -1), definite("好", -1, -1))] * 2, "好好", True),  # said twice, told twice
        ([(definite("好"),), (definite("好"), open_("吗"))], "好吗", False),
        (["你", "你好"], "你好", False),  # without utterances
        ([(ONE,), "你好。我是"], "你好。我是", False),
        ([(ONE,), "我是"], "你好。我是", False),
        ([(open_("你好"),), ""], "", False),
        ([(ONE, open_("我")), ()], "你好。我", False),
        ([(definite("Hello there.", 0, 9), open_("I am"))], "Hello there. I am", False),
    ],
)
def test_text_so_far(answers: list[tuple[Utterance, ...] | str], text: str, is_definite: bool) -> None:
    heard = heard_after(*answers)
    assert (heard.text, heard.is_definite) == (text, is_definite)


@pytest.mark.parametrize(
    ("utterances", "confirmed"),
    [
        ([], ("", 0)),
        ([open_("你")], ("", 0)),
        ([ONE, open_("我", 1800)], ("你好。", 900)),
        ([ONE, TWO], ("你好。我是爱音。", 3000)),
        ([ONE, definite("我", 1800, -1)], ("你好。", 900)),  # it will be heard again, so it is not kept as well
        ([definite("我"), TWO], ("我我是爱音。", 3000)),
        ([definite("我", -1, -1)], ("", 0)),
    ],
)
def test_confirmed_is_what_ends_at_a_known_time(utterances: list[Utterance], confirmed: tuple[str, float]) -> None:
    assert heard_after(tuple(utterances)).confirmed == confirmed


@given(st.lists(st.tuples(st.text("你好ab。 ", max_size=3), st.integers(-1, 5), st.booleans()), max_size=6))
def test_telling_everything_again_changes_nothing(told: list[tuple[str, int, bool]]) -> None:
    utterances = tuple(Utterance(text, start, start + 1, is_definite) for text, start, is_definite in told)
    assert heard_after(utterances, utterances).text == heard_after(utterances).text


def test_a_vendor_that_never_stops_telling_is_stopped() -> None:
    heard = Heard()
    with pytest.raises(ASRError):
        for number in range(100_000):
            heard.receive(Response(None, (definite("永远说不完的话" * 20, number, number + 1),)))
    assert len(heard.text) < 30_000


def test_latin_texts_are_joined_with_a_space() -> None:
    assert join("Hello.", "", "World", "你好", "again", " and") == "Hello. World你好again and"


# ---------------------------------------------------------------- the request


def asked(hints: RecognitionHints, end_window_ms: int | None = 800) -> dict[str, object]:
    return dict(json.loads(full_request(hints, end_window_ms)))


def context_of(hints: RecognitionHints) -> dict[str, list[dict[str, str]]]:
    request = asked(hints)["request"]
    assert isinstance(request, dict)
    context = request["corpus"]["context"]
    assert isinstance(context, str)
    return dict(json.loads(context))


def test_the_full_request_says_everything_that_has_a_changing_default() -> None:
    assert asked(RecognitionHints("anon"), 900) == {
        "user": {"uid": "chatanon"},
        "audio": {"format": "pcm", "codec": "raw", "rate": 16000, "bits": 16, "channel": 1},
        "request": {
            "model_name": "bigmodel",
            "enable_itn": True,
            "enable_punc": True,
            "show_utterances": True,
            "result_type": "full",
            "end_window_size": 900,
        },
    }


@pytest.mark.parametrize(("wanted", "sent"), [(200, 800), (800, 800), (1000, 1000), (9000, 5000)])
def test_the_end_window_stays_where_all_versions_of_the_page_agree(wanted: int, sent: int) -> None:
    request = asked(RecognitionHints("anon"), wanted)["request"]
    assert isinstance(request, dict) and request["end_window_size"] == sent


def test_a_whole_clip_has_no_end_window() -> None:
    request = asked(RecognitionHints("anon"), None)["request"]
    assert isinstance(request, dict) and "end_window_size" not in request


def test_names_and_dialogue_stand_beside_each_other_in_a_string() -> None:
    hints = RecognitionHints("anon", ("爱音", " 千早 ", "爱音", ""), ("新的", "旧\n的"))
    assert context_of(hints) == {
        "hotwords": [{"word": "爱音"}, {"word": "千早"}],
        "context_type": "dialog_ctx",
        "context_data": [{"text": "新的"}, {"text": "旧 的"}],
    }
    assert set(context_of(RecognitionHints("anon", ("爱音",)))) == {"hotwords"}
    assert set(context_of(RecognitionHints("anon", (), ("新的",)))) == {"context_type", "context_data"}


TEXTS = st.lists(st.text(max_size=40) | st.text("爱音千早", min_size=1, max_size=1500), max_size=30).map(tuple)


@given(TEXTS, TEXTS)
def test_hints_of_any_size_stay_within_the_vendors_limits(hotwords: tuple[str, ...], dialogue: tuple[str, ...]) -> None:
    encodable = (tuple(t.encode(errors="ignore").decode() for t in texts) for texts in (hotwords, dialogue))
    hints = RecognitionHints("anon", next(encodable), next(encodable))
    request = asked(hints)["request"]
    assert isinstance(request, dict)
    context = json.loads(request.get("corpus", {}).get("context", "{}"))
    words = [each["word"] for each in context.get("hotwords", [])]
    turns = [each["text"] for each in context.get("context_data", [])]
    assert len(turns) <= 20 and all(words) and all(turns)
    assert sum(map(characters_as_tokens, words)) <= 100 and sum(map(characters_as_tokens, turns)) <= 800


def characters_as_tokens(text: str) -> int:
    """One for each character outside ASCII, one for four of the others."""
    outside = sum(ord(character) > 127 for character in text)
    return outside + (len(text) - outside + 3) // 4


def test_of_a_long_turn_its_end_is_told() -> None:
    (turn,) = context_of(RecognitionHints("anon", (), ("很久以前" * 500 + "再见",)))["context_data"]
    assert turn["text"].endswith("再见") and len(turn["text"]) > 200


def test_what_is_told_ends_where_the_vendors_limit_is_reached() -> None:
    turns = context_of(RecognitionHints("anon", (), tuple(f"第{n}句" * 30 for n in range(9))))["context_data"]
    assert [turn["text"][-3:] for turn in turns] == [f"第{n}句" for n in range(6)]
    assert [len(turn["text"]) == 90 for turn in turns] == [True] * 5 + [False]
    full = context_of(RecognitionHints("anon", (), ("早" * 399 + "a", "晚")))["context_data"]
    assert [turn["text"][-1] for turn in full] == ["a"]


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (45000000, Remedy.GIVE_UP),
        (45000001, Remedy.GIVE_UP),
        (45000010, Remedy.GIVE_UP),
        (45000030, Remedy.GIVE_UP),
        (45000151, Remedy.GIVE_UP),
        (45000292, Remedy.LATER),
        (45000002, Remedy.AGAIN),
        (45000081, Remedy.AGAIN),
        (55000000, Remedy.AGAIN),
        (55000031, Remedy.AGAIN),
        (55012345, Remedy.AGAIN),
        (1234, Remedy.AGAIN),
    ],
)
def test_every_code_has_its_remedy(code: int, remedy: Remedy) -> None:
    fault = code_fault(code)
    assert (fault.remedy, fault.code) == (remedy, code)
    assert bool(fault.advice) == (remedy is not Remedy.AGAIN)
    assert fault.message.endswith(".") and str(code) not in fault.message


@pytest.mark.parametrize(
    ("status", "body", "code", "remedy"),
    [
        (401, b'{"error":"Invalid X-Api-Key"}', "HTTP 401", Remedy.GIVE_UP),
        (403, b"", "HTTP 403", Remedy.GIVE_UP),
        (401, b'{"error":"45000030: requested resource not granted"}', 45000030, Remedy.GIVE_UP),
        (403, b'{"code":45000010,"error":"x"}', 45000010, Remedy.GIVE_UP),
        (403, b'{"code":45000292}', 45000292, Remedy.LATER),
        (400, b'{"code":45000001}', 45000001, Remedy.GIVE_UP),
        (403, b"id 20261123-45000030-1 and 145000030", "HTTP 403", Remedy.GIVE_UP),
        (400, b"\xff", "HTTP 400", Remedy.GIVE_UP),
        (404, b"", "HTTP 404", Remedy.GIVE_UP),
        (302, b"45000081", "HTTP 302", Remedy.GIVE_UP),
        (200, b"", "HTTP 200", Remedy.GIVE_UP),
        (418, b"", "HTTP 418", Remedy.GIVE_UP),
        (429, b"", "HTTP 429", Remedy.LATER),
        (500, b"", "HTTP 500", Remedy.AGAIN),
        (503, b'{"code":55000031}', 55000031, Remedy.AGAIN),
    ],
)
def test_a_refused_handshake_is_judged_by_its_code_else_by_its_status(
    status: int, body: bytes, code: int | str, remedy: Remedy
) -> None:
    fault = http_fault(status, body)
    assert (fault.code, fault.remedy) == (code, remedy)


def test_a_key_fault_names_nothing_secret_to_the_person() -> None:
    assert code_fault(45000010).message == (
        "Speech recognition refused the key of this server; its operator should check it."
    )
    assert http_fault(401).message == code_fault(45000010).message


@pytest.mark.parametrize(
    ("language", "told"), [("ja", "ja-JP"), ("en", "en-US"), ("zh", None), ("yue", None), ("", None), ("xx", None)]
)
def test_a_recordings_language_is_told_where_it_is_not_what_the_vendor_expects(language: str, told: str | None) -> None:
    hints = RecognitionHints("anon", language=language)
    assert json.loads(full_request(hints, None))["audio"].get("language") == told
    assert "language" not in json.loads(full_request(hints, 800))["audio"]  # the other endpoints take it for nothing
