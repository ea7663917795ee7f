"""The sans-IO half of MiniMax: messages as on the vendor's page, audio made whole, and whose fault a refusal is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.base import Voice
from services.vendors.minimax.frames import (
    BROKEN_OFF,
    UNCLEAR,
    Audio,
    Connected,
    Ignored,
    MalformedMessage,
    Refusal,
    Remedy,
    TaskFinished,
    TaskStarted,
    decode,
    http_fault,
    language_of,
    status_fault,
    task_continue,
    task_start,
)
from services.vendors.minimax.texts import PcmAssembler, Text, TextQueue

RATE = 16000
SECOND = 2 * RATE


def message(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def status(code: int) -> dict[str, object]:
    return {"status_code": code, "status_msg": "whatever the vendor says"}


def test_task_start_is_the_page_example() -> None:
    started = json.loads(task_start(Voice("Japanese_CalmLady", speed=1.1, pitch=-1.6), "happy", "speech-2.8-hd", RATE))
    assert started == {
        "event": "task_start",
        "model": "speech-2.8-hd",
        "voice_setting": {"voice_id": "Japanese_CalmLady", "speed": 1.1, "vol": 1.0, "pitch": -2, "emotion": "happy"},
        "audio_setting": {"sample_rate": RATE, "format": "pcm", "channel": 1},
        "language_boost": "Japanese",
    }


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("こんにちは！", "Japanese"),
        ("了解！", "Japanese"),
        ("全然大丈夫。", "Japanese"),
        ("OK! 123", "Japanese"),
        ("ｳﾝ", "Japanese"),
        ("国際フォーラム午前十時開始", "Japanese"),
        ("我们是アノン。", "Chinese"),
        ("你好！", "Chinese"),
        ("好的，我们走。", "Chinese"),
        ("今天天气不错。", "Chinese"),
        ("學校中午十二點放學回家", "Chinese"),
        ("안녕!", "Korean"),
    ],
)
def test_a_task_speaks_the_language_of_its_sentence(text: str, language: str) -> None:
    started = json.loads(task_start(Voice(), "happy", "m", RATE, language_of(text)))
    assert started["language_boost"] == language


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        (Voice(), {"voice_id": "Japanese_DecisivePrincess", "speed": 1.0, "vol": 1.0, "pitch": 0}),
        (Voice(speed=9, pitch=40), {"voice_id": "Japanese_DecisivePrincess", "speed": 2.0, "vol": 1.0, "pitch": 12}),
        (Voice(speed=0, pitch=-40), {"voice_id": "Japanese_DecisivePrincess", "speed": 0.5, "vol": 1.0, "pitch": -12}),
    ],
)
def test_auto_sends_no_emotion_and_values_stay_within_the_vendors(voice: Voice, expected: dict[str, object]) -> None:
    assert json.loads(task_start(voice, "auto", "m", RATE))["voice_setting"] == expected


def test_a_characters_model_comes_before_the_configured_one() -> None:
    assert (
        json.loads(task_start(Voice(model="speech-2.6-hd"), "auto", "speech-2.8-hd", RATE))["model"] == "speech-2.6-hd"
    )


def test_a_text_is_sent_as_it_is() -> None:
    assert json.loads(task_continue('「"\n」')) == {"event": "task_continue", "text": '「"\n」'}


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (message(event="connected_success", session_id="s", trace_id="t", base_resp=status(0)), Connected()),
        (message(event="task_started", base_resp=status(0)), TaskStarted()),
        (message(event="task_finished"), TaskFinished()),
        (message(event="task_continued", is_final=False, data={"audio": "0000ac03"}), Audio(b"\0\0\xac\x03", False)),
        (message(is_final=False, data={"audio": "00AC"}), Audio(b"\0\xac", False)),
        (message(event="task_continued", data=None), Audio(b"", False)),
        (message(event="task_continued", data={"audio": None}, is_final=True), Audio(b"", True)),
        (message(event="task_continued", data={}, is_final=True, extra_info={"audio_size": 4}), Audio(b"", True, 4)),
        (message(event="task_continued", data={"audio": ""}, extra_info={"audio_size": 4}), Audio(b"", False)),
        (message(event="task_continued", is_final=True, extra_info={"audio_size": "4"}), Audio(b"", True)),
        (message(event="task_continued", is_final=True, extra_info=[]), Audio(b"", True)),
        (message(event="sentence_start"), Ignored()),
        (message(trace_id="t"), Ignored()),
    ],
)
def test_every_message_of_the_page_is_understood(raw: bytes, event: object) -> None:
    assert decode(raw) == event


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"{", b"\xff", message(event=1), b'{"data":' * 5000])
def test_what_is_no_message_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(raw)


@pytest.mark.parametrize("digits", ["0", "0g", "あ"])
def test_audio_that_is_not_hex_is_malformed(digits: str) -> None:
    with pytest.raises(MalformedMessage):
        decode(message(event="task_continued", data={"audio": digits}))


@given(st.binary() | st.text().map(str.encode))
def test_no_input_breaks_the_decoder(raw: bytes) -> None:
    try:
        decode(raw)
    except MalformedMessage:
        pass


@pytest.mark.parametrize("event", ["task_failed", "task_continued", "connected_success", None])
@pytest.mark.parametrize("code", [2203, 1002])
def test_the_code_decides_and_not_the_event(event: str | None, code: int) -> None:
    refusal = decode(message(event=event, is_final=True, data={"audio": "00"}, trace_id="t", base_resp=status(code)))
    assert refusal == Refusal(status_fault(code, "t"), skips_one_text=code == 2203)


def test_a_failure_without_a_code_is_a_failure() -> None:
    failed = decode(message(event="task_failed", base_resp=status(0)))
    assert isinstance(failed, Refusal) and failed.fault.remedy is Remedy.AGAIN


@pytest.mark.parametrize(
    ("codes", "remedy"),
    [
        ((1000, 1001, 1024, 1033, 4711), Remedy.AGAIN),
        ((1002, 1039, 1041, 2045, 2205), Remedy.WAIT),
        ((1026, 1027, 1042, 2203, 2204), Remedy.OTHER_TEXT),
        ((1004, 1008, 2013, 2042, 2049, 2054, 2056, 2061, 2202, 2206, 20132), Remedy.GIVE_UP),
        ((2201,), Remedy.AT_ONCE),
    ],
)
def test_every_code_of_the_page_has_its_remedy(codes: tuple[int, ...], remedy: Remedy) -> None:
    assert {status_fault(code).remedy for code in codes} == {remedy}


@pytest.mark.parametrize(
    ("codes", "remedy"),
    [((401, 403, 301, 404), Remedy.GIVE_UP), ((429,), Remedy.WAIT), ((500, 502, 503), Remedy.AGAIN)],
)
def test_every_refused_handshake_has_its_remedy(codes: tuple[int, ...], remedy: Remedy) -> None:
    assert {http_fault(code).remedy for code in codes} == {remedy}


@given(st.binary(max_size=400), st.data())
def test_any_split_gives_the_same_samples(pcm: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(pcm)), max_size=8)))
    pieces = [pcm[a:b] for a, b in zip([0, *cuts], [*cuts, len(pcm)], strict=True)]
    assembler = PcmAssembler(RATE)
    received = [
        assembler.receive(Audio(piece, is_final=n == len(pieces) - 1)) for n, piece in enumerate(pieces)
    ]  # at most 400 bytes: too short for the guess about a repeated whole
    assert all(len(piece) % 2 == 0 for piece in received)
    assert b"".join(received) == pcm[: len(pcm) & ~1]


@pytest.mark.parametrize(
    ("earlier", "last", "total", "kept"),
    [
        (SECOND, 2 * SECOND, None, False),  # rule 8.1
        (SECOND + 2, SECOND + 2, None, False),
        (SECOND, SECOND, None, True),  # not longer than a second
        (3 * SECOND, 2 * SECOND, None, True),  # shorter than what came before
        (0, 2 * SECOND, None, True),  # nothing came before: it is the audio
        (SECOND, 2 * SECOND, 3 * SECOND, True),  # the vendor's count says that both belong
        (600, 600, 600, False),  # the vendor's count says that the first was all
        (SECOND, 2 * SECOND, 17, False),  # a count that fits nothing says nothing
    ],
)
def test_a_final_that_repeats_the_whole_is_dropped(earlier: int, last: int, total: int | None, kept: bool) -> None:
    assembler = PcmAssembler(RATE)
    assembler.receive(Audio(bytes(earlier), is_final=False))
    assert len(assembler.receive(Audio(bytes(last), is_final=True, total_bytes=total))) == (last if kept else 0)


def test_a_repeated_whole_is_dropped_at_an_odd_byte_too() -> None:
    assembler = PcmAssembler(RATE)
    first = assembler.receive(Audio(bytes(SECOND + 3), is_final=False))
    assert (len(first), assembler.receive(Audio(bytes(SECOND + 3), is_final=True))) == (SECOND + 2, b"")


@given(st.lists(st.lists(st.binary(min_size=2, max_size=2), max_size=3), min_size=1, max_size=4))
def test_the_kth_final_closes_the_kth_text(audio: list[list[bytes]]) -> None:
    queue = TextQueue(RATE)
    texts = [queue.add() for _ in audio]
    for k, pieces in enumerate(audio):
        for piece in pieces:
            queue.receive(Audio(piece, is_final=False))
        queue.receive(Audio(b"", is_final=True))
        assert [text.ended for text in texts] == [n <= k for n in range(len(texts))]
    assert ([text.pieces for text in texts], len(queue)) == (audio, 0)


def queue_of(count: int, *, first_is_heard: bool = False) -> tuple[TextQueue, list[Text]]:
    queue = TextQueue(RATE)
    texts = [queue.add() for _ in range(count)]
    if first_is_heard:
        queue.receive(Audio(b"\0\0", is_final=False))
    return queue, texts


def test_a_text_that_is_skipped_gets_no_final_and_the_connection_stays() -> None:
    queue, (heard, skipped) = queue_of(2, first_is_heard=True)
    assert queue.receive(Refusal(status_fault(2203), skips_one_text=True)) is None
    assert (skipped.fault, heard.fault, len(queue)) == (status_fault(2203), None, 1)
    queue.receive(Audio(b"", is_final=True))
    assert heard.ended


@pytest.mark.parametrize("refusal", [Refusal(status_fault(2204), skips_one_text=True), Refusal(status_fault(1026))])
def test_a_refusal_that_may_mean_any_of_two_texts_blames_neither(refusal: Refusal) -> None:
    queue, texts = queue_of(2)
    assert queue.receive(refusal) == refusal.fault
    assert [text.fault for text in texts] == [UNCLEAR, UNCLEAR]


def test_a_refusal_in_the_middle_of_a_text_cuts_it_and_spares_the_next() -> None:
    queue, (heard, waiting) = queue_of(2, first_is_heard=True)
    queue.receive(Refusal(status_fault(1027)))
    assert (heard.fault, waiting.fault) == (status_fault(1027), UNCLEAR)


def test_a_refusal_of_the_only_text_is_its_own() -> None:
    queue, (text,) = queue_of(1)
    assert queue.receive(Refusal(status_fault(1026))) == text.fault == status_fault(1026)


def test_what_ends_the_connection_ends_all_its_texts() -> None:
    queue, texts = queue_of(2, first_is_heard=True)
    assert queue.receive(TaskFinished()) == BROKEN_OFF
    assert [text.fault for text in texts] == [BROKEN_OFF, BROKEN_OFF]


def test_audio_without_end_is_a_fault() -> None:
    queue, (text, waiting) = queue_of(2)
    while (fault := queue.receive(Audio(bytes(10 * SECOND), is_final=False))) is None:
        text.pieces.clear()
    assert text.fault is not None and "seconds to speak" in text.fault.message
    assert text.fault.one_sentence and text.fault.remedy is Remedy.OTHER_TEXT  # the next one is spoken
    assert fault == waiting.fault and fault.remedy is Remedy.AT_ONCE


def test_what_comes_of_an_abandoned_text_is_dropped() -> None:
    queue, (text, _) = queue_of(2, first_is_heard=True)
    text.abandon()
    queue.receive(Audio(b"\0\0", is_final=False))
    assert (text.pieces, queue.abandoned, text in queue) == ([], 1, True)


def test_audio_for_nobody_is_ignored() -> None:
    queue = TextQueue(RATE)
    assert queue.receive(Audio(b"\0\0", is_final=True)) is None
    assert not queue.being_spoken
