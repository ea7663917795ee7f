"""Pure: settings and what is known of the conversation in, the JSON of a full client request out."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from services.base import RECOGNITION_RATE_HZ, RecognitionHints

HOTWORD_TOKENS: Final = 100  # page, section 4; that of the bidirectional endpoints, the smaller one
DIALOGUE_TOKENS: Final = 800
DIALOGUE_TURNS: Final = 20
LANGUAGES: Final = {"ja": "ja-JP", "en": "en-US", "ko": "ko-KR"}  # without one: Chinese, its dialects and English
END_WINDOW_MS: Final = (800, 5000)  # below 800 the page's versions differ (section 8)


def full_request(hints: RecognitionHints, end_window_ms: int | None) -> bytes:
    """`end_window_ms`: the silence that ends an utterance; None where the vendor shall wait for our last packet."""
    request: dict[str, Any] = {
        "model_name": "bigmodel",
        "enable_itn": True,
        "enable_punc": True,  # its default has changed once already
        "show_utterances": True,
        "result_type": "full",
    }
    if end_window_ms is not None:
        least, most = END_WINDOW_MS
        request["end_window_size"] = min(max(end_window_ms, least), most)
    if context := _context(hints):
        request["corpus"] = {"context": context}
    audio: dict[str, Any] = {"format": "pcm", "codec": "raw", "rate": RECOGNITION_RATE_HZ, "bits": 16, "channel": 1}
    if end_window_ms is None and hints.language in LANGUAGES:  # the other endpoints do not look at it
        audio["language"] = LANGUAGES[hints.language]
    # Nothing of the person's is told.
    return msgspec.json.encode({"user": {"uid": "chatanon"}, "audio": audio, "request": request})


def _context(hints: RecognitionHints) -> str:
    """The page allows names and dialogue beside each other, for all endpoints: names are then heard as they are written
    here, and short answers ("mine too") for what they answer. "" where nothing is known."""
    context: dict[str, Any] = {}
    if hotwords := list(_hotwords(hints)):
        context["hotwords"] = [{"word": word} for word in hotwords]
    if dialogue := list(_dialogue(hints)):
        context["context_type"] = "dialog_ctx"
        context["context_data"] = [{"text": text} for text in dialogue]
    return msgspec.json.encode(context).decode() if context else ""


def _hotwords(hints: RecognitionHints) -> Iterator[str]:
    left = HOTWORD_TOKENS
    for word in dict.fromkeys(filter(None, map(_tidy, hints.hotwords))):
        left -= tokens(word)
        if left < 0:
            return
        yield word


def _dialogue(hints: RecognitionHints) -> Iterator[str]:
    """The newest first; of one that is too long, its end."""
    left = DIALOGUE_TOKENS
    for text in list(filter(None, map(_tidy, hints.dialogue)))[:DIALOGUE_TURNS]:
        while text and tokens(text) > left:
            text = text[max(1, len(text) // 8) :].lstrip()
        if not text:
            return
        left -= tokens(text)
        yield text


def _tidy(text: str) -> str:
    return " ".join(text.split())


def tokens(text: str) -> int:
    """A count that is rather too high than too low: how the vendor counts is not known."""
    ascii_characters = sum(map(str.isascii, text))
    return 2 * (len(text) - ascii_characters) + (ascii_characters + 1) // 2 + 1
