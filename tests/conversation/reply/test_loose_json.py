"""The scanner: what it makes of sound and of broken JSON, and that the way the text was cut never matters."""

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.reply.loose_json import LooseJsonScanner, Mark, More, Outside, Token, Word

OPEN, CLOSE = Mark.OPEN_OBJECT, Mark.CLOSE_OBJECT
FIRST, LAST = Mark.OPEN_LIST, Mark.CLOSE_LIST
COLON, COMMA = Mark.COLON, Mark.COMMA


def scan(text: str, *, inside: bool = False) -> list[Token]:
    """All tokens, what stands outside joined: how it is cut follows the pieces."""
    scanner = LooseJsonScanner(inside=inside)
    return joined(scanner.feed(text) + scanner.close())


def joined(tokens: list[Token]) -> list[Token]:
    out: list[Token] = []
    for token in tokens:
        if isinstance(token, Outside) and out and isinstance(out[-1], Outside):
            out[-1] = Outside(out[-1].text + token.text)
        else:
            out.append(token)
    return out


def test_sound_json_gives_its_words_and_marks() -> None:
    assert scan('{"jp": "うん", "n": [1, null]}') == [
        *(OPEN, Word("jp"), COLON, Word("うん"), COMMA),
        *(Word("n"), COLON, FIRST, Word("1"), COMMA, Word("null"), LAST, CLOSE),
    ]


def test_what_stands_around_objects_is_kept_apart() -> None:
    assert scan('はい {"a": "b"} 以上') == [
        Outside("はい "),
        OPEN,
        Word("a"),
        COLON,
        Word("b"),
        CLOSE,
        Outside(" 以上"),
    ]


def test_a_word_leaves_with_its_closing_quotation_mark() -> None:
    scanner = LooseJsonScanner()
    assert Word("うん") not in scanner.feed('{"jp": "うん')
    assert scanner.feed('"') == [Word("うん")]


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"a\"b", 'a"b'),
        (r"a\\b", "a\\b"),
        (r"a\/b", "a/b"),
        (r"a\nb", "a\nb"),
        (r"a\tb", "a b"),
        (r"a\bb", "ab"),
        (r"\u3042", "あ"),
        (r"\ud83d\ude00", "😀"),
        (r"\uD83D\uDE00!", "😀!"),
        (r"a\ud83db", "ab"),
        (r"a\ude00b", "ab"),
        (r"\ud83da\ude00", "a"),
        (r"\ud83d\n\ude00", "\n"),
        (r"\ud83d\u3042", "あ"),
        (r"\u30", ""),
        (r"\u30gb", "gb"),
    ],
)
def test_escapes_and_surrogates(escaped: str, text: str) -> None:
    assert scan(f'{{"{escaped}"}}') == [OPEN, Word(text), CLOSE]


@pytest.mark.parametrize("text", ["{'a': 'b'}", "{“a”: “b”}", "{a: b}", "{“a”：“b”}", '{\'a": "b"}', '{“a": “b"}'])
def test_other_quotation_marks_and_none(text: str) -> None:
    assert scan(text) == [OPEN, Word("a"), COLON, Word("b"), CLOSE]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ('{a": "b"}', [OPEN, Word("a"), COLON, Word("b"), CLOSE]),  # an opening mark is missing
        ('{"a": b"}', [OPEN, Word("a"), COLON, Word("b"), CLOSE]),
        ('{"a": "b}', [OPEN, Word("a"), COLON, Word("b"), CLOSE]),  # a closing one, up to the end
        ('{"a": "b" "c": 1}', [OPEN, Word("a"), COLON, Word("b"), Word("c"), COLON, Word("1"), CLOSE]),
        ('{"a" "b"}', [OPEN, Word("a"), Word("b"), CLOSE]),
        ('{"a",, "b",}', [OPEN, Word("a"), COMMA, COMMA, Word("b"), COMMA, CLOSE]),
        ('{"a": "b" \\ , "c"}', [OPEN, Word("a"), COLON, Word("b"), COMMA, Word("c"), CLOSE]),
        ("{a\\b}", [OPEN, Word("ab"), CLOSE]),
        ("{`a`}", [OPEN, Word("a`"), CLOSE]),
    ],
)
def test_missing_and_doubled_signs(text: str, tokens: list[Token]) -> None:
    assert scan(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ('{"彼は"はい"と言った", "b"}', [OPEN, Word("彼は"), More("はいと言った"), COMMA, Word("b"), CLOSE]),
        ('{"He said "hi" to me"}', [OPEN, Word("He said "), More("hi to me"), CLOSE]),
        ('{"a"b}', [OPEN, Word("a"), More("b"), CLOSE]),
        ('{"a"b\n"c"}', [OPEN, Word("a"), More("b"), Word("c"), CLOSE]),
        ('{"a"b{"c"}', [OPEN, Word("a"), More("b"), OPEN, Word("c"), CLOSE, CLOSE]),
        ('{"a"b\\c": 1}', [OPEN, Word("a"), More("bc"), COLON, Word("1"), CLOSE]),
        ('{"a"b" "c"}', [OPEN, Word("a"), More("b "), Word("c"), CLOSE]),
        ('{"a"b', [OPEN, Word("a"), More("b"), CLOSE]),
        ('{"a"b"', [OPEN, Word("a"), More("b"), CLOSE]),
    ],
)
def test_a_quotation_mark_inside_a_string_that_was_not_escaped(text: str, tokens: list[Token]) -> None:
    assert scan(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ('{"a\nb"}', [OPEN, Word("a\nb"), CLOSE]),
        ('{"a\r\n  b"}', [OPEN, Word("a\r\nb"), CLOSE]),
        ('{"a\n", "b"}', [OPEN, Word("a"), COMMA, Word("b"), CLOSE]),
        ('{"a\n"}', [OPEN, Word("a"), CLOSE]),
        ('{"a\n" "b"}', [OPEN, Word("a"), Word("b"), CLOSE]),
        ('{"a\n"b"}', [OPEN, Word("a"), Word("b"), CLOSE]),  # left open: the mark opens the next one
        ('{"a,\n{"b"}', [OPEN, Word("a"), OPEN, Word("b"), CLOSE, CLOSE]),
        ('{"a\n}', [OPEN, Word("a"), CLOSE]),
        ('{"a\n"', [OPEN, Word("a"), CLOSE]),
    ],
)
def test_raw_line_ends_in_strings(text: str, tokens: list[Token]) -> None:
    assert scan(text) == tokens


@pytest.mark.parametrize(
    "text", ["{", '{"', '{"a', '{"a\\', '{"a\\u12', '{"a":', '{"a":[', '{"a":[{"b"', "{a", '{"a"b']
)
def test_the_end_closes_whatever_is_open(text: str) -> None:
    tokens = scan(text)
    assert tokens.count(OPEN) == tokens.count(CLOSE)
    assert tokens.count(FIRST) == tokens.count(LAST)


def test_a_closing_bracket_closes_what_stands_open_within() -> None:
    assert scan('{"a": ["b"} c') == [OPEN, Word("a"), COLON, FIRST, Word("b"), LAST, CLOSE, Outside(" c")]


def test_a_stray_closing_bracket_is_passed_over() -> None:
    assert scan('{"a"] "b"}') == [OPEN, Word("a"), Word("b"), CLOSE]


def test_from_inside_no_brace_is_missing_and_none_too_many() -> None:
    assert scan('"a": "b"}, "c": {"d"', inside=True) == [
        *(Word("a"), COLON, Word("b"), CLOSE, COMMA, Word("c"), COLON, OPEN, Word("d"), CLOSE, CLOSE),
    ]


def test_brackets_below_the_deepest_level_are_read_as_if_not_there() -> None:
    tokens = scan("{" * 100 + '"a"' + "}" * 100)
    assert tokens == [*[OPEN] * 64, Word("a"), *[CLOSE] * 64, Outside("}" * 36)]


SYNTAX = st.text(alphabet="{}[]\":,\\\n'“”`u0a3 あd8：，", max_size=60)


@given(st.one_of(SYNTAX, st.text(max_size=40)), st.data(), st.booleans())
def test_any_split_gives_the_same_tokens(text: str, data: st.DataObject, inside: bool) -> None:
    scanner = LooseJsonScanner(inside=inside)
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        size = data.draw(st.integers(1, len(text) - at))
        tokens += scanner.feed(text[at : at + size])
        at += size
    assert joined(tokens + scanner.close()) == scan(text, inside=inside)


@given(st.one_of(SYNTAX, st.text(max_size=40)))
def test_every_bracket_that_opens_is_closed(text: str) -> None:
    depth = {OPEN: 0, FIRST: 0}
    for token in scan(text):
        if token in (OPEN, FIRST):
            depth[token] += 1
        elif token in (CLOSE, LAST):
            opening = OPEN if token is CLOSE else FIRST
            depth[opening] -= 1
            assert depth[opening] >= 0
    assert set(depth.values()) == {0}


HOSTILE = ['{"', "[", "{[", "` ", '\\"', '""', '"a"b', "{a:", "\\ud83d", "\n", "“", '{"a":"']


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ('{"jp": "あい', "あい"),
        ('{"jp": "あい\\', "あい"),
        ('{"jp": "あい\\u30', "あい"),
        ('{"jp": "あい\\n', "あい\n"),
        ('{"jp": "あい\n', "あい"),
        ('{"jp": "あい"', ""),
        ('{"jp": あい', ""),
        ('{"jp": ', ""),
        ("あい", ""),
        ('{"jp": "' + "あ" * 1000, "あ" * 256),
    ],
)
def test_the_beginning_of_an_open_string_is_known(text: str, beginning: str) -> None:
    whole, by_characters = LooseJsonScanner(), LooseJsonScanner()
    whole.feed(text)
    for char in text:
        by_characters.feed(char)
    assert whole.open_string == by_characters.open_string == beginning


def calls(text: str) -> int:
    """How many Python functions run while a text is read."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        scan(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("sign", HOSTILE)
@pytest.mark.parametrize("before", ["", "{", '{"a": "'])
def test_twice_the_hostile_text_takes_twice_the_steps(before: str, sign: str) -> None:
    once, twice = calls(before + sign * 1_000), calls(before + sign * 2_000)
    assert twice <= 2 * once + 200  # at most 64 brackets are closed at the end of either


@pytest.mark.slow
@pytest.mark.parametrize("sign", ['{"', "[", "` ", '\\"'])
def test_a_megabyte_of_hostile_text_is_read_to_its_end(sign: str) -> None:
    """It would take hours if any stretch were read twice for each of its signs."""
    scan(sign * (1_000_000 // len(sign)))
