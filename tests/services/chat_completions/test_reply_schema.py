"""A reply by the schema is one that conversation/reply reads, line by line while it is written."""

import json

import jsonschema
import pytest

from conversation.reply.parser import ReplyParser, SentenceReady
from services.base import EMOTIONS
from services.chat_completions.reply_schema import reply_schema

SCHEMA = reply_schema()["json_schema"]["schema"]
LINES = [
    {"emotion": "happy", "jp": "うん、聞いてるよ。", "cn": "嗯，我在听。"},
    {"emotion": "auto", "jp": "もう少し教えて？", "cn": "能再说一点吗？"},
]


@pytest.mark.parametrize("indent", [None, 2])
def test_each_line_is_spoken_as_soon_as_it_is_known(indent: int | None) -> None:
    jsonschema.validate({"lines": LINES}, SCHEMA)
    text = json.dumps({"lines": LINES}, ensure_ascii=False, indent=indent)
    parser, spoken, known = ReplyParser(), [], []
    for at, character in enumerate(text):
        for event in parser.feed(character):
            if isinstance(event, SentenceReady):
                spoken.append((event.jp, event.emotion))
                known.append(at)
    assert spoken == [(line["jp"], line["emotion"]) for line in LINES]
    assert known[0] < text.index("もう")  # before the second was begun


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"lines": [{"jp": "うん。", "cn": "嗯。"}]},
        {"lines": [{"emotion": "bored", "jp": "うん。", "cn": "嗯。"}]},
        {"lines": [{"emotion": "auto", "jp": "うん。", "cn": "嗯。", "note": "x"}]},
        {"lines": []},  # it would be a reply without a word
        {"lines": LINES, "more": 1},
    ],
)
def test_nothing_else_is_one(wrong: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_every_emotion_has_its_word() -> None:
    for emotion in EMOTIONS:
        jsonschema.validate({"lines": [{"emotion": emotion, "jp": "うん。", "cn": "嗯。"}]}, SCHEMA)
