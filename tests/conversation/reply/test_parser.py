"""The reply parser: what is made of an LLM's text, however it is broken and however it is cut."""

import re
import sys
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation.reply.parser import (
    MAX_CHARS,
    MAX_SENTENCES,
    ReplyEvent,
    ReplyParser,
    SentenceReady,
    TranslationReady,
)

ONE = '{"emotion": "happy", "jp": "あいう。", "cn": "甲乙"}'
TWO = '{"emotion": "sad", "jp": "かきく？", "cn": "丙丁"}'
COLUMNS = (
    '{"responses_cn": ["甲", "乙"], "responses_jp": ["あい", "かき"], "responses_emotion_labels": ["happy", "sad"]}'
)

Said = tuple[str, str | None, str]


def events_of(*deltas: str) -> list[ReplyEvent]:
    parser = ReplyParser()
    events: list[ReplyEvent] = []
    for delta in deltas:
        events += parser.feed(delta)
    return events + parser.close()


def read(*deltas: str) -> list[Said]:
    """The sentences in the end: (jp, cn, emotion)."""
    said: list[Said] = []
    for event in events_of(*deltas):
        if isinstance(event, SentenceReady):
            assert event.index == len(said)
            said.append((event.jp, event.cn, event.emotion))
        else:
            jp, cn, emotion = said[event.index]
            assert cn is None
            said[event.index] = (jp, event.cn, emotion)
    return said


# The contract: one object per line


def test_a_contract_line_is_a_sentence() -> None:
    assert read(f"{ONE}\n{TWO}\n") == [("あいう。", "甲乙", "happy"), ("かきく？", "丙丁", "sad")]


def test_the_voice_starts_at_the_character_that_closes_jp() -> None:
    parser = ReplyParser()
    assert parser.feed('{"emotion": "happy", "jp": "あいう。') == []
    assert parser.feed('"') == [SentenceReady(0, "あいう。", "happy", None)]
    assert parser.feed(', "cn": "甲乙"') == []
    assert parser.feed("}") == [TranslationReady(0, "甲乙")]


def test_a_list_of_jp_starts_the_voice_at_its_end() -> None:
    parser = ReplyParser()
    assert parser.feed('{"emotion": "happy", "jp": ["あい", "う"') == []
    assert parser.feed("]") == [SentenceReady(0, "あいう", "happy", None)]


def test_the_emotion_is_known_while_its_words_are_still_being_written() -> None:
    parser = ReplyParser()
    assert parser.emotion_ahead is None
    parser.feed('{"emotion": "happy')
    assert parser.emotion_ahead is None
    parser.feed('"')
    assert parser.emotion_ahead == "happy"
    parser.feed(', "jp": "あ"')
    assert parser.emotion_ahead is None
    parser.feed(', "cn": "甲"}')
    assert parser.emotion_ahead is None
    parser.feed('{"responses_emotion_labels": ["sad"')
    assert parser.emotion_ahead is None


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("あい、", "あい、"),
        ("あい、う", "あい、"),
        ("あい。」う", "あい。"),
        ("え！", ""),
        ("え！？", ""),
        ("え！？う", "え！？"),
        (" あい\\n、", "あい 、"),
        ("あい、jp: う、", "あい、"),
        ("あい、“う、", "あい、"),
        ("あい、[う、", "あい、"),
        ("{あい、", ""),
        (",あい、", ""),
        ("あい", ""),
    ],
)
def test_the_clauses_that_are_whole_are_known_while_the_next_is_written(written: str, words: str) -> None:
    parser = ReplyParser()
    parser.feed('{"emotion": "happy", "jp": "' + written)
    assert parser.words_ahead == words


@pytest.mark.parametrize(
    "written",
    [
        '{"jp": "あい、',  # its emotion may follow
        '{"emotion": "happy", "cn": "甲、',
        '{"emotion": "happy", "jp": ["あい、',
        '{"emotion": "happy", "jp": {"text": "あい、',
        '{"emotion": "happy", "jp": あい、',
        '{"emotion": "happy", "jp": "あい、"',
        '{"emotion": "happy", "jp": "", "jpあい、',
        '{"emotion": "happy", "jp": "", "あい、',
        '{"responses_jp": ["あい、',
        "あい、",
    ],
)
def test_no_words_are_known_of_what_may_become_another_sentence(written: str) -> None:
    parser = ReplyParser()
    parser.feed(written)
    assert parser.words_ahead == ""


def test_an_emotion_after_jp_is_waited_for_until_the_object_ends() -> None:
    parser = ReplyParser()
    assert parser.feed('{"jp": "あいう。", "cn": "甲乙", "emotion": "sad"') == []
    assert parser.feed("}") == [SentenceReady(0, "あいう。", "sad", "甲乙")]


def test_cn_before_jp_leaves_with_it() -> None:
    assert events_of('{"emotion": "sad", "cn": "甲", "jp": "あ"}') == [SentenceReady(0, "あ", "sad", "甲")]


def test_a_sentence_without_translation_gets_its_own_words() -> None:
    assert events_of('{"emotion": "sad", "jp": "あ"}') == [
        SentenceReady(0, "あ", "sad", None),
        TranslationReady(0, "あ"),
    ]


@pytest.mark.parametrize("label", ["joyful", "", "null", "1", "HAPPILY"])
def test_an_emotion_nobody_knows_becomes_auto(label: str) -> None:
    assert read(f'{{"emotion": "{label}", "jp": "あ", "cn": "甲"}}') == [("あ", "甲", "auto")]


@pytest.mark.parametrize("label", ["Happy", " happy ", "happy!", "happy/sad"[:5], "very happy"])
def test_an_emotion_is_known_however_it_is_written(label: str) -> None:
    assert read(f'{{"emotion": "{label}", "jp": "あ", "cn": "甲"}}') == [("あ", "甲", "happy")]


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{ONE}\n```",
        f"```\n{ONE}",
        f"[{ONE}]",
        f"[{ONE},]",
        f'{{"replies": [{ONE}]}}',
        f"好的：{ONE} 以上です。",
        ONE.replace("}", ",}"),
        ONE.replace('"', "'"),
        ONE.replace(' "', " “").replace('{"', "{“").replace('"', "”"),
        ONE.replace('"', "").replace(": ", "："),
        "emotion: happy\njp: あいう。\ncn: 甲乙",
        "- emotion: happy\n  jp: あいう。\n  cn: 甲乙",
        ONE.replace('", "', '"\n"'),
        ONE.replace('", "', '" "'),
        ONE.replace(",", ",,"),
        ONE.replace(":", ""),
        ONE.replace(": ", ", "),
        ONE.replace('"jp"', '"japanese"').replace('"cn"', '"zh"').replace('"emotion"', '"Emotion"'),
        ONE.replace("あいう。", "あ\\u3044う。"),
        ONE.replace("あいう。", "あいう。\n"),
        ONE.replace('"あいう。"', '{"text": "あいう。"}'),
        ONE.replace('"あいう。"', '["あいう。", null]'),
        ONE.replace('"あいう。"', '[{"text": "あい"}, {"text": "う。"}]'),
        ONE.replace('"happy"', '["happy", "sad"]'),
        ONE.replace('"happy"', '{"label": "happy", "score": 0.9}'),
        ONE.replace("}", ', "note": "x", "n": 1, "none": null}'),
        ONE[1:],
        ONE[:-1],
        ONE[1:-1],
        '"' + ONE.replace('"', '\\"') + '"',
        "'" + ONE.replace('"', '\\"').replace("あ", "\\u3042") + "\\n'",
        '{"emotion": "happy"}' + ONE.replace('"emotion": "happy", ', ""),
        '{"emotion": "happy", {' + ONE.partition(", ")[2],
        '{"emotion": "happy", "jp"}: "あいう。", "cn": "甲乙"}',
        '{"emotion": "happy", "jp": "あいう。", "cn":} "甲乙"}',
        '{"emotion": "happy", "jp": "あいう。"} "cn": "甲乙"}',
    ],
)
def test_the_same_sentence_in_other_dress(text: str) -> None:
    assert read(text) == [("あいう。", "甲乙", "happy")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"jp": "あ", "cn": 12}', [("あ", "12", "auto")]),
        ('{"jp": null, "cn": "甲"}', [("甲", "甲", "auto")]),
        ('{"jp": "", "cn": "甲"}', [("甲", "甲", "auto")]),
        ('{"jp": "あ", "cn": ""}', [("あ", "あ", "auto")]),
        ('{"jp": ["Hello", "you"], "cn": ["甲", ["乙", "丙"]]}', [("Hello you", "甲乙丙", "auto")]),
        ('{"jp": "あ  い\\n\\tう", "cn": "a\nb"}', [("あ い う", "a b", "auto")]),
        ('{"jp": "あ\\u0000\\ud83d\\ude00\\udead い", "cn": "\ud800甲"}', [("あ 😀 い", "甲", "auto")]),
        ('{"jp": "あ\u202eい\\u202eう\u2066", "cn": "\u200f甲"}', [("あいう", "甲", "auto")]),
        ('{"jp": "「あ」[笑]{い}", "cn": "他说\\"好\\""}', [("「あ」[笑]{い}", '他说"好"', "auto")]),
        ('{"jp": ":) あ", "cn": "甲，"}', [(":) あ", "甲，", "auto")]),
        ('{"jp": "a" "cn": "甲" "jp": "い" "cn": "乙"}', [("a", "甲", "auto"), ("い", "乙", "auto")]),
        ("jp: あ\ncn: 甲\njp: い\ncn: 乙", [("あ", "甲", "auto"), ("い", "乙", "auto")]),
        ("cn: 甲\njp: あ\ncn: 乙\njp: い", [("あ", "甲", "auto"), ("い", "乙", "auto")]),
        ("{jp: あ, い, cn: 甲，乙}", [("あ、い", "甲，乙", "auto")]),
        ('{"jp": "あ", "い", "cn": "甲"}', [("あ、い", "甲", "auto")]),
        ('{"jp": "あ", "ね" "い", "cn": "甲"}', [("あ、ね、い", "甲", "auto")]),
        ('{"outer": {"jp": "あ", "cn": "甲"}, "jp": "い", "cn": "乙"}', [("あ", "甲", "auto"), ("い", "乙", "auto")]),
        ('{"jp": {"jp": "あ", "cn": "甲"}}', [("あ", "甲", "auto")]),
        ('{"text": "あ"}{"text": "い", "jp": "う"}', [("う", "う", "auto")]),
        ('{"emotion": "calm", "jp": 10:30に, "cn": "甲"}', [("10", "甲", "calm"), ("30に", "", "calm")]),
        ('{"emotion": "calm", "jp": "彼は"はい"と", "cn": "甲"}', [("彼は", "甲", "calm"), ("はいと", "", "calm")]),
        ('{"jp": "彼は"はい"と", "cn": "他说"好"吧"}', [("彼ははいと", "他说好吧", "auto")]),
        ('{"jp": "あ", "cn": "甲"い, "emotion": "sad"}', [("あ", "甲い", "sad")]),
        ('{"jp": "あ"い, cn": "甲"}', [("あい", "甲", "auto")]),
        ('{"tone"x": "y", "jp": "あ", "cn": "甲"}', [("あ", "甲", "auto")]),
        ('{"tone": "y"x, "jp": "あ", "cn": "甲"}', [("あ", "甲", "auto")]),
        ('{"jp"あ", "cn": "甲"}', [("あ", "甲", "auto")]),
        ('{"jp": "あ" "chinese": "甲"}', [("あ", "甲", "auto")]),
        ('{"jp": "あ", "cn": "甲"}}}{"jp": "い", "cn": "乙"', [("あ", "甲", "auto"), ("い", "乙", "auto")]),
        ('{"emotion":"sad","jp":["あ","い"]["う"],"cn":"甲"}', [("あい", "甲", "sad"), ("う", "", "sad")]),
    ],
)
def test_values_of_any_kind(text: str, said: list[Said]) -> None:
    assert read(text) == said


# The older form: columns


@pytest.mark.parametrize(
    ("cn", "jp", "labels", "said"),
    [
        ('["甲","乙"]', '["あ","い"]', '["happy","sad"]', [("あ", "甲", "happy"), ("い", "乙", "sad")]),
        ('["甲","乙","丙"]', '["あ"]', "[]", [("あ", "甲乙丙", "auto")]),
        ('["甲"]', '["あ","い"]', '["sad"]', [("あ", "甲", "sad"), ("い", "", "auto")]),
        ('["甲","乙"]', "[]", '["sad"]', [("甲", "甲", "sad"), ("乙", "乙", "auto")]),
        ("[]", '["あ","い"]', '["sad"]', [("あ", "あ", "sad"), ("い", "い", "auto")]),
        (
            '["甲","乙","丙"]',
            '["あ","","う"]',
            '["sad","calm","happy"]',
            [("あ", "甲乙", "sad"), ("う", "丙", "happy")],
        ),
        ('["甲","乙"]', '[null,"い"]', '["sad",null]', [("い", "甲乙", "auto")]),
        ('"甲"', '"あ"', '"sad"', [("あ", "甲", "sad")]),
        ('[["甲","乙"],"丙"]', '["あ","い"]', '["sad"]', [("あ", "甲乙", "sad"), ("い", "丙", "auto")]),
        ("[]", "[]", '["sad"]', []),
    ],
)
def test_columns_of_equal_and_unequal_length(cn: str, jp: str, labels: str, said: list[Said]) -> None:
    assert read(f'{{"responses_cn": {cn}, "responses_jp": {jp}, "responses_emotion_labels": {labels}}}') == said


def test_columns_are_spoken_once_they_are_whole() -> None:
    assert ReplyParser().feed(COLUMNS[:-1]) == []
    assert events_of(COLUMNS) == [SentenceReady(0, "あい", "happy", "甲"), SentenceReady(1, "かき", "sad", "乙")]


# Plain text


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("こんにちは。元気？うん！はは…ね", ["こんにちは。", "元気？", "うん！", "はは…", "ね"]),
        ("「すごい！」と言った。\n次の行", ["「すごい！」", "と言った。", "次の行"]),
        ("what?! yes", ["what?!", "yes"]),
        ("……", ["……"]),
        ("😀", ["😀"]),
        ('我说"你好"。', ['我说"你好"。']),
        ("[笑] うん (手を振る)", ["[笑] うん (手を振る)"]),
        ('"你好"', ["你好"]),
        ("'你好'", ["你好"]),
        ("[\"うん。\", 'そう']", ["うん。", "そう"]),
        ("```\nうん\n```", ["うん"]),
        ('{"reply": "うん。そう", "next": ["はい", {"deep": "ね"}]}', ["うん。", "そう", "はい", "ね"]),
        ('a "b" {c} d', ["a b c", "d"]),
        ("{うん}", ["うん"]),
        ("The site example.cn: see it", ["The site example.cn: see it"]),
        ('{"emotion": "うん"}', ["うん"]),
        ("null", ["null"]),
    ],
)
def test_plain_text_is_spoken_as_it_stands(text: str, sentences: list[str]) -> None:
    assert read(text) == [(sentence, sentence, "auto") for sentence in sentences]


@pytest.mark.parametrize(
    "text",
    [
        *("", " \n", "{", "{}", "[]", '""', "...", "```json\n```", "\\", '\\"', '"\\"', '{"jp": ""}', '{"text": ""}'),
        *('{"jp": null, "cn": null}', '{"emotion": "happy"}', '{"emo', '{"responses_', '{"emotion": "happy", "j'),
    ],
)
def test_an_answer_without_a_word_is_an_empty_reply(text: str) -> None:
    assert read(text) == []


# Cut off


@pytest.mark.parametrize("text", [f"{ONE}\n{TWO}", COLUMNS, "こんにちは。元気？", f'"{ONE}"'.replace('"', '\\"')])
def test_a_text_cut_off_anywhere_shows_no_syntax_and_only_its_words(text: str) -> None:
    for end in range(len(text)):
        for jp, cn, _ in read(text[:end]):
            assert cn is not None
            assert not SYNTAX.search(jp + cn), text[:end]
            assert set(jp) <= set("あいうかきく。？甲乙こんにちは元気"), text[:end]


def test_at_most_forty_sentences_then_too_long() -> None:
    parser = ReplyParser()
    assert len([event for event in parser.feed(ONE * MAX_SENTENCES) if isinstance(event, SentenceReady)]) == 40
    assert not parser.too_long
    assert parser.feed(ONE) == []
    assert parser.too_long
    assert parser.feed(TWO) == parser.close() == []


def test_forty_one_sentences_of_plain_text_are_too_long() -> None:
    parser = ReplyParser()
    assert len(parser.feed("うん。" * 41)) == 40
    assert parser.close() == []
    assert parser.too_long


def test_an_object_around_too_many_says_nothing_more() -> None:
    text = f'{{"emotion": "sad", "jp": "あ", "more": [{ONE * 41}], "cn": "甲"}}{ONE}'
    parser = ReplyParser()
    events = parser.feed(text)
    assert parser.too_long
    assert events[-1] == TranslationReady(39, "甲乙")
    assert events == events_of(*text)


def test_a_text_beyond_the_limit_is_cut_and_yet_no_empty_reply() -> None:
    parser = ReplyParser()
    (event,) = parser.feed("あ" * (MAX_CHARS + 1))
    assert event == SentenceReady(0, "あ" * MAX_CHARS, "auto", "あ" * MAX_CHARS)
    assert parser.too_long
    assert parser.feed("い") == []


def test_a_text_of_exactly_the_limit_is_not_too_long() -> None:
    parser = ReplyParser()
    parser.feed("あ" * MAX_CHARS)
    assert len(parser.close()) == 1
    assert not parser.too_long


# Properties

SYNTAX = re.compile(r'[{}\[\]"“”\\`]|\b(?:jp|cn|emotion|happy|sad)\b|responses')
PIECES = (
    *(
        '{"emotion": "',
        '"jp": "',
        '"cn": "',
        '", ',
        '"}',
        "{",
        "}",
        "[",
        "]",
        '"',
        "'",
        ":",
        ",",
        "\n",
        "\\",
        "\\u30",
        " ",
    ),
    *(
        "responses_jp",
        "responses_cn",
        '{"responses_jp": [',
        "null",
        "12",
        "```json\n",
        "“",
        "”",
        "\\ud83d",
        "\\ude00",
        "\\n",
    ),
    *("emotion", "jp", "cn", "happy", "sad", "あい。", "甲乙", "word", "😀", "…", '\\"'),
)
JSONISH = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
ANYTHING = st.one_of(JSONISH, st.text(max_size=60), st.sampled_from([ONE + TWO, COLUMNS]))


@pytest.mark.slow
@given(ANYTHING, st.data())
def test_any_split_gives_the_same_events(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    deltas = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert events_of(*deltas) == events_of(*text) == events_of(text)


@given(ANYTHING)
def test_an_answer_with_a_word_is_never_an_empty_reply(text: str) -> None:
    words = re.sub(r"\\u.{0,4}|[A-Za-z_\d]+", "", text)
    if any(char.isalpha() for char in words):
        assert read(text)


@given(ANYTHING)
def test_indexes_count_up_and_each_translation_follows_its_sentence_once(text: str) -> None:
    untranslated = set()
    count = 0
    for event in events_of(text):
        if isinstance(event, SentenceReady):
            assert event.index == count
            assert event.jp
            count += 1
            if event.cn is None:
                untranslated.add(event.index)
        else:
            untranslated.remove(event.index)
    assert not untranslated


AHEAD = st.lists(
    st.sampled_from([*PIECES, "あ、い", "え！", "？", "jp:", '{"emotion": "sad", "jp": "う、']), max_size=25
)


@given(st.sampled_from(["", '{"emotion": "happy", "jp": "']), AHEAD.map("".join) | st.text(max_size=60))
def test_words_that_are_known_ahead_begin_the_sentence_that_follows(start: str, rest: str) -> None:
    parser, said = ReplyParser(), 0
    ahead: dict[int, list[tuple[str, str | None]]] = {}
    spoken: dict[int, tuple[str, str]] = {}
    for char in [*start, *rest, None]:
        for event in parser.close() if char is None else parser.feed(char):
            if isinstance(event, SentenceReady):
                spoken[event.index] = event.jp, event.emotion
                said += 1
        ahead.setdefault(said, []).append((parser.words_ahead, parser.emotion_ahead))
    for index in ahead.keys() & spoken.keys():
        for words, emotion in ahead[index]:
            assert not words or (spoken[index][0].startswith(words) and emotion == spoken[index][1])


def mutants(text: str) -> list[str]:
    """Each syntax sign lost, doubled or taken for another one, and one more wherever syntax stands."""
    signs = '{}[]":,'
    found = []
    for at, char in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        if char in signs:
            found += [before + after, before + char + char + after]
            found += [before + other + after for other in signs + "'\n" if other != char]
            found += [before + other + char + after for other in signs + "'\n"]
        else:
            found.append(before + '"' + char + after)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", [ONE, f"{ONE}\n{TWO}", COLUMNS, '{"jp": "あいう。", "cn": "甲乙", "emotion": "sad"}\n' + TWO]
)
def test_one_wrong_sign_shows_no_syntax_and_loses_no_word(text: str) -> None:
    words = set(re.findall("[ぁ-ん]", text))
    for mutant in mutants(text):
        said = read(mutant)
        assert words <= set("".join(jp for jp, _, _ in said)), mutant
        for jp, cn, _ in said:
            assert not SYNTAX.search(f"{jp} {cn}"), mutant


# Hostile text

HOSTILE = [
    *(
        '{"',
        "[",
        "` ",
        '\\"',
        '""',
        '","',
        '{"jp":"',
        "a:",
        "a,",
        '"a"b,',
        "{[",
        "}{",
        '"",{',
        "\\ud83d",
        "\n",
        "cn: a\n",
    ),
    *('{"jp":{', "responses_", '"emotion":"a","jp":"', '[{"text":"a"},'),
]


def calls(text: str) -> int:
    """How many Python functions run while a text is read."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        events_of(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.slow
@pytest.mark.parametrize("sign", HOSTILE)
@pytest.mark.parametrize("before", ["", '{"emotion":"a","jp":', '{"responses_jp":[', '"{\\"emotion'])
def test_twice_the_hostile_text_takes_at_most_about_twice_the_steps(before: str, sign: str) -> None:
    once, twice = calls(before + sign * 400), calls(before + sign * 800)
    assert twice <= 2.5 * once + 500  # four times as many, if each sign meant another look at all before it


@pytest.mark.parametrize("sign", ['{"', "[", "` ", '\\"', '""'])
def test_a_megabyte_of_hostile_text_is_too_long_and_comes_to_an_end(sign: str) -> None:
    parser = ReplyParser()
    for _ in range(100):
        parser.feed(sign * (10_000 // len(sign)))
    assert parser.too_long
    assert parser.close() == []


@pytest.mark.slow
@settings(max_examples=30)
@given(st.text(alphabet="{}[]\":,\\`\n'a", min_size=1, max_size=8))
def test_no_pattern_of_signs_takes_more_than_about_twice_the_steps(sign: str) -> None:
    once, twice = calls(sign * 200), calls(sign * 400)
    assert twice <= 2.5 * once + 500
