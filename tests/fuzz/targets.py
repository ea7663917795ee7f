"""What is fuzzed inside: for each reader of strangers' bytes a check that takes any, and what to begin with."""

import json
import re
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from conversation.reply.parser import MAX_SENTENCES, ReplyEvent, ReplyParser, SentenceReady
from server.audio.conversion import AudioTooLong, BadAudio, ChunkResampler, check_chunk, read_batch
from server.protocol import codec
from server.protocol.wire import AudioFrame, AudioMessage, ClientMessage
from services.base import EMOTIONS, ASRError, LLMError
from services.chat_completions.answer import Reply
from services.chat_completions.refusals import error_in, refusal
from services.vendors.bytedance import frames as bytedance
from services.vendors.minimax import bidi
from services.vendors.minimax import frames as minimax

_EXAMPLES = json.loads((Path(__file__).parents[2] / "server/protocol/examples.json").read_text("utf-8"))
_REFUSED_BY_CODEC = {"bad_json", "bad_message", "unknown_type", "bad_audio"}
_LONGEST_SENTENCE = 600  # of a refusal: it may name a field, and quotes nothing longer
_LONGEST_S = 2.0


@dataclass(frozen=True, slots=True)
class Target:
    """`check` raises where something is wrong. `words` are put in by a fuzzer that cannot guess them."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[str, ...] = ()
    longest: int = 512


def pieces(data: bytes) -> list[bytes]:
    """The rest of the bytes, cut as the first one says."""
    size, rest = (data[0] or 256, data[1:]) if data else (1, b"")
    return [rest[at : at + size] for at in range(0, len(rest), size)]


def check_wire(data: bytes) -> None:
    """A frame is a message, or is refused by a listed code in a sentence of bounded length."""
    text = data.decode("utf-8", "replace")
    for decode in (partial(codec.decode, text), partial(codec.decode_audio, data)):
        try:
            message = decode()
        except codec.WireError as error:
            assert error.code in _REFUSED_BY_CODEC, error.code
            assert len(str(error)) <= _LONGEST_SENTENCE, len(str(error))
        else:
            assert isinstance(message, (ClientMessage, AudioFrame)), message
            assert codec.is_batch_audio(text) or not isinstance(message, AudioMessage)


def check_bytedance(data: bytes) -> None:
    """Any message of the recogniser is an answer or a failure, and what was heard is bounded."""
    heard = bytedance.Heard()
    try:
        for piece in pieces(data):
            said = bytedance.receive(piece)
            if isinstance(said, bytedance.Response):
                heard.receive(said)
                assert len(heard.text) <= bytedance.MAX_CHARACTERS
                assert heard.text.startswith(heard.confirmed[0])
    except ASRError:
        pass


def check_minimax(data: bytes) -> None:
    """Any message of the voice is an event, or malformed."""
    for raw in (data, data.decode("utf-8", "replace")):
        for decode in (minimax.decode, bidi.decode):
            try:
                event = decode(raw)
            except minimax.MalformedMessage:
                continue
            assert isinstance(event, (*get_args(minimax.Event)[:-1], minimax.Mark))


def _reply(chunks: list[bytes]) -> tuple[str, str | None]:
    reply, text = Reply(), ""
    for chunk in chunks:
        text += reply.feed(chunk)
        if reply.error or reply.whole:  # who reads it stops here
            break
    try:
        reply.check()
    except LLMError as error:
        assert len(str(error)) <= _LONGEST_SENTENCE
        return text, str(error)
    return text, None


def check_ark(data: bytes) -> None:
    """Any stream is text and then an end or a failure, the same however it was cut; any error's body can be read."""
    cut = pieces(data)
    assert _reply(cut) == _reply([b"".join(cut)])
    refused = refusal(int.from_bytes(data[:2], "big") or None, error_in(data[1:]), body=data[1:])
    assert len(str(refused)) <= _LONGEST_SENTENCE
    assert refused.code is None or len(refused.code) <= 100


_SYNTAX = re.compile(r"[“\"](?:jp|cn|emotion|responses_\w+)[”\"]\s*:|\b(?:jp|cn|emotion)[\"”]?\s{0,8}:")


def check_reply(data: bytes) -> None:
    """Any text is sentences: the same however it was cut, each once, no syntax of the contract in any, and no more
    words than were written."""
    text = data[1:].decode("utf-8", "replace")
    size = data[0] or 256 if data else 1
    events = _events([text[at : at + size] for at in range(0, len(text), size)])
    assert events == _events([text])
    assert sum(isinstance(event, SentenceReady) for event in events) <= MAX_SENTENCES
    shown = [event.jp for event in events if isinstance(event, SentenceReady)]
    assert sum(map(len, shown)) <= len(text) + MAX_SENTENCES, "more is said than was written"
    for sentence in shown:
        assert sentence.strip() == sentence != ""
        assert not _SYNTAX.search(sentence), sentence
    assert all(event.emotion in EMOTIONS for event in events if isinstance(event, SentenceReady))


def _events(deltas: list[str]) -> list[ReplyEvent]:
    parser = ReplyParser()
    events = [event for delta in deltas for event in parser.feed(delta)]
    return events + parser.close()


def check_audio(data: bytes) -> None:
    """Any recording is pcm no longer than allowed, or is refused in a sentence; so is any chunk of a stream."""
    rate = (8000, 16000, 44100, 48000)[data[0] % 4] if data else 16000
    try:
        pcm = read_batch(data[1:], rate, _LONGEST_S)
    except (BadAudio, AudioTooLong) as error:
        assert len(str(error)) <= _LONGEST_SENTENCE
    else:
        assert 0 < len(pcm) <= _LONGEST_S * 16000 * 2 + 2 and len(pcm) % 2 == 0
    resampler = ChunkResampler(rate)
    for chunk in (data[1:], data[1:-1]):
        try:
            check_chunk(chunk, 4096, rate)
        except BadAudio as error:
            assert len(str(error)) <= _LONGEST_SENTENCE
        else:
            assert len(resampler.feed(chunk)) % 2 == 0
    assert len(resampler.end()) % 2 == 0


def wav(coding: int, channels: int, rate: int, bits: int, sound: bytes) -> bytes:
    """A WAV file as most programs write it."""
    block = channels * bits // 8
    layout = struct.pack("<HHIIHH", coding, channels, rate, rate * block, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _bytedance_seeds() -> tuple[bytes, ...]:
    body = json.dumps({"result": {"text": "你好", "utterances": [{"text": "你好", "end_time": 900, "definite": True}]}})
    kinds = bytedance.Kind.RESPONSE, bytedance.Kind.ERROR
    made = [
        bytedance.encode(bytedance.Frame(kind, body.encode(), last, sequence, event, 45000001, compression=packed))
        for kind in kinds
        for last, sequence, event in ((False, 1, None), (True, None, 7))
        for packed in bytedance.Compression
    ]
    return (*(bytes([0]) + each for each in made), bytes([0]) + b"\x11\x90\x11\x00" + zlib.compress(b"{}", wbits=31))


_CHUNK = b'data: {"id":"1","choices":[{"delta":{"content":"%s"},"finish_reason":%s}]}\n\n'
_ARK = (
    b"\x07" + _CHUNK % ("你好".encode(), b"null") + _CHUNK % (b"", b'"stop"') + b"data: [DONE]\n\n",
    b"\x03\xef\xbb\xbf: ping\r\n\r\nevent: x\rdata: {}\r\r" + _CHUNK % (b"a", b'"length"'),
    b'\x40data: {"error":{"code":"RateLimitExceeded.EndpointRPMExceeded","message":"Request id: 021"}}\n\n',
    b'\x01\x90{"error":{"code":"InvalidParameter","message":"unsupported parameter: reasoning_effort, did you mean"}}',
    b'\x01\xa6{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"input":{"include_usage":true}}]}',
    b'\x05data: {"choices":[{"message":{"content":[{"type":"text","text":"a"},"b"]}}],"usage":{}}\n\ndata: [DONE]\n\n',
)
_REPLIES = (
    '{"emotion": "happy", "jp": "あいう。", "cn": "甲乙"}\n{"emotion": "sad", "jp": "かきく？", "cn": "丙丁"}',
    '{"responses_cn": ["甲", "乙"], "responses_jp": ["あい", "かき"], "responses_emotion_labels": ["happy", "sad"]}',
    '```json\n[{"emotion": "calm", "jp": ["あ、", "い"], "cn": {"text": "甲"}}]\n```',
    "ただの文。これも。",
    '{"jp": "あ\\u3044\\n“い”, "cn": 甲, "emotion": null',
    '"{\\"jp\\": \\"あ\\", \\"cn\\": \\"甲\\"}"',
)
_VOICES: tuple[dict[str, object], ...] = (
    {"event": "task_continued", "is_final": True, "data": {"audio": "00ff"}, "extra_info": {"audio_size": 2}},
    {"event": "task_failed", "base_resp": {"status_code": 2013, "status_msg": "x"}, "trace_id": "1"},
    {"event": "connected_success", "session_id": "1", "base_resp": {"status_code": 0}},
    {"data": {"audio": ""}, "is_final": False},
)
_MADE = "type connect message audio_message audio_base64 data:;base64, api_token content extensions \\ud83d \ufeff"

TARGETS: Mapping[str, Target] = {
    "wire": Target(
        check_wire,
        (*(json.dumps(each, ensure_ascii=False).encode() for each in _EXAMPLES), b"\1\0\0\0\0\0\0\0ab"),
        tuple(_MADE.split()),
    ),
    "bytedance": Target(check_bytedance, _bytedance_seeds(), ("result", "text", "utterances", "definite")),
    "minimax": Target(
        check_minimax,
        tuple(json.dumps(each).encode() for each in _VOICES),
        ("task_started", "task_finished", "task_flushed", "sentence_end", "base_resp", "status_code", "extra_info"),
    ),
    "ark": Target(
        check_ark, _ARK, ("data:", "[DONE]", "choices", "delta", "content", "finish_reason", "error", "code")
    ),
    "reply": Target(
        check_reply,
        tuple(bytes([1 + 3 * at]) + each.encode() for at, each in enumerate(_REPLIES)),
        ("jp", "cn", "emotion", "responses_jp", "happy", "```json", "\\u30", "“", "”", "null"),
        longest=300,
    ),
    "audio": Target(
        check_audio,
        (
            *(b"\1" + wav(1, 1, 16000, bits, bytes(range(64))) for bits in (8, 16, 24, 32)),
            *(b"\2" + wav(3, 2, 44100, bits, bytes(64)) for bits in (32, 64)),
            b"\3" + wav(0xFFFE, 1, 48000, 16, bytes(64)),
            b"\0" + bytes(range(200)),
        ),
        ("RIFF", "WAVE", "fmt ", "data", "LIST", "ID3", "OggS", "fLaC"),
    ),
}
