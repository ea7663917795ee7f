"""What the operator reads, in the operator's language: every sentence of the tables is one that the code says."""

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from client.language import language_of as language_of_client
from server.config import ConfigError, load
from server.observability.language import LANGUAGES, NAMED, TRANSLATIONS, language_of, tell, translate
from tests.client.test_language import ENVIRONMENTS
from tests.running_server import ROOT


def fields_of(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def without_names(template: str) -> str:
    return re.sub(r"\{[a-z_]+\}", "{}", template)


def templates(node: ast.AST) -> Iterator[str]:
    """The texts in some code, with {} for what is put into them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr):
            parts = (each.value if isinstance(each, ast.Constant) else "{}" for each in child.values)
            yield "".join(map(str, parts))
            yield from (inner for part in child.values for inner in templates(part))
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        else:
            yield from templates(child)


@cache
def trees() -> tuple[ast.Module, ...]:
    folders = (ROOT / name for name in ("server", "services", "stores", "conversation"))
    paths = (path for folder in folders for path in sorted(folder.rglob("*.py")) if path.name != "texts.py")
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in paths)


@cache
def said() -> frozenset[str]:
    return frozenset(without_names(text) for tree in trees() for text in templates(tree))


@pytest.mark.parametrize("template", TRANSLATIONS)
def test_every_sentence_translated_is_one_that_the_code_says(template: str) -> None:
    """As a whole, or behind the key that it is about."""
    sentence = without_names(template)
    assert {sentence, sentence.removeprefix("{} "), sentence.removeprefix("endpoints.{} ")} & said()


@pytest.mark.parametrize("template", TRANSLATIONS)
def test_translations_name_what_the_sentence_names(template: str) -> None:
    assert all(fields_of(text) == fields_of(template) for text in TRANSLATIONS[template])


REFUSED_BY = {"ConfigError", "BrokenCharacter", "EngineUnavailable", "HistoryUrlError", "_unavailable"}
# What is put together of parts that are translated by themselves, or say what a library said.
PUT_TOGETHER = re.compile(r"(?:\{\}[^a-z]*|, line |has no |; download the model again)+")


def test_every_refusal_of_start_up_is_translated() -> None:
    known = {without_names(template) for template in TRANSLATIONS}
    refusals: set[str] = set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSED_BY:
                refusals |= {next(templates(ast.Tuple(node.args[:1], ast.Load())), "")}
    assert {text for text in refusals - known if text and not PUT_TOGETHER.fullmatch(text)} == set()
    assert refusals & known


BROKEN = """\
sevrer: {port: 1}
server:
  port: eight
  port: 1
  cors_origins: a
limits: 7
limits2: 7
llm: {stream: 1}
log: {level: INFO}
timeouts: {llm_gap: 0}
audio: {tts_sample_rate: 48000}
models: {llm_model: 5, tts_model: }
protocol: {default_extensions: turns}
characters: {anon: hello}
endpoints: {llm: nowhere, tts: "wss://a@b/"}
"""


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_a_broken_configuration_is_refused_in_the_reader_s_language(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: str
) -> None:
    """No line keeps an English word of ours."""
    path = tmp_path / "c.yaml"
    path.write_text(BROKEN, encoding="utf-8")
    monkeypatch.setenv("LANGUAGE", language)
    with pytest.raises(ConfigError) as refused:
        load({"CHATANON_CONFIG": str(path), "CHATANON_CREDENTIALS": ""}, tmp_path)
    lines = translate(str(refused.value)).split("\n")
    assert len(lines) >= 15
    assert [
        line
        for line in lines
        if re.search(r"\b(?:must|is|not|did|known|put|give|needs|a|one|or|an|from)\b [a-z]", line)
    ] == []


def test_every_sentence_of_the_log_is_translated() -> None:
    """What is one word is a name for machines and may stay."""
    levels = {"debug", "info", "warning", "error", "critical", "exception"}
    known = {without_names(template) for template in TRANSLATIONS}
    missing: set[str] = set()
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in levels:
                owner = ast.unparse(node.func.value)
                if owner.endswith("log") and node.args:
                    missing |= {next(templates(ast.Tuple(node.args[:1], ast.Load())), "")}
    assert {text for text in missing - known if " " in text} == set()
    assert missing & known


@pytest.mark.parametrize("name", NAMED)
def test_every_text_is_in_every_language_and_names_the_same_things(name: str) -> None:
    assert len(NAMED[name]) == len(LANGUAGES)
    assert len({frozenset(fields_of(text)) for text in NAMED[name]}) == 1


@pytest.mark.parametrize(("environ", "language"), ENVIRONMENTS)
def test_both_sides_speak_the_same_language(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language_of_client(environ) == language


TRANSLATED = [
    ("llm: doubao (DOUBAO_API_KEY set)", "llm: doubao（已设置 DOUBAO_API_KEY）"),
    ("asr: bytedance (A_KEY and B_KEY set)", "asr: bytedance（已设置 A_KEY、B_KEY）"),
    ("vad: silero (the only one)", "vad: silero（只有它）"),
    ("asr: embedded (of some new reason)", "asr: embedded（of some new reason）"),
    ("characters: anon, tomori", "角色：anon, tomori"),
    ("engines.asr: bytedance needs A_KEY and B_KEY, or C_KEY, which is not set; set it in the environment or in "
     "credentials.py, or choose auto", "engines.asr：bytedance 需要 A_KEY、B_KEY、C_KEY，还没有设置；"
     "写进环境变量或 credentials.py，或者改成 auto"),
    ("/x/{y}/c.yaml: there is no such file; correct CHATANON_CONFIG or unset it",
     "/x/{y}/c.yaml：没有这个文件；请改正 CHATANON_CONFIG，或者不要设置它"),
    ("the environment: DOUBAO_API_KEY ignored: a value that begins with your_ is a placeholder",
     "环境变量：DOUBAO_API_KEY 不算数：以 your_ 开头的值是占位符"),
    ("something new: with {braces} (and brackets)", "something new: with {braces} (and brackets)"),
    ("", ""),
    ("x" * 100_000 + " set", "x" * 100_000 + " set"),
]  # fmt: skip


@pytest.mark.parametrize(("english", "chinese"), TRANSLATED)
def test_finished_sentence_is_translated_with_what_is_in_it(
    monkeypatch: pytest.MonkeyPatch, english: str, chinese: str
) -> None:
    assert translate(english) == chinese
    monkeypatch.setenv("LANGUAGE", "en")
    assert translate(english) == english


def test_text_is_told_in_the_reader_s_language(monkeypatch: pytest.MonkeyPatch) -> None:
    for language, text in zip(LANGUAGES, NAMED["refused"], strict=True):
        monkeypatch.setenv("LANGUAGE", language)
        assert tell("refused", refusal="{x}") == text.format(refusal="{x}")
