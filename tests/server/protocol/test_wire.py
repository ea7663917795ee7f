"""The protocol of the specification and of docs/protocol.en.md by message, and what comes of everything else."""

import base64
import json
import re
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from server.observability.incidents import incident
from server.protocol import codec, wire
from server.protocol.codec import WireError
from server.protocol.wire import ClientMessage, ServerMessage

CLIENT: tuple[type[ClientMessage], ...] = get_args(wire.AnyClientMessage)
SERVER: tuple[type[ServerMessage], ...] = get_args(wire.AnyServerMessage)

# The specification's own examples of what a client sends, verbatim but for the placeholders of audio.
CLIENT_EXAMPLES: list[tuple[str, ClientMessage]] = [
    (
        """{
  "type": "connect",
  "api_token": "your_token",
  "character_name": "anon"
}""",
        wire.Connect(api_token="your_token", character_name="anon"),
    ),
    (
        """{
  "type": "message",
  "content": "你好，爱音！"
}""",
        wire.TextMessage("你好，爱音！"),
    ),
    (
        """{
  "type": "audio_message",
  "audio_base64": "AAEC/w=="
}""",
        wire.AudioMessage(b"\x00\x01\x02\xff"),
    ),
    (
        """{
  "type": "audio_stream_start"
}""",
        wire.AudioStreamStart(),
    ),
    (
        """{
  "type": "audio_stream_chunk",
  "audio_base64": "AAEC/w=="
}""",
        wire.AudioStreamChunk(b"\x00\x01\x02\xff"),
    ),
    (
        """{
  "type": "audio_stream_end"
}""",
        wire.AudioStreamEnd(),
    ),
    (
        """{
  "type": "agent_mode_start"
}""",
        wire.AgentModeStart(),
    ),
    (
        """{
  "type": "agent_mode_stop"
}""",
        wire.AgentModeStop(),
    ),
    (
        """{
  "type": "agent_audio_chunk",
  "audio_base64": "AAEC/w=="
}""",
        wire.AgentAudioChunk(b"\x00\x01\x02\xff"),
    ),
    (
        """{
  "type": "switch_character",
  "character_name": "anon"
}""",
        wire.SwitchCharacter("anon"),
    ),
    (
        """{
  "type": "clear_history"
}""",
        wire.ClearHistory(),
    ),
    (
        """{
  "type": "ping"
}""",
        wire.Ping(),
    ),
]

# The specification's own examples of what the server sends.
SERVER_EXAMPLES: list[tuple[str, ServerMessage]] = [
    (
        """{
  "type": "connected",
  "character": "anon",
  "character_display_name": "千早爱音 (Chihaya Anon)",
  "message": "Connection established successfully"
}""",
        wire.Connected("anon", "千早爱音 (Chihaya Anon)"),
    ),
    (
        """{
  "type": "thinking",
  "message": "Processing..."
}""",
        wire.Thinking(),
    ),
    (
        """{
  "type": "transcription",
  "text": "识别的文本",
  "is_partial": true
}""",
        wire.Transcription("识别的文本", is_partial=True),
    ),
    (
        """{
  "type": "audio_chunk",
  "audio_base64": "AAEC/w==",
  "audio_format": "pcm",
  "audio_sample_rate": 16000
}""",
        wire.AudioChunk(b"\x00\x01\x02\xff"),
    ),
    (
        """{
  "type": "audio_end"
}""",
        wire.AudioEnd(),
    ),
    (
        """{
  "type": "response",
  "content_cn": "哈喽～",
  "content_jp": "ハロー～",
  "emotion": "happy",
  "audio_format": "pcm",
  "audio_sample_rate": 16000
}""",
        wire.Response("哈喽～", "ハロー～", "happy"),
    ),
    (
        """{
  "type": "audio_stream_started",
  "message": "Streaming ASR session started"
}""",
        wire.AudioStreamStarted(),
    ),
    (
        """{
  "type": "agent_listening",
  "message": "Ready to listen"
}""",
        wire.AgentListening(),
    ),
    (
        """{
  "type": "character_switched",
  "character": "anon",
  "character_display_name": "千早爱音 (Chihaya Anon)",
  "message": "Switched to character: anon"
}""",
        wire.CharacterSwitched("anon", "千早爱音 (Chihaya Anon)", "Switched to character: anon"),
    ),
    (
        """{
  "type": "history_cleared",
  "message": "Conversation history cleared"
}""",
        wire.HistoryCleared(),
    ),
    (
        """{
  "type": "pong"
}""",
        wire.Pong(),
    ),
    (
        """{
  "type": "disconnected",
  "reason": "new_connection",
  "message": "Another client connected with the same token"
}""",
        wire.Disconnected("new_connection", "Another client connected with the same token"),
    ),
]

DEEP = "[" * 200_000 + "]" * 200_000
LONG = "7" * 5_000


def tag_of(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def refused(text: str) -> WireError:
    with pytest.raises(WireError) as caught:
        codec.decode(text)
    return caught.value


def message_with(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields})


# ---------------------------------------------------------------- the specification's examples


def ids(examples: list[tuple[str, Any]]) -> list[str]:
    return [tag_of(type(message)) for _, message in examples]


@pytest.mark.parametrize(("example", "message"), CLIENT_EXAMPLES, ids=ids(CLIENT_EXAMPLES))
def test_clients_example_of_the_specification_is_understood(example: str, message: ClientMessage) -> None:
    assert codec.decode(example) == message


@pytest.mark.parametrize(("example", "message"), SERVER_EXAMPLES, ids=ids(SERVER_EXAMPLES))
def test_servers_example_of_the_specification_is_sent_field_for_field(example: str, message: Any) -> None:
    sent = json.loads(codec.encode(message), object_pairs_hook=list)
    assert sent == json.loads(example, object_pairs_hook=list)


def test_error_begins_as_the_specification_says_and_adds_fields_behind() -> None:
    sent = json.loads(codec.encode(wire.Error("Error description", "internal", retryable=False)))
    assert list(sent.items())[:2] == [("type", "error"), ("message", "Error description")]
    assert set(sent) == {"type", "message", "code", "retryable"}


def test_a_defect_of_ours_is_told_by_its_incident_id_alone() -> None:
    try:
        raise ZeroDivisionError("a canary")
    except ZeroDivisionError:
        error = incident(user="12345678")
    sent = json.loads(codec.encode(error))
    assert (sent["code"], sent["retryable"]) == ("internal", True)
    assert sent["ref"] in sent["message"] and "canary" not in sent["message"]


def test_every_message_without_an_example_belongs_to_an_extension_or_is_error() -> None:
    shown = {type(message) for _, message in (*CLIENT_EXAMPLES, *SERVER_EXAMPLES)}
    of_extensions = {
        wire.GetHistory, wire.HistoryMessage, wire.TurnStarted, wire.TurnEnd, wire.SentenceMessage,
        wire.LlmStart, wire.LlmEnd, wire.TtsStart, wire.AsrStart, wire.AsrEnd, wire.SpeechStarted, wire.SpeechStopped,
        wire.Interrupt, wire.Interrupted,
    }  # fmt: skip
    synonyms = {wire.VoiceCallStart, wire.VoiceCallStop, wire.VoiceCallAudioChunk, wire.VoiceCallListening}
    assert {*CLIENT, *SERVER} - shown == {*of_extensions, *synonyms, wire.Error}


# ---------------------------------------------------------------- binary frames


def test_audio_frame_has_its_eight_bytes_and_the_samples() -> None:
    frame = codec.encode_audio(wire.AudioFrame(b"\x01\x02\x03\x04", index=0x0102, turn_number=0x03040506))
    assert frame == bytes([1, 0, 1, 2, 3, 4, 5, 6]) + b"\x01\x02\x03\x04"
    assert codec.decode_audio(bytes([1, 0]) + bytes(6) + b"\x07\x08") == wire.AudioFrame(b"\x07\x08")


@pytest.mark.parametrize(
    "frame", [b"", bytes([1, 0, 0, 0, 0, 0, 0]), bytes([2, 0]) + bytes(8), bytes([1, 1]) + bytes(8)]
)
def test_binary_frame_of_another_kind_says_what_it_should_be(frame: bytes) -> None:
    with pytest.raises(codec.WireError, match=r"8 bytes|version 1, codec 0") as raised:
        codec.decode_audio(frame)
    assert raised.value.code == "bad_audio"


# ---------------------------------------------------------------- every message there is

# JSON has no half surrogate pairs, NaN or infinity, and a wire message nothing that JSON has not.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type as msgspec describes it."""
    return _values(msgspec.inspect.type_info(kind))


def _values(info: Any) -> st.SearchStrategy[Any]:
    match info:
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: _values(field.type) for field in fields})
        case msgspec.inspect.UnionType(types=types):
            return st.one_of([_values(inner) for inner in types])
        case msgspec.inspect.CustomType(cls=cls) if cls is msgspec.UnsetType:
            return st.just(UNSET)
        case msgspec.inspect.StrType():
            return TEXT
        case msgspec.inspect.IntType(ge=least, le=most):
            return st.integers(-(2**63) if least is None else least, 2**63 - 1 if most is None else most)
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.BytesType():
            return st.binary(max_size=64)
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(_values(item), max_size=3).map(tuple)
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key), _values(value), max_size=3)
        case msgspec.inspect.AnyType():
            return st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT | st.lists(TEXT, max_size=2)
        case _:
            raise TypeError(f"no strategy for {info}: add an arm")


@pytest.mark.parametrize("kind", [*CLIENT, *SERVER], ids=tag_of)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_message_comes_back_as_it_was_sent(kind: Any, data: st.DataObject) -> None:
    message = data.draw(values_of(kind))
    text = codec.encode(message)
    back = codec.decode(text) if issubclass(kind, ClientMessage) else msgspec.json.decode(text, type=kind)
    assert back == message
    assert next(iter(json.loads(text))) == "type"
    assert json.loads(text)["type"] == tag_of(kind)


@pytest.mark.parametrize("union", [CLIENT, SERVER], ids=["client", "server"])
def test_the_unions_hold_every_message_class_of_the_module(union: tuple[type[msgspec.Struct], ...]) -> None:
    base = ClientMessage if union is CLIENT else ServerMessage
    written = {kind for kind in vars(wire).values() if isinstance(kind, type) and issubclass(kind, base)} - {base}
    assert set(union) == written
    assert len({tag_of(kind) for kind in union}) == len(union)


def test_no_type_is_both_a_clients_and_the_servers() -> None:
    assert not {tag_of(kind) for kind in CLIENT} & {tag_of(kind) for kind in SERVER}


@pytest.mark.parametrize("kind", SERVER, ids=tag_of)
def test_what_is_not_set_is_not_sent(kind: type[ServerMessage]) -> None:
    fields = msgspec.structs.fields(kind)
    optional = {field.encode_name for field in fields if field.default is UNSET}
    required = {field.name: "" for field in fields if field.required}
    message: Any = kind(**required)
    sent = json.loads(codec.encode(message))
    assert not optional & set(sent)
    assert None not in sent.values()


def test_every_extra_field_of_a_base_message_is_optional() -> None:
    """So that a client without extensions is sent the specification's fields and no other."""
    examples = {type(message): set(json.loads(example)) for example, message in SERVER_EXAMPLES}
    for kind, fields in examples.items():
        extra = [field for field in msgspec.structs.fields(kind) if field.encode_name not in fields]
        assert all(field.default is UNSET for field in extra), kind


@given(st.binary(max_size=300))
@settings(max_examples=30, deadline=None)
def test_audio_leaves_in_the_standard_alphabet_with_padding(pcm: bytes) -> None:
    sent = json.loads(codec.encode(wire.AudioChunk(pcm)))["audio_base64"]
    assert sent == base64.standard_b64encode(pcm).decode()


def test_messages_are_frozen() -> None:
    for kind in (*CLIENT, *SERVER):
        assert kind.__struct_config__.frozen, kind


# ---------------------------------------------------------------- what is no message (reliability.md, rows 13-16)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "nul",
        "\x00",
        '\ufeff\ufeff{"type": "ping"}',
        "\ufeff" * 60_000 + '{"type": "ping"}',
        '{"type": \ufeff"ping"}',
        '{"type": "ping", "x": "\\ud83\\ud83dd"}',  # taking the half out makes another one
        '{"type": "ping", "x": "' + "\\ud83" * 5_000 + "d" * 5_000 + '"}',
        "{'type': 'ping'}",
        '{"type": "ping",}',
        '{"type": "ping"} trailing',
        '{"type": "ping"}{"type": "ping"}',
        '{"type": "ping"}\x00',
        '{"type": "ping", "x": NaN}',
        '{"type": "ping", "x": -Infinity}',
        '{"type": NaN}',
        '{"type": "message", "content": NaN}',
        '{"type": "ping", "x": 01}',
        '{"type": "message", "content": "a\x01b"}',
        '{"type": "message", "content": "\\x41"}',
        '{"type": "ping", "x": "\\ud800}',
        '{"type": "ping", "x": \\ud800}',
        '{"type": "ping", "x": "\\ud8zz"}',
        '{"type": "ping", "x": "' + "a" * 65_536 + '\\ud800"}',
    ],
)
def test_what_is_not_json_is_bad_json(text: str) -> None:
    error = refused(text)
    assert error.code == "bad_json"
    assert str(error).startswith("The frame is not JSON: ")


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "nope", oops',
        '{"type": "nope"',
        '{"type": 7, oops',
        '{"type": "message", "content": 7',
        '{"type": "message", "content": 7} trailing',
        '{"type": "audio_message", "audio_base64": "***", NaN}',
        "[1, 2",
        "[NaN]",
    ],
)
def test_a_wrong_message_that_is_broken_further_on_is_bad_json(text: str) -> None:
    assert refused(text).code == "bad_json"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        '{"a":' * 200_000,
        DEEP,
        '{"type": "ping", "x": ' + DEEP + "}",
        '{"x": ' + DEEP + ', "type": "ping"}',
        '{"type": ' + DEEP + "}",
        '{"type": "nope", "x": ' + DEEP + "}",
        '{"type": "message", "content": ' + DEEP + "}",
        '{"type": "connect", "api_token": ' + DEEP + "}",
    ],
    ids=range(9),
)
def test_deep_nesting_is_bad_json_wherever_it_stands(text: str) -> None:
    error = refused(text)
    assert (error.code, str(error)) == ("bad_json", "The frame is not JSON: nested too deeply")


@pytest.mark.parametrize("text", ["[]", "7", '"ping"', "null", "true", '[{"type": "ping"}]', "{}", '{"Type": "ping"}'])
def test_what_is_no_object_with_a_type_is_bad_message(text: str) -> None:
    error = refused(text)
    assert error.code == "bad_message"
    assert 'a JSON object with a text field "type"' in str(error)


@pytest.mark.parametrize("value", ["7", "null", "true", "{}", '["ping"]', '{"type": "ping"}', LONG])
def test_a_type_that_is_no_text_is_bad_message(value: str) -> None:
    error = refused('{"type": ' + value + "}")
    assert error.code == "bad_message"
    assert '"type"' in str(error)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"type": "message"}', "content"),
        ('{"type": "message", "Content": "x"}', "content"),
        ('{"type": "message", "content": null}', "content"),
        ('{"type": "message", "content": ["x"]}', "content"),
        ('{"type": "message", "content": {"type": "ping"}}', "content"),
        ('{"type": "message", "content": ' + LONG + "}", "content"),
        ('{"type": "message", "content": 1e999}', "content"),
        ('{"type": "message", "content": 7, "content": "x"}', "content"),
        ('{"type": "audio_message"}', "audio_base64"),
        ('{"type": "audio_message", "audio": "AAA="}', "audio_base64"),
        ('{"type": "audio_message", "audio_base64": null}', "audio_base64"),
        ('{"type": "audio_stream_chunk", "audio_base64": [0, 1]}', "audio_base64"),
        ('{"type": "agent_audio_chunk", "audio_base64": 7}', "audio_base64"),
        ('{"type": "switch_character"}', "character_name"),
        ('{"type": "switch_character", "character_name": null}', "character_name"),
        ('{"type": "connect", "character_name": 7}', "character_name"),
        ('{"type": "connect", "extensions": "turns"}', "extensions"),
        ('{"type": "connect", "extensions": ["turns", 7]}', "extensions[1]"),
        ('{"type": "connect", "extensions": {"turns": true}}', "extensions"),
        ('{"type": "get_history", "limit": 0}', "limit"),
        ('{"type": "get_history", "limit": 201}', "limit"),
        ('{"type": "get_history", "limit": 1.5}', "limit"),
        ('{"type": "get_history", "limit": true}', "limit"),
        ('{"type": "get_history", "limit": ' + LONG + "}", "limit"),
        ('{"type": "get_history", "before": "7"}', "before"),
        ('{"type": "get_history", "before": -1}', "before"),
        ('{"type": "get_history", "before": 9223372036854775808}', "before"),
        ('{"type": "get_history", "before": ' + LONG + "}", "before"),
    ],
)
def test_a_wrong_or_missing_field_is_bad_message_and_named(text: str, field: str) -> None:
    error = refused(text)
    kind = re.match('{"type": "([a-z_]+)"', text)
    assert error.code == "bad_message"
    assert kind is not None and str(error).startswith(kind[1])
    assert field in str(error)


def test_the_bounds_of_get_history_are_taken() -> None:
    assert codec.decode(message_with("get_history", limit=200, before=2**63 - 1)) == wire.GetHistory(200, 2**63 - 1)
    assert codec.decode(message_with("get_history", limit=1, before=0)) == wire.GetHistory(1, 0)
    assert codec.decode('{"type": "get_history"}') == wire.GetHistory(50, None)


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "ping", "type": "message", "content": "x"}',
        '{"type": "\u202e' + "x" * 500 + '", "type": "ping"}',
        '{"type": "ping", "type": "ping"}',
        '{"type": "ping", "x": {"type": "ping"}, "type": "ping"}',
        '{"type": "message", "content": "' + "x" * 3000 + '", "type": "message"}',
        '\ufeff{"content": "x", "type": "message", "type": "message"}',
    ],
)
def test_two_types_are_refused_and_neither_is_echoed(text: str) -> None:
    error = refused(text)
    assert error.code == "bad_message"
    assert str(error) in ("message.type: the field is there twice", "ping.type: the field is there twice")


def test_of_a_field_given_twice_the_last_counts() -> None:
    assert codec.decode('{"type": "message", "content": "a", "content": "b"}') == wire.TextMessage("b")


@pytest.mark.parametrize(
    "inner", ['{"type": "a", "type": "a"}', '[{"type": 1}, {"type": 2}]', '"type"', '"\\"type\\""']
)
def test_types_within_an_unknown_field_are_no_second_type(inner: str) -> None:
    assert codec.decode('{"x": ' + inner + ', "type": "ping"}') == wire.Ping()
    assert codec.decode('{"type": "ping", "x": ' + inner + "}") == wire.Ping()


@pytest.mark.parametrize("text", ['{"type": "ping"}', ' {"type": "ping", "x": "\\ud83d"}', '{"type": "ping", "x": 1}'])
def test_a_byte_order_mark_before_a_message_is_none_of_it(text: str) -> None:
    assert codec.decode("\ufeff" + text) == wire.Ping()
    assert codec.is_batch_audio('\ufeff{"type": "audio_message", "audio_base64": "AAA="}')


@pytest.mark.parametrize(
    "token", [LONG, "-" + LONG, "1e999", "[1e999]", '{"a": 1e999}', "7", "null", "[]", "{}", "true", '""']
)
def test_a_token_of_any_type_is_a_connect_so_that_it_gets_the_one_answer_for_wrong_tokens(token: str) -> None:
    message = codec.decode('{"type": "connect", "api_token": ' + token + "}")
    assert isinstance(message, wire.Connect)
    assert not isinstance(message.api_token, str) or not message.api_token


# ---------------------------------------------------------------- unknown types


@pytest.mark.parametrize("name", ["dance", "Ping", "connected", "voice.call-2", "x" * 64])
def test_unknown_type_is_echoed_where_it_is_a_short_plain_name(name: str) -> None:
    error = refused(message_with(name, content="x"))
    assert error.code == "unknown_type"
    assert repr(name) in str(error)


@pytest.mark.parametrize(
    "name",
    ["", " ", "x" * 65, "x" * 100_000, "a\nb", "a\x00b", "a\u202eb", "<script>", "a`b", "a'b", "á", "a\u0301", "\u115f",
     "\ufeff", "💃", "Invalid base64", "Invalid base64 encoded string", "x - at `$.content`", "x` - at `$.type"],
)  # fmt: skip
def test_unknown_type_that_is_no_plain_name_is_not_echoed(name: str) -> None:
    error = refused(message_with(name))
    assert (error.code, str(error)) == ("unknown_type", "There is no message type in this protocol")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(max_examples=200, deadline=None)
def test_a_refusal_is_short_and_printable_whatever_the_type(name: str) -> None:
    sentence = str(refused(message_with(name, content=7))) if name not in map(tag_of, CLIENT) else ""
    assert len(sentence) < 200
    assert sentence.isascii() and "\n" not in sentence


def test_a_message_of_the_server_is_no_message_of_a_client() -> None:
    for kind in SERVER:
        assert refused(message_with(tag_of(kind))).code == "unknown_type"


# ---------------------------------------------------------------- base64


@pytest.mark.parametrize("kind", ["audio_message", "audio_stream_chunk", "agent_audio_chunk"])
@pytest.mark.parametrize(
    "audio",
    [
        "A",
        "AAAAA",
        "AA=A",
        "====",
        "AAE==",
        "é===",
        "AAE=AAE=",
        "\x00",
        "***",
        "data:audio/wav,AAE=",
        "AAE=data:",
        "AA.E",
    ],
)
def test_wrong_base64_is_bad_audio_and_the_field_is_named(kind: str, audio: str) -> None:
    error = refused(message_with(kind, audio_base64=audio))
    assert error.code == "bad_audio"
    assert "audio_base64" in str(error)


BASE64 = [  # as other people's encoders write bytes(range(256))
    base64.encodebytes(bytes(range(256))).decode(),  # MIME, Android's DEFAULT: a line break every 76 digits
    base64.encodebytes(bytes(range(256))).decode().replace("\n", "\r\n"),  # Android's CRLF
    re.sub("(.{64})", "\\1\n", base64.b64encode(bytes(range(256))).decode()),  # PEM
    base64.b64encode(bytes(range(256))).decode() + "\n",
    " " + base64.b64encode(bytes(range(256))).decode(),
    base64.b64encode(bytes(range(256))).decode().rstrip("="),  # NO_PADDING, many a JavaScript library
    base64.urlsafe_b64encode(bytes(range(256))).decode(),  # URL_SAFE
    base64.urlsafe_b64encode(bytes(range(256))).decode().rstrip("="),  # as in a JWT
    "data:audio/wav;base64," + base64.b64encode(bytes(range(256))).decode(),  # FileReader.readAsDataURL
    "data:audio/webm;codecs=opus;base64," + base64.b64encode(bytes(range(256))).decode(),
    "data:;base64," + base64.urlsafe_b64encode(bytes(range(256))).decode(),
]


@pytest.mark.parametrize("kind", ["audio_message", "audio_stream_chunk", "agent_audio_chunk", "voice_call_audio_chunk"])
@pytest.mark.parametrize("audio", BASE64)
def test_base64_as_phones_and_browsers_write_it_is_taken(kind: str, audio: str) -> None:
    message = codec.decode(message_with(kind, audio_base64=audio))
    assert tag_of(type(message)) == kind and getattr(message, "audio") == bytes(range(256))  # noqa: B009


CUT = [  # a text that was cut at a greatest length, in the middle of an emoji; what arrives of it
    ("\\ud83d 你好", " 你好"),  # as JSON.stringify writes it
    ("你好\\uD83D", "你好"),
    ("\\ude00", ""),
    ("\\ud83d\\ud83d\\ude00", "😀"),
    ("\\ud83d\\ude00\\ude00!", "😀!"),
    ("\\\\ud83d", "\\ud83d"),  # an escaped backslash and four letters
    ("\\\\\\ud83d.", "\\."),
    ("a\\n\\ud83d\\t", "a\n\t"),
    ("\ud83d 你好", " 你好"),  # not even escaped
]


@pytest.mark.parametrize(("cut", "arrives"), CUT)
def test_half_an_emoji_does_not_lose_the_message(cut: str, arrives: str) -> None:
    assert codec.decode(f'{{"type": "message", "content": "{cut}"}}') == wire.TextMessage(arrives)
    assert codec.decode(f'{{"type": "ping", "x": "{cut}"}}') == wire.Ping()


def test_msgspec_still_words_wrong_base64_as_the_decoder_expects() -> None:
    """It has no error type of its own for it: server/protocol/codec.py goes by these words."""
    with pytest.raises(msgspec.ValidationError, match=r"^Invalid base64 encoded string - at `\$\.audio_base64`$"):
        msgspec.json.decode('{"type": "audio_message", "audio_base64": "*"}', type=wire.AudioMessage)


def test_base64_may_be_escaped_and_empty() -> None:
    assert codec.decode('{"type": "audio_message", "audio_base64": "\\u0041AE="}') == wire.AudioMessage(b"\x00\x01")
    assert codec.decode('{"type": "audio_message", "audio_base64": ""}') == wire.AudioMessage(b"")
    assert codec.decode('{"type": "audio_message", "audio_base64": "\\/\\/8="}') == wire.AudioMessage(b"\xff\xff")


# ---------------------------------------------------------------- what is ignored, and what can never happen

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(("example", "message"), CLIENT_EXAMPLES, ids=ids(CLIENT_EXAMPLES))
@settings(max_examples=20, deadline=None)
@given(extra=st.dictionaries(TEXT, JSON, max_size=4), before=st.booleans())
def test_unknown_fields_are_ignored(example: str, message: Any, extra: dict[str, Any], before: bool) -> None:
    known = json.loads(example)
    strange = {name: value for name, value in extra.items() if name not in known}
    unknown_to_all = {name: value for name, value in strange.items() if name not in ("extensions", "character_name")}
    sent = {**unknown_to_all, **known} if before else {**known, **unknown_to_all}
    assert codec.decode(json.dumps(sent)) == message
    assert codec.decode(json.dumps(sent, ensure_ascii=False, indent=1)) == message


def test_unknown_field_may_be_a_number_of_any_length_and_there_may_be_very_many() -> None:
    assert codec.decode('{"type": "ping", "x": ' + LONG + ', "y": -' + LONG + "}") == wire.Ping()
    many = ", ".join(f'"k{number}": 0' for number in range(100_000))
    assert codec.decode('{"type": "ping", ' + many + "}") == wire.Ping()


def decodes_or_is_refused(text: str) -> None:
    """Anything but a message or a WireError with one of its four codes and a sentence fit to be sent is a defect."""
    try:
        message = codec.decode(text)
    except WireError as error:
        assert error.code in ("bad_json", "bad_message", "unknown_type", "bad_audio")
        codec.encode(wire.Error(str(error), error.code, retryable=False))
        assert 10 < len(str(error)) < 300
        assert "\n" not in str(error)
    else:
        assert isinstance(message, CLIENT)


@given(st.text(st.characters()))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_message_or_a_refusal(text: str) -> None:
    decodes_or_is_refused(text)


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_any_json_is_a_message_or_a_refusal(value: Any) -> None:
    decodes_or_is_refused(json.dumps(value))


VALID = st.sampled_from([example for example, _ in CLIENT_EXAMPLES]) | values_of(wire.GetHistory).map(codec.encode)
PIECE = st.sampled_from(
    ['"type":', '"type": "nope",', '"content": 7,', "NaN", "\\ud800", "[" * 2000, "{", "}", '"', "\\", ",", "\ud800",
     LONG, "1e999", "null", "\x00", " - at `$.type`", '"audio_base64": "*",', '"api_token": 1e999,'],
)  # fmt: skip


@given(
    text=VALID, changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), PIECE | st.text(max_size=3)), max_size=4)
)
@settings(max_examples=500, deadline=None)
def test_a_valid_message_changed_anywhere_is_a_message_or_a_refusal(
    text: str, changes: list[tuple[float, int, str]]
) -> None:
    for where, cut, piece in changes:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + cut :]
    decodes_or_is_refused(text)


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["content", "audio_base64", "character_name", "extensions", "api_token", "limit"]), JSON
    )
)
@settings(max_examples=200, deadline=None)
def test_any_values_in_the_known_fields_are_a_message_or_a_refusal(fields: dict[str, Any]) -> None:
    for kind in CLIENT:
        decodes_or_is_refused(message_with(tag_of(kind), **fields))
