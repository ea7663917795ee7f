"""Every fault of the cloud's two vendors, as the person at the other end meets it: a server of its own process, the
vendors' simulators, and a client of the protocol alone.

After each test: the connection that met the fault takes its next turn, no socket to a vendor is left open that is not
kept warm on purpose, no descriptor is lost, no error is logged but the one line an operator needs, and neither a key
nor a word of a vendor's own is in the log or has reached a client.

Longer than the house allows, because the rows of the fault table stand together.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.protocol_client import Wire, audio, kinds
from tests.simulated_cloud import (
    ARK_KEY,
    MINIMAX_KEY,
    VENDORS_OWN_WORDS,
    WARM_CONNECTIONS,
    CloudServer,
    Simulators,
    simulators,
    until,
)
from tests.simulators.ark import MODEL, REFUSALS, REPLY, Behaviour, Refusal, serve_ark
from tests.simulators.minimax import Fault, Manner

pytestmark = pytest.mark.slow

SENTENCES: list[dict[str, str]] = [json.loads(line) for line in REPLY.splitlines()]
FIRST, SECOND, THIRD = SENTENCES
EMOTIONS = [sentence["emotion"] for sentence in SENTENCES]
TOKEN_CHARS = Behaviour().token_chars
TURN = ["thinking", "audio_chunk", "audio_end", "response"]
SILENT_TURN = ["thinking", "audio_end", "response"]


def reply_of(*sentences: dict[str, str]) -> str:
    """These, as an LLM writes them."""
    return "".join(json.dumps(sentence, ensure_ascii=False) + "\n" for sentence in sentences)


# Of less than a second nobody can tell whether a final frame repeats it (the vendor's page, 8.1).
TWICE_AS_LONG = [{**sentence, "jp": sentence["jp"] * 2} for sentence in SENTENCES]


def pieces(text: str) -> int:
    """In how many pieces the simulated LLM has written this much of its reply."""
    return -(-len(text) // TOKEN_CHARS)


FIRST_LINE = REPLY[: REPLY.index("\n") + 1]
AFTER_FIRST_LINE = pieces(FIRST_LINE)
AFTER_FIRST_JP = pieces(FIRST_LINE[: FIRST_LINE.index('"cn"')])
BEFORE_FIRST_JP = 4

# Deadlines short enough to wait for, and long enough for a machine that is busy with something else.
SHORT_DEADLINES = {
    "CHATANON_TIMEOUTS__LLM_FIRST_TOKEN": "1",
    "CHATANON_TIMEOUTS__LLM_GAP": "0.6",
    "CHATANON_TIMEOUTS__TTS_FIRST_AUDIO": "2",
    "CHATANON_TIMEOUTS__TTS_GAP": "0.6",
}


@pytest.fixture(scope="module")
def vendors() -> Iterator[Simulators]:
    with simulators() as running:
        yield running


def _served(vendors: Simulators, folder: Path, **environment: str) -> Iterator[CloudServer]:
    vendors.reset()
    server = CloudServer(vendors, folder, **environment)
    try:
        client = server.client()
        assert kinds(client.turn("热身")) == TURN  # so that what is opened once is open
        server.goodbye(client)
        yield server
    finally:
        server.process.kill()


@pytest.fixture(scope="module")
def patient(vendors: Simulators, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    yield from _served(vendors, tmp_path_factory.mktemp("patient"))


@pytest.fixture(scope="module")
def impatient(vendors: Simulators, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    yield from _served(vendors, tmp_path_factory.mktemp("impatient"), **SHORT_DEADLINES)


class Met:
    """A user, the vendors they met, and what must be true when they have gone."""

    def __init__(self, server: CloudServer) -> None:
        self.server = server
        self.vendors = server.vendors
        self.ark, self.minimax = server.vendors.ark, server.vendors.minimax
        self.operator: list[tuple[str, object]] = []  # the lines that shall be logged for the operator
        self._log_from = len(server.process.log)
        self._kept_from = len(server.rows())
        self._others_before = server.descriptors.others
        self.client = server.client("history")

    def turn(self, content: str = "你好") -> list[Wire]:
        return self.client.turn(content)

    def kept(self) -> list[tuple[str, str, bool]]:
        """Role, Chinese text and the mark of a cut turn, of what was kept since the test began."""
        return self.server.rows()[self._kept_from :]

    def history(self) -> list[tuple[str, str, str | None]]:
        """The same as the user is shown it: role, Chinese, Japanese."""
        self.client.send("get_history")
        messages = self.client.receive()["messages"]
        return [(message["role"], message["content_cn"], message["content_jp"]) for message in messages]

    def voice(self, *sentences: dict[str, str]) -> bytes:
        """What these sound like."""
        return b"".join(self.vendors.pcm(sentence["jp"], sentence["emotion"]) for sentence in sentences)

    def end(self) -> None:
        self._next_turn_works()
        said = json.dumps(self.client.said, ensure_ascii=False)
        self.server.goodbye(self.client)
        log = self.server.process.log[self._log_from :]
        assert [(error["event"], error["code"]) for error in self.server.errors(self._log_from)] == self.operator
        for secret in (ARK_KEY, MINIMAX_KEY, *VENDORS_OWN_WORDS):
            assert not any(secret in line for line in self.server.process.log), f"{secret} is in the log"
            assert secret not in said
        assert not any("Traceback" in line or "incident" in line for line in log)
        self._nothing_is_left()

    def _next_turn_works(self) -> None:
        self.ark.key, self.minimax.key, self.minimax.faults = ARK_KEY, MINIMAX_KEY, []
        self.vendors.answer(Behaviour(reply=reply_of(*TWICE_AS_LONG)))
        messages = self.turn("然后呢？")
        assert kinds(messages) == TURN
        assert messages[-1]["content_jp"] == "".join(sentence["jp"] for sentence in TWICE_AS_LONG)
        assert not {"audio_error", "incomplete", "reason"} & set(messages[-1])
        assert audio(messages) == self.voice(*TWICE_AS_LONG)

    def _nothing_is_left(self) -> None:
        self.vendors.portal.call(self.ark.restore)
        self.vendors.portal.call(self.ark.wait_idle)
        until(lambda: self.minimax.open_calls == self.minimax.waiting, "no connection is open that has spoken")
        assert len(self.minimax.open_calls) <= WARM_CONNECTIONS

        def settled() -> bool:
            now = self.server.descriptors
            return (
                now.others == self._others_before
                and now.all_whole
                and len(now.ark) <= 1
                and len(now.minimax) == len(self.minimax.open_calls)
            )

        if Path("/proc/self/fd").exists():
            until(settled, "no descriptor is left")


@pytest.fixture
def met(patient: CloudServer) -> Iterator[Met]:
    """A user of the server with the deadlines it ships with."""
    yield from _meet(patient)


@pytest.fixture
def met_in_haste(impatient: CloudServer) -> Iterator[Met]:
    """A user of the server that does not wait for long."""
    yield from _meet(impatient)


def _meet(server: CloudServer) -> Iterator[Met]:
    server.vendors.reset()
    met = Met(server)
    yield met
    met.end()


def error_of(messages: list[Wire], code: str = "llm_failed") -> tuple[str, bool]:
    """The message and `retryable` of the error a turn came to, which is all that it came to."""
    assert kinds(messages) == ["thinking", "error"]
    error = messages[-1]
    assert set(error) == {"type", "message", "code", "retryable"} and error["code"] == code
    return error["message"], error["retryable"]


def audio_error_of(messages: list[Wire]) -> tuple[str, str]:
    """The code and the message of the voice's fault in a turn that delivers its whole text all the same."""
    assert [message["type"] for message in messages].count("audio_end") == 1
    response = messages[-1]
    assert response["type"] == "response" and "incomplete" not in response
    assert response["content_jp"] == "".join(sentence["jp"] for sentence in SENTENCES)
    assert response["content_cn"] == "".join(sentence["cn"] for sentence in SENTENCES)
    assert set(response["audio_error"]) == {"code", "message"}
    return response["audio_error"]["code"], response["audio_error"]["message"]


# --- LLM 401 / 403 / 404: llm_failed, the message says to check the key or model; logged once as an operator's problem

CHECK_KEY = "The language model refused the key of this server; its operator should check DOUBAO_API_KEY."
CHECK_ACCOUNT = "The language model denied access; this server's operator should check the account."
CHECK_MODEL = "The language model was not found; this server's operator should check its name, models.llm_model."
USED_UP = "The language model's quota is used up; this server's operator should check it."


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDenied", CHECK_ACCOUNT),
        ("OperationDenied.ServiceNotOpen", CHECK_ACCOUNT),
        ("AccountOverdueError", USED_UP),
        ("InvalidEndpointOrModel.NotFound", CHECK_MODEL),
        ("InvalidEndpointOrModel.ModelIDAccessDisabled", CHECK_MODEL),
        ("ModelNotOpen", CHECK_MODEL),
        ("UnsupportedModel", CHECK_MODEL),
    ],
)
def test_llm_403_404_says_what_to_check_and_tells_the_operator_once(met: Met, code: str, message: str) -> None:
    met.vendors.answer(then=Behaviour(refusal=REFUSALS[code]))
    for _ in range(2):
        assert error_of(met.turn()) == (message, False)
    assert len(met.ark.requests) == 2  # none was tried again
    assert met.kept() == []
    met.operator = [("llm_needs_operator", code)]


def test_llm_401_says_to_check_the_key_and_tells_the_operator_once(met: Met) -> None:
    met.ark.key = "another-key"
    for _ in range(2):
        assert error_of(met.turn()) == (CHECK_KEY, False)
    assert met.kept() == []
    met.operator = [("llm_needs_operator", "AuthenticationError")]


# --- LLM 429 retryable / 5xx / connection refused: one retry, then llm_failed retryable

BUSY = "The language model is too busy at the moment; please try again."
BROKEN = "The language model failed on its own side; please try again."
UNREACHABLE = "The language model cannot be reached at the moment; please try again."
CUT = "The connection to the language model broke before its answer was whole."
PASSING = [
    *[(refusal, BUSY) for code, refusal in REFUSALS.items() if refusal.status == 429 and "Quota" not in code],
    (REFUSALS["InternalServiceError"], BROKEN),
    (Refusal(502, html=b"<html>Bad Gateway</html>"), BROKEN),
    (Refusal(503), BROKEN),
    (Refusal(504, html=b"<html>Gateway Time-out</html>"), BROKEN),
]
PASSING = [(refusal, message) for refusal, message in PASSING if refusal.code != "SetLimitExceeded"]


def name_of(refusal: object) -> str | None:
    return (refusal.code or str(refusal.status)) if isinstance(refusal, Refusal) else None


@pytest.mark.parametrize(("refusal", "message"), PASSING, ids=name_of)
def test_llm_429_retryable_or_5xx_is_tried_once_more(met: Met, refusal: Refusal, message: str) -> None:
    failing = Behaviour(refusal=refusal)
    met.vendors.answer(failing)
    assert kinds(met.turn()) == TURN
    assert len(met.ark.requests) == 2
    met.vendors.answer(failing, failing)
    assert error_of(met.turn()) == (message, True)
    assert len(met.ark.requests) == 4
    assert [role for role, *_ in met.kept()] == ["user", "assistant"]  # of the first turn alone


def test_llm_connection_refused_is_tried_once_more(vendors: Simulators, tmp_path: Path) -> None:
    vendors.reset()
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and nobody listens
        port = nobody.getsockname()[1]
        server = CloudServer(vendors, tmp_path, CHATANON_ENDPOINTS__LLM=f"http://127.0.0.1:{port}/api/v3")
        try:
            client = server.client()
            assert error_of(client.turn("你好")) == (UNREACHABLE, True)
            assert len(server.process.events("llm_asked_again")) == 1
            nobody.close()
            with vendors.portal.wrap_async_context_manager(serve_ark(port=port, key=ARK_KEY)):
                assert kinds(client.turn("你好")) == TURN
            server.goodbye(client)
            assert server.errors() == []
        finally:
            server.process.kill()


def test_llm_drop_before_the_first_delta_is_tried_once_more(met: Met) -> None:
    met.vendors.answer(Behaviour(fault="drop_before_headers"))
    assert kinds(met.turn()) == TURN
    met.vendors.answer(*[Behaviour(fault="drop", after=0)] * 2)
    assert error_of(met.turn()) == (CUT, True)


# --- LLM 429 account limit, 400 sensitive content: no retry; llm_failed, the message says which

SENSITIVE = "The language model declined because of sensitive content; please put it in other words."


@pytest.mark.parametrize("code", ["QuotaExceeded", "AccountQuotaExceeded", "SetLimitExceeded"])
def test_llm_429_account_limit_is_not_tried_again(met: Met, code: str) -> None:
    met.vendors.answer(then=Behaviour(refusal=REFUSALS[code]))
    for _ in range(2):
        assert error_of(met.turn()) == (USED_UP, False)
    assert len(met.ark.requests) == 2
    met.operator = [("llm_needs_operator", code)]


@pytest.mark.parametrize("code", [code for code in REFUSALS if "Sensitive" in code or "Risk" in code])
def test_llm_400_sensitive_content_is_not_tried_again(met: Met, code: str) -> None:
    met.vendors.answer(Behaviour(refusal=REFUSALS[code]))
    assert error_of(met.turn()) == (SENSITIVE, False)
    assert len(met.ark.requests) == 1
    assert met.kept() == [] and met.history() == []


def test_llm_content_filter_before_the_first_sentence_says_so(met: Met) -> None:
    met.vendors.answer(Behaviour(reply=FIRST_LINE[:20], finish_reason="content_filter"))
    assert error_of(met.turn()) == (SENSITIVE, False)


# --- LLM no first event / stalls between events / drops in mid-stream

LATE = "The language model did not begin to answer in time."
STOPPED = "The language model stopped in the middle of its answer."


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (Behaviour(fault="silent"), LATE),
        (Behaviour(fault="silent_after_headers"), LATE),
        (Behaviour(fault="stall", after=BEFORE_FIRST_JP), STOPPED),
        (Behaviour(fault="half_open", after=BEFORE_FIRST_JP), STOPPED),
    ],
    ids=lambda value: value.fault if isinstance(value, Behaviour) else "",
)
def test_llm_no_first_event_or_a_stall_before_the_first_sentence_is_llm_timeout(
    met_in_haste: Met, behaviour: Behaviour, message: str
) -> None:
    met_in_haste.vendors.answer(then=behaviour)
    assert error_of(met_in_haste.turn(), "llm_timeout") == (message, True)
    assert len(met_in_haste.ark.requests) == 1  # who was silent for that long is not waited for again
    assert met_in_haste.kept() == [] and met_in_haste.history() == []


UNREADABLE = "The language model sent an answer that cannot be read; please try again."
BREAKS = {
    "drop": CUT,
    "end_early": CUT,
    "error_event": BROKEN,
    "garbage": UNREADABLE,
    "bad_utf8": UNREADABLE,
    "deep": UNREADABLE,
    "endless_event": UNREADABLE,
}


@pytest.mark.parametrize("fault", BREAKS)
def test_llm_drop_before_the_first_sentence_is_llm_failed(met: Met, fault: str) -> None:
    met.vendors.answer(then=Behaviour(fault=fault, after=BEFORE_FIRST_JP))  # type: ignore[arg-type]
    assert error_of(met.turn()) == (BREAKS[fault], True)
    assert len(met.ark.requests) == 1  # something of it was used
    assert met.kept() == [] and met.history() == []


def assert_incomplete(met: Met, messages: list[Wire], reason: str, cn: str = FIRST["cn"]) -> None:
    """The first sentence was spoken and kept, and the response says that there should be more."""
    assert kinds(messages) == TURN
    response = messages[-1]
    assert (response["incomplete"], response["reason"]) == (True, reason)
    assert (response["content_jp"], response["content_cn"]) == (FIRST["jp"], cn)
    assert response["emotion"] == FIRST["emotion"] and "audio_error" not in response
    assert audio(messages) == met.voice(FIRST)
    assert met.history() == [("user", "你好", None), ("assistant", cn, FIRST["jp"])]
    assert met.kept()[0][:2] == ("user", "你好") and met.kept()[1][:2] == ("assistant", cn)


@pytest.mark.parametrize("fault", ["stall", "half_open"])
def test_llm_stall_after_the_first_sentence_is_incomplete(met_in_haste: Met, fault: str) -> None:
    met_in_haste.vendors.answer(Behaviour(fault=fault, after=AFTER_FIRST_LINE))  # type: ignore[arg-type]
    assert_incomplete(met_in_haste, met_in_haste.turn(), "llm_timeout")


@pytest.mark.parametrize("fault", BREAKS)
def test_llm_drop_after_the_first_sentence_is_incomplete(met: Met, fault: str) -> None:
    met.vendors.answer(Behaviour(fault=fault, after=AFTER_FIRST_LINE))  # type: ignore[arg-type]
    assert_incomplete(met, met.turn(), "llm_failed")


@pytest.mark.parametrize("kept", [0, 1, 12, 26, 34], ids=lambda kept: f"{kept} characters of the second line")
def test_llm_cut_at_its_own_length_keeps_what_was_whole_and_says_too_long(met: Met, kept: int) -> None:
    """Up to the middle of its `jp`."""
    met.vendors.answer(Behaviour(reply=REPLY[: len(FIRST_LINE) + kept], finish_reason="length"))
    assert_incomplete(met, met.turn(), "too_long")


def test_llm_cut_at_its_own_length_before_the_first_sentence_is_llm_failed(met: Met) -> None:
    met.vendors.answer(then=Behaviour(reply=FIRST_LINE[:20], finish_reason="length"))
    (error,) = [message for message in met.turn() if message["type"] == "error"]
    assert (error["code"], error["retryable"]) == ("llm_failed", False) and "greatest length" in error["message"]
    assert len(met.ark.requests) == 1 and met.kept() == []


def test_llm_drop_before_the_translation_keeps_the_words_in_its_place(met: Met) -> None:
    met.vendors.answer(Behaviour(fault="drop", after=AFTER_FIRST_JP))
    assert_incomplete(met, met.turn(), "llm_failed", cn=FIRST["jp"])


@pytest.mark.parametrize("fault", ["stall", "drop"])
def test_llm_fault_after_the_first_sentence_marks_what_is_kept_as_cut(met_in_haste: Met, fault: str) -> None:
    met_in_haste.vendors.answer(Behaviour(fault=fault, after=AFTER_FIRST_LINE))  # type: ignore[arg-type]
    met_in_haste.turn()
    assert met_in_haste.kept() == [("user", "你好", True), ("assistant", FIRST["cn"], True)]


# --- LLM answers garbage, plain text, columns, empty: as the parser promises; empty: llm_failed

COLUMNS = {"responses_cn": ["你好。", "今天也去吗？"], "responses_jp": ["こんにちは。", "今日も行く？"]}
COLUMNS_REPLY = json.dumps({**COLUMNS, "responses_emotion_labels": ["happy", "calm"]}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("reply", "jp", "cn", "emotion"),
    [
        ("こんにちは。今日も行く？", "こんにちは。今日も行く？", "こんにちは。今日も行く？", "auto"),
        (COLUMNS_REPLY, "こんにちは。今日も行く？", "你好。今天也去吗？", "happy"),
        (f"```json\n{REPLY}```", *("".join(line[key] for line in SENTENCES) for key in ("jp", "cn")), "happy"),
        ('}}]{"jp": "こんにちは。"]]}', "こんにちは。", "こんにちは。", "auto"),
    ],
    ids=["plain text", "columns", "fenced", "garbage around a sentence"],
)
def test_llm_answers_in_another_form_are_read(met: Met, reply: str, jp: str, cn: str, emotion: str) -> None:
    met.vendors.answer(Behaviour(reply=reply))
    messages = met.turn()
    assert kinds(messages) == TURN
    response = messages[-1]
    assert (response["content_jp"], response["content_cn"], response["emotion"]) == (jp, cn, emotion)


@pytest.mark.parametrize("reply", ["", "\n \n", '{"emotion": "happy", "jp": "", "cn": ""}', "{}[]}{"])
def test_llm_answers_empty_is_llm_failed(met: Met, reply: str) -> None:
    met.vendors.answer(then=Behaviour(reply=reply))
    assert error_of(met.turn()) == ("The model gave an empty answer; try again", True)
    assert met.kept() == [] and met.history() == []


# --- TTS key refused, voice unknown, balance: text delivered, audio_error says what; logged as an operator's problem

VOICE_KEY = "The voice service refused our key: MINIMAX_API_KEY and its region (endpoints.tts) should be checked"
VOICE = "The voice service does not have this voice: the character's voice_id should be checked"
BALANCE = "The voice service's account has no balance left: it should be topped up"
VOICE_MODEL = "The voice service's plan lacks this model: models.tts_model should be checked"
VOICE_USED_UP = "The voice service's plan is used up for now: its usage limit should be checked"


@pytest.mark.parametrize("shown_as", ["http", "1004", "2049"])
def test_tts_key_refused_delivers_the_text_and_tells_the_operator_once(met: Met, shown_as: str) -> None:
    met.minimax.manner = Manner(wrong_key=shown_as)  # type: ignore[arg-type]
    met.minimax.key = "another-key"
    for _ in range(2):
        messages = met.turn()
        assert kinds(messages) == SILENT_TURN
        assert audio_error_of(messages) == ("tts_failed", VOICE_KEY)
    assert [cut for _, _, cut in met.kept()] == [False] * 4
    met.operator = [("voice_refused", "HTTP 401" if shown_as == "http" else int(shown_as))]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (1008, BALANCE),
        (2042, VOICE),
        (2054, VOICE),
        (20132, VOICE),
        (2056, VOICE_USED_UP),
        (2061, VOICE_MODEL),
    ],
)
def test_tts_voice_unknown_or_balance_delivers_the_text_and_tells_the_operator_once(
    met: Met, status: int, message: str
) -> None:
    met.vendors.fail_voice(Fault("start", status=status, times=1000))
    for _ in range(2):
        messages = met.turn()
        assert kinds(messages) == SILENT_TURN
        assert audio_error_of(messages) == ("tts_failed", message)
    assert [cut for _, _, cut in met.kept()] == [False] * 4
    met.operator = [("voice_refused", status)]


# --- TTS drops or stalls in a sentence: one retry of that sentence if none of its audio was sent; else the rest is
# skipped, text delivered, audio_error

BROKE_OFF = "The voice service broke off"
TOO_LATE = "The voice did not answer in time"


@pytest.mark.parametrize("sentence", SENTENCES, ids=EMOTIONS)
def test_tts_drop_before_a_sentences_audio_is_tried_once_more(met: Met, sentence: dict[str, str]) -> None:
    met.vendors.fail_voice(Fault("text", text=sentence["jp"], drop=True))
    messages = met.turn()
    assert "audio_error" not in messages[-1]
    assert audio(messages) == met.voice(*SENTENCES)


def test_tts_stall_before_a_sentences_audio_is_tried_once_more(met_in_haste: Met) -> None:
    met_in_haste.vendors.fail_voice(Fault("text", text=SECOND["jp"], stall=True))
    messages = met_in_haste.turn()
    assert "audio_error" not in messages[-1]
    assert audio(messages) == met_in_haste.voice(*SENTENCES)


def test_tts_that_drops_every_time_delivers_the_text(met: Met) -> None:
    met.vendors.fail_voice(Fault("text", drop=True, times=1000))
    messages = met.turn()
    assert kinds(messages) == SILENT_TURN
    assert audio_error_of(messages) == ("tts_failed", BROKE_OFF)


def test_tts_that_stalls_every_time_delivers_the_text(met_in_haste: Met) -> None:
    met_in_haste.vendors.fail_voice(Fault("text", stall=True, times=1000))
    messages = met_in_haste.turn()
    assert kinds(messages) == SILENT_TURN
    assert audio_error_of(messages) == ("tts_timeout", TOO_LATE)


@pytest.mark.parametrize("heard", [(), (FIRST,), (FIRST, SECOND)], ids=["first", "second", "third"])
def test_tts_drop_in_the_middle_of_a_sentence_skips_the_rest_of_it(met: Met, heard: tuple[dict[str, str], ...]) -> None:
    broken = SENTENCES[len(heard)]
    met.vendors.fail_voice(Fault("speech", text=broken["jp"], after_bytes=6400, drop=True))
    messages = met.turn()
    assert audio_error_of(messages) == ("tts_failed", BROKE_OFF)
    said, before, whole = audio(messages), met.voice(*heard), met.voice(*heard, broken)
    assert said[: len(before) + 6400] == whole[: len(before) + 6400]
    assert whole[len(before) + 6400 :] not in said
    assert met.minimax.texts.count(broken["jp"]) == 1  # a second attempt would say its beginning twice


@pytest.mark.parametrize("emotions", [EMOTIONS, ["happy"] * 3], ids=["three emotions", "one emotion"])
def test_tts_drop_in_the_middle_of_a_sentence_skips_those_after_it(met: Met, emotions: list[str]) -> None:
    lines = [{**sentence, "emotion": emotion} for sentence, emotion in zip(SENTENCES, emotions, strict=True)]
    met.vendors.answer(Behaviour(reply=reply_of(*lines)))
    met.minimax.manner = Manner(pace=20)  # so that the next sentence is being spoken when the first one breaks
    met.vendors.fail_voice(Fault("speech", text=FIRST["jp"], after_bytes=19200, drop=True))
    messages = met.turn()
    assert audio_error_of(messages) == ("tts_failed", BROKE_OFF)
    assert met.voice(lines[0]).startswith(audio(messages))


def test_tts_stall_in_the_middle_of_a_sentence_skips_the_rest(met_in_haste: Met) -> None:
    met_in_haste.vendors.fail_voice(Fault("speech", text=THIRD["jp"], after_bytes=6400, stall=True))
    messages = met_in_haste.turn()
    assert audio_error_of(messages) == ("tts_timeout", TOO_LATE)
    assert audio(messages) == met_in_haste.voice(*SENTENCES)[: len(met_in_haste.voice(FIRST, SECOND)) + 6400]
    assert met_in_haste.minimax.texts.count(THIRD["jp"]) == 1


def test_tts_refusing_one_sentence_does_not_silence_the_others(met: Met) -> None:
    met.vendors.fail_voice(Fault("text", text=SECOND["jp"], status=1026, times=1000))
    messages = met.turn()
    assert audio_error_of(messages) == ("tts_failed", "The voice service refused to speak this sentence")
    assert audio(messages) == met.voice(FIRST, THIRD)


@pytest.mark.parametrize("status", [1002, 1039, 1041])
def test_tts_too_many_requests_wait_and_then_everything_is_spoken_once(met: Met, status: int) -> None:
    met.vendors.fail_voice(Fault("text", text=SECOND["jp"], status=status))
    messages = met.turn()
    assert "audio_error" not in messages[-1]
    assert audio(messages) == met.voice(*SENTENCES)


def test_tts_too_many_requests_for_too_long_delivers_the_text(met_in_haste: Met) -> None:
    met_in_haste.vendors.fail_voice(Fault("text", status=1002, times=1000))
    messages = met_in_haste.turn()
    assert kinds(messages) == SILENT_TURN
    code, message = audio_error_of(messages)
    assert (code, message) in [("tts_failed", "The voice service is busy"), ("tts_timeout", TOO_LATE)]


def test_tts_connection_refused_delivers_the_text(vendors: Simulators, tmp_path: Path) -> None:
    vendors.reset()
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"ws://127.0.0.1:{nobody.getsockname()[1]}/ws/v1/t2a_v2"
        server = CloudServer(vendors, tmp_path, CHATANON_ENDPOINTS__TTS=address)
        try:
            client = server.client()
            for _ in range(2):
                messages = client.turn("你好")
                assert kinds(messages) == SILENT_TURN
                assert audio_error_of(messages) == ("tts_failed", BROKE_OFF)
            server.goodbye(client)
            assert server.errors() == []
        finally:
            server.process.kill()


# --- TTS final frame repeats the whole audio, odd bytes at a frame's end, missing event, null data: correct audio

MANNERS = {
    "final frame repeats the whole audio": Manner(final="whole again"),
    "the same without a count of bytes": Manner(final="whole again", counts_bytes=False),
    "odd bytes at a frame's end": Manner(message_bytes=3201),
    "tiny frames": Manner(message_bytes=31),
    "missing event": Manner(names_event=False),
    "null data": Manner(final="null data"),
    "no data": Manner(final="no data"),
    "empty final": Manner(final="empty"),
    "all of it": Manner(final="whole again", message_bytes=3201, names_event=False, counts_bytes=False),
}


@pytest.mark.parametrize("manner", MANNERS)
def test_tts_final_frame_repeats_odd_bytes_missing_event_null_data_is_correct_audio(met: Met, manner: str) -> None:
    met.minimax.manner = MANNERS[manner]
    met.vendors.answer(Behaviour(reply=reply_of(*TWICE_AS_LONG)))
    messages = met.turn()
    assert kinds(messages) == TURN and "audio_error" not in messages[-1]
    assert audio(messages) == met.voice(*TWICE_AS_LONG)
    assert all(len(audio([chunk])) % 2 == 0 for chunk in messages if chunk["type"] == "audio_chunk")


# --- both vendors at once


def test_a_mind_that_fails_before_it_speaks_is_all_that_is_told_when_both_fail(met: Met) -> None:
    met.vendors.answer(*[Behaviour(refusal=REFUSALS["InternalServiceError"])] * 2)
    met.vendors.fail_voice(Fault("connect", drop=True, times=1000))
    assert error_of(met.turn()) == (BROKEN, True)
    assert met.kept() == []


def test_a_mind_that_breaks_and_a_voice_that_fails_deliver_what_was_whole(met: Met) -> None:
    met.vendors.answer(Behaviour(fault="drop", after=AFTER_FIRST_LINE))
    met.vendors.fail_voice(Fault("connect", drop=True, times=1000))
    messages = met.turn()
    assert kinds(messages) == SILENT_TURN
    response = messages[-1]
    assert (response["incomplete"], response["reason"]) == (True, "llm_failed")
    assert response["audio_error"] == {"code": "tts_failed", "message": BROKE_OFF}
    assert response["content_jp"] == FIRST["jp"]
    assert met.history() == [("user", "你好", None), ("assistant", FIRST["cn"], FIRST["jp"])]


# --- what the cloud is for


def test_the_voice_leaves_before_the_mind_has_written_its_second_sentence(met: Met) -> None:
    met.vendors.answer(Behaviour(fault="stall", after=AFTER_FIRST_JP))  # not even the translation of the first
    met.client.send("message", content="你好")
    assert met.client.receive()["type"] == "thinking"
    heard: list[Wire] = []
    while audio(heard) == b"" or audio(heard) != met.voice(FIRST):
        heard.append(met.client.receive())
        assert heard[-1]["type"] == "audio_chunk" and met.ark.open == 1  # the LLM is still at it
    leaving, met.client = met.client, met.server.client()
    met.server.goodbye(leaving)  # and with them goes their turn, and the vendor's stream


def test_a_caller_who_leaves_in_the_middle_leaves_nothing_behind(met: Met) -> None:
    met.minimax.manner = Manner(pace=4)
    for stop_at in ("thinking", "audio_chunk"):
        leaving = met.server.client()
        leaving.send("message", content="你好")
        leaving.until(stop_at)
        met.server.goodbye(leaving)
    met.minimax.manner = Manner()


def test_engines_are_chosen_by_keys(vendors: Simulators, tmp_path: Path) -> None:
    vendors.reset()
    for keys, expected in {
        ("DOUBAO_API_KEY", "MINIMAX_API_KEY"): ("doubao", "minimax"),
        ("DOUBAO_API_KEY",): ("doubao", "embedded"),
        ("MINIMAX_API_KEY",): ("embedded", "minimax"),
    }.items():
        removed = {name: "" for name in ("DOUBAO_API_KEY", "MINIMAX_API_KEY") if name not in keys}
        server = CloudServer(vendors, tmp_path, **removed)
        try:
            _, about, _ = server.process.get("/")
            engines = {kind: (engine["name"], engine["reason"]) for kind, engine in about["engines"].items()}
            for kind, name, key in zip(("llm", "tts"), expected, ("DOUBAO_API_KEY", "MINIMAX_API_KEY"), strict=True):
                assert engines[kind] == (name, f"{key} {'set' if name != 'embedded' else 'not set'}")
            client = server.client()
            assert kinds(client.turn("你好")) == TURN
            server.goodbye(client)
        finally:
            server.process.kill()


def test_a_mind_that_does_not_stream_is_served(vendors: Simulators, tmp_path: Path) -> None:
    vendors.reset()
    server = CloudServer(vendors, tmp_path, CHATANON_LLM__STREAM="false", CHATANON_LLM__REASONING_EFFORT="low")
    try:
        client = server.client()
        messages = client.turn("你好")
        assert kinds(messages) == TURN
        assert messages[-1]["content_jp"] == "".join(sentence["jp"] for sentence in SENTENCES)
        assert "考えごと" not in json.dumps(client.said, ensure_ascii=False)  # the simulated LLM's thoughts
        request = vendors.ark.requests[-1]
        assert (request["stream"], request["reasoning_effort"]) == (False, "low")
        vendors.answer(Behaviour(refusal=REFUSALS["InternalServiceError"]))
        assert kinds(client.turn("你好")) == TURN  # tried once more
        vendors.answer(Behaviour(reply=""))
        assert error_of(client.turn("你好")) == ("The model gave an empty answer; try again", True)
        server.goodbye(client)
        assert server.errors() == []
    finally:
        server.process.kill()


def streamed(*choices: Wire, usage: bool, envelope: Wire) -> bytes:
    """What a server that speaks OpenAI's protocol sends."""
    chunks: list[Wire] = [{**envelope, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
    if usage:
        tokens = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
        chunks.append({**envelope, "object": "chat.completion.chunk", "choices": [], "usage": tokens})
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def choice(delta: Wire, finish_reason: str | None = None, **more: object) -> Wire:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason, **more}


HALVES = REPLY[:40], REPLY[40:]
OTHER_SERVERS = {
    "ollama": streamed(
        choice({"role": "assistant", "content": "", "reasoning": "hm"}),
        *[choice({"role": "assistant", "content": half}) for half in HALVES],
        choice({"role": "assistant", "content": ""}, "stop"),
        usage=True,
        envelope={"id": "chatcmpl-1", "created": 1, "model": "qwen", "system_fingerprint": "fp_ollama"},
    ),
    "llama.cpp": streamed(
        choice({"role": "assistant", "content": None}),
        *[choice({"content": half}) for half in HALVES],
        choice({}, "stop"),
        usage=False,
        envelope={"id": "chatcmpl-2", "created": 1, "model": "gguf", "system_fingerprint": "b1"},
    ),
    "vllm": streamed(
        choice({"role": "assistant", "content": ""}, logprobs=None),
        choice({"content": HALVES[0]}, logprobs=None, token_ids=None),
        choice({"content": HALVES[1]}, "stop", stop_reason=None),
        usage=True,
        envelope={"id": "chatcmpl-3", "created": 1, "model": "m"},
    ),
}


@pytest.mark.parametrize("name", OTHER_SERVERS)
def test_any_server_that_speaks_openais_protocol_thinks(met: Met, name: str) -> None:
    met.vendors.answer(Behaviour(raw=OTHER_SERVERS[name]))
    messages = met.turn()
    assert kinds(messages) == TURN
    assert messages[-1]["content_jp"] == "".join(sentence["jp"] for sentence in SENTENCES)
    assert audio(messages) == met.voice(*SENTENCES)
    assert not {"thinking", "response_format"} & set(met.ark.requests[-1])
    assert met.ark.requests[-1]["model"] == MODEL


def test_a_parameter_that_the_server_refuses_costs_one_user_one_request_and_nobody_else_any(
    vendors: Simulators, tmp_path: Path
) -> None:
    said = b'{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Not permitted"}]}'
    refused = Refusal(422, html=said)
    vendors.reset()
    vendors.answer(then=Behaviour(judge=lambda body: refused if "stream_options" in body else None))
    server = CloudServer(vendors, tmp_path)
    try:
        for requests in (2, 3):
            client = server.client()
            assert kinds(client.turn("你好")) == TURN and len(vendors.ark.requests) == requests
            server.goodbye(client)
        assert server.errors() == [] and len(server.process.events("llm_parameters_not_taken")) == 1
    finally:
        server.process.kill()
