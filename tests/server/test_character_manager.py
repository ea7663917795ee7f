"""Folders of words in, characters out: what is read, what is reported, and what no name can reach."""

import io
import re
import tokenize
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from conversation.character import neutral_deflection
from conversation.pronunciation import speakable
from server.character_manager import CharacterManager
from server.config import PROJECT_ROOT, Config, ConfigError
from server.settings.foreign_keys import CloudVoice
from services.base import EMOTIONS, Line, Script, ScriptTopic, Voice
from services.engine_voices import PerEmotion
from services.tts_service import TTS_VENDORS
from services.vendors.gpt_sovits.voice import GptSovitsRecording, GptSovitsVoice
from services.vendors.openai.voice import OpenAIStyle, OpenAIVoice
from services.vendors.style_bert_vits2.voice import StyleBertVits2Style, StyleBertVits2Voice
from services.vendors.voicevox.voice import VoicevoxStyle, VoicevoxVoice

SCRIPT = """\
topics:
  - name: greeting
    phrases:
      zh: [你好]
      en: [hello]
    answers:
      - - {emotion: happy, jp: "やっほー", cn: "哈喽"}
      - - {emotion: calm, jp: "どうも", cn: "你好"}
        - {jp: "元気？", cn: "好吗？"}
fallback:
  - - {emotion: sad, jp: "わからない", cn: "不懂"}
  - - {emotion: auto, jp: "ごめん", cn: "抱歉"}
"""

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A folder with one whole character, `mei`."""
    folder = tmp_path / "prompts"
    (folder / "mei").mkdir(parents=True)
    (folder / "reply_format.md").write_text("How to reply.", encoding="utf-8")
    (folder / "mei" / "character_manifest.md").write_text("You are Mei.", encoding="utf-8")
    return folder


@pytest.fixture
def write(prompts: Path) -> Write:
    """Write a file of a second character, `rin`, who is whole but for it."""
    (prompts / "rin").mkdir()
    (prompts / "rin" / "character_manifest.md").write_text("You are Rin.", encoding="utf-8")

    def write_file(name: str, content: str | bytes) -> Path:
        path = prompts / "rin" / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def load(prompts: Path) -> tuple[CharacterManager, list[str]]:
    """The characters, and what was reported while they were read."""
    with capture_logs() as logs:
        manager = CharacterManager.load(prompts, "mei")
    assert all(entry["log_level"] == "error" for entry in logs)
    return manager, [entry["event"] for entry in logs]


def names(manager: CharacterManager) -> list[str]:
    return [character.name for character in manager.all()]


# ---------------------------------------------------------------- what is read


def test_folder_with_a_manifest_is_a_character(prompts: Path) -> None:
    manager, reported = load(prompts)
    mei = manager.default
    assert (mei.name, mei.display_name, mei.manifest) == ("mei", "mei", "You are Mei.")
    assert (mei.description, mei.greeting, mei.pronunciation, mei.script) == ("", "", {}, None)
    assert mei.voice("any engine") == Voice()
    assert manager.reply_format == "How to reply."
    assert (names(manager), reported) == (["mei"], [])


def test_everything_a_folder_may_say_is_read(prompts: Path, write: Write) -> None:
    write(
        "character.yaml",
        "display_name: 凛 (Rin)\ndescription: 2024-01-01\ngreeting: やあ\n"
        "voices:\n  embedded: {speed: 2, pitch: -12}\n  minimax: {voice_id: some_voice, model: some-model}\n",
    )
    write("pronunciation.yaml", "凛: リン\nno: ノ\n'1': イチ\n2024-01-01: ガンタン\n")
    write("offline_lines.yaml", SCRIPT)
    manager, reported = load(prompts)
    rin = manager.find("rin")
    assert reported == []
    assert rin is not None
    assert (rin.display_name, rin.description, rin.greeting) == ("凛 (Rin)", "2024-01-01", "やあ")
    assert rin.voice("embedded") == Voice(speed=2, pitch=-12)
    assert rin.voice("minimax") == Voice("some_voice", "some-model")
    assert rin.voice("another") == Voice()
    assert rin.pronunciation == {"凛": "リン", "no": "ノ", "1": "イチ", "2024-01-01": "ガンタン"}
    assert rin.script == Script(
        (
            ScriptTopic(
                "greeting",
                {"zh": ("你好",), "en": ("hello",)},
                (
                    (Line("やっほー", "哈喽", "happy"),),
                    (Line("どうも", "你好", "calm"), Line("元気？", "好吗？", "auto")),
                ),
            ),
        ),
        ((Line("わからない", "不懂", "sad"),), (Line("ごめん", "抱歉", "auto"),)),
    )


def test_character_without_lines_of_its_own_has_the_shared_ones(prompts: Path, write: Write) -> None:
    (prompts / "offline_lines.yaml").write_text(SCRIPT.replace("greeting", "shared"), encoding="utf-8")
    write("offline_lines.yaml", SCRIPT)
    manager, _ = load(prompts)
    scripts = {character.name: character.script for character in manager.all()}
    assert [script.topics[0].name for script in scripts.values() if script] == ["shared", "greeting"]


@pytest.mark.parametrize("nothing", ["", "\n\n", "# only a remark\n", "---\n", "~\n"])
def test_file_with_nothing_in_it_is_as_good_as_none(prompts: Path, write: Write, nothing: str) -> None:
    for name in ("character.yaml", "pronunciation.yaml", "offline_lines.yaml"):
        write(name, nothing)
    manager, reported = load(prompts)
    assert (names(manager), reported) == (["mei", "rin"], [])


def test_files_may_begin_with_a_byte_order_mark_and_have_any_line_ends(prompts: Path, write: Write) -> None:
    write("character_manifest.md", b"\xef\xbb\xbfYou are Rin.\r\n")
    write("character.yaml", b"\xef\xbb\xbfdisplay_name: Rin\r\ngreeting: hi\r\n")
    manager, reported = load(prompts)
    rin = manager.find("rin")
    assert reported == []
    assert rin is not None and (rin.display_name, rin.greeting) == ("Rin", "hi")
    assert rin.manifest.startswith("You are Rin.")


def test_files_and_hidden_folders_beside_the_characters_are_no_characters(prompts: Path) -> None:
    for name in (".git", "_drafts", "__pycache__"):
        (prompts / name).mkdir()
        (prompts / name / "character_manifest.md").touch()
    (prompts / "notes.md").touch()
    manager, reported = load(prompts)
    assert (names(manager), reported) == (["mei"], [])


def test_adding_a_folder_adds_a_character(prompts: Path) -> None:
    for name in ("zoe", "a-1", "b_2", "x" * 32):
        (prompts / name).mkdir()
        (prompts / name / "character_manifest.md").write_text("You are new.", encoding="utf-8")
    manager, reported = load(prompts)
    assert (names(manager), reported) == (sorted(["mei", "zoe", "a-1", "b_2", "x" * 32]), [])


# ---------------------------------------------------------------- what is reported, and the others work


def script_with(old: str, new: str) -> str:
    assert SCRIPT.count(old) >= 1
    return SCRIPT.replace(old, new, 1)


BROKEN = [
    # not YAML at all
    ("character.yaml", "display_name: Rin\ngreeting: [hi", 3, "not YAML"),
    ("character.yaml", "display_name: Rin\n  greeting: hi\n", 2, "not YAML"),
    ("character.yaml", "\tdisplay_name: Rin\n", 1, "not YAML"),
    ("character.yaml", "display_name: Rin\n---\ndisplay_name: Rin\n", 2, "not YAML"),
    ("character.yaml", 'greeting: "\\UFFFFFFFF"\n', 1, "not YAML"),
    ("pronunciation.yaml", "凛: リン\n灯: \x01\n", 2, "a control character"),
    ("pronunciation.yaml", "凛: リン\n灯: トモリ\n凛: アノン\n", 3, "twice"),
    ("pronunciation.yaml", "凛: リン\n? [凛]\n: リン\n", 2, "one text"),
    ("pronunciation.yaml", "凛: リン\n灯: *a\n", 2, "aliases"),
    ("pronunciation.yaml", "凛: &a リン\n灯: *a\n", 1, "aliases"),
    ("pronunciation.yaml", "凛: リン\n灯: !kana トモリ\n", 2, "tags"),
    ("character.yaml", "greeting: !!python/object/apply:os.system [ls]\n", 1, "tags"),
    ("character.yaml", "display_name: Rin\nvoices: " + "[" * 30 + "]" * 30, 2, "nested too deeply"),
    ("character.yaml", "[" * 200_000, 1, "nested too deeply"),
    ("character.yaml", "{a: " * 200_000, 1, "nested too deeply"),
    # YAML, but not of our form
    ("character.yaml", "- Rin\n", 1, "the file must be a section (lines of the form `key: value`), not a list"),
    ("character.yaml", "Rin\n", 1, "the file must be a section (lines of the form `key: value`), not a text"),
    ("character.yaml", "# Rin\ndisplay_name: Rin\nnickname: R\n", 3, "nickname is unknown; known here: display_name"),
    ("character.yaml", "display_name: ''\n", 1, "display_name must not be empty"),
    (
        "character.yaml",
        "greeting: hi\n\ndisplay_name: " + "x" * 101,
        3,
        "display_name must have at most 100 characters",
    ),
    ("character.yaml", "description: " + "x" * 1001, 1, "description must have at most 1000 characters"),
    (
        "character.yaml",
        "greeting: hi\ndisplay_name: 7\n",
        2,
        "display_name must be a text, not a number; put it in quotes",
    ),
    ("character.yaml", "greeting: " + "9" * 5000, None, "too large"),
    (
        "character.yaml",
        "voices:\n  embedded:\n    speed: 1\n  minimax:\n    speed: 2.1\n",
        5,
        "voices.minimax.speed must be at most 2",
    ),
    ("character.yaml", "voices:\n  embedded:\n    speed: .nan\n", 3, "voices.embedded.speed must be at least 0.5"),
    (
        "character.yaml",
        "voices:\n  embedded: {speed: 1}\n  minimax: {voice: x}\n",
        3,
        "voices.minimax.voice is unknown; did you mean voice_id?",
    ),
    ("character.yaml", "voices:\n  embedded: {speed: 1}\n  minimax: fast\n", 3, "voices.minimax must be a section"),
    ("character.yaml", "voices:\n  voicvox: {speaker: 8}\n", 2, "voices.voicvox is unknown; did you mean voicevox?"),
    (
        "character.yaml",
        "voices:\n  voicevox:\n    speaker: 8\n    emotions:\n      sadd: 9\n",
        5,
        "voices.voicevox.emotions.sadd is unknown; did you mean sad?",
    ),
    (
        "character.yaml",
        "voices:\n  voicevox:\n    emotions: {happy: {speaker: 10, sped: 1.1}}\n",
        3,
        "voices.voicevox.emotions.happy.sped is unknown; did you mean speed?",
    ),
    (
        "character.yaml",
        "voices:\n  voicevox:\n    emotions: {happy: true}\n",
        3,
        "voices.voicevox.emotions.happy must be a number or a text or a section",
    ),
    ("character.yaml", "voices:\n  voicevox:\n", 2, "voices.voicevox must be a section"),
    (
        "character.yaml",
        "voices:\n  gpt_sovits:\n    reference: anon.wav\n    reference_language: jp\n",
        4,
        "voices.gpt_sovits.reference_language must be one of ja, zh, en, ko, yue",
    ),
    (
        "character.yaml",
        "voices:\n  gpt_sovits:\n    emotions:\n      sad: {reference: a.wav, reference_language: jp}\n",
        4,
        "voices.gpt_sovits.emotions.sad.reference_language must be one of ja, zh, en, ko, yue",
    ),
    (
        "character.yaml",
        "voices:\n  gpt_sovits:\n    emotions:\n      sad: {reference_text: はあ。}\n",
        4,
        "voices.gpt_sovits.emotions.sad needs the key reference, which is missing",
    ),
    (
        "character.yaml",
        "voices:\n  gpt_sovits: {streaming: 4}\n",
        2,
        "voices.gpt_sovits.streaming must be one of 1, 2, 3",
    ),
    ("character.yaml", "voices:\n  openai: {speed: 5}\n", 2, "voices.openai.speed must be at most 4"),
    ("character.yaml", "voices:\n  openai: {voice: x}\n", 2, "voices.openai.voice is unknown; did you mean voice_id?"),
    (
        "character.yaml",
        "voices:\n  style_bert_vits2: {emotions: {sad: {style_wait: 2}}}\n",
        2,
        "voices.style_bert_vits2.emotions.sad.style_wait is unknown; did you mean style_weight?",
    ),
    ("character.yaml", "voices: []\n", 1, "voices must be a section (lines of the form `key: value`), not a list"),
    ("character.yaml", "voices:\n  embedded: {speed: fast}\n", 2, "speed must be a number, not a text"),
    ("character.yaml", "voices:\n  embedded: {speed: true}\n", 2, "speed must be a number, not true or false"),
    ("character.yaml", "greeting: yes\n", 1, "greeting must be a text, not true or false; put it in quotes"),
    ("character.yaml", "greeting: {a: b}\n", 1, "greeting must be a text, not a section"),
    ("character.yaml", "display-name: Rin\n", 1, "did you mean display_name?"),
    ("character.yaml", "Greeting: hi\n", 1, "did you mean greeting?"),
    ("character.yaml", "client: 7\n", 1, "client must be a section"),
    ("character.yaml", "deflection: {jp: ひみつ}\n", 1, "cn"),
    # what cannot be seen
    ("character.yaml", "greeting\u00a0: hi\n", 1, "greeting<U+00A0> is unknown; did you mean greeting?"),
    (
        "character.yaml",
        "voices:\n\u3000\u3000embedded: {speed: 1}\n",
        1,
        "line 2 holds what cannot be seen, U+3000 (ideographic space)",
    ),
    ("character.yaml", "display_name: Rin\ngreeting:\u00a0hi\n", None, "U+00A0 (no-break space)"),
    ("offline_lines.yaml", script_with("emotion: sad", "emotion: sad\u00a0"), 11, "did you mean sad?"),
    # what goes to clients
    ("character.yaml", "client:\n  born: 2024-01-01\n", 2, "client.born is a date, which JSON does not have"),
    ("character.yaml", "client: {a: [1, 2024-01-01 10:00:00]}\n", 1, "client.a (item 2) is a date"),
    ("character.yaml", "live2d_model_set: {a: .nan}\n", 1, "live2d_model_set.a is no number that JSON has"),
    ("character.yaml", "client: {a: {b: -.inf}}\n", 1, "client.a.b is no number that JSON has"),
    ("character.yaml", "client: {a: !!binary aGk=}\n", 1, "tags"),
    ("character.yaml", "client: {a: " + "[" * 30 + "]" * 30 + "}\n", 1, "nested too deeply"),
    ("character.yaml", "greeting: hi\nclient: {a: " + "长" * 6000 + "}\n", 2, "client is longer than 16384 bytes"),
    ("character.yaml", "live2d_model_set: " + "x" * 17_000, 1, "live2d_model_set is longer than 16384 bytes"),
    ("character.yaml", "client: {live2d_model_set: a}\nlive2d_model_set: b\n", None, "keep one of them"),
    ("pronunciation.yaml", "凛: リン\n灯: 7\n愛: アイ\n", 2, "灯 must be a text, not a number; put it in quotes"),
    ("pronunciation.yaml", "凛: リン\n灯:\n", 2, "灯 must be a text, not empty; give it a value or leave it out"),
    ("pronunciation.yaml", "- 凛\n", 1, "the file must be a section"),
    ("offline_lines.yaml", "topics: []\n", 1, "the file needs the key fallback, which is missing"),
    ("offline_lines.yaml", script_with("emotion: sad", "emotion: joyful"), 11, "emotion must be one of happy, sad,"),
    (
        "offline_lines.yaml",
        script_with("emotion: calm", "mood: calm"),
        8,
        "answers (item 2, item 1).mood is unknown; known here: jp, cn, emotion",
    ),
    (
        "offline_lines.yaml",
        script_with('jp: "元気？", ', ""),
        9,
        "answers (item 2, item 2) needs the key jp, which is missing",
    ),
    ("offline_lines.yaml", script_with('cn: "抱歉"', "cn: ''"), 12, "fallback (item 2, item 1).cn must not be empty"),
    (
        "offline_lines.yaml",
        script_with("en: [hello]", "en: [hello, 7]"),
        5,
        "topics (item 1).phrases.en (item 2) must be a text, not a number",
    ),
    (
        "offline_lines.yaml",
        script_with("zh: [你好]", "zh: 你好"),
        4,
        "topics (item 1).phrases.zh must be a list, not a text; put it in [ and ]",
    ),
    ("offline_lines.yaml", script_with("name: greeting", "title: greeting"), 2, "topics (item 1).title is unknown"),
    (
        "offline_lines.yaml",
        script_with('  - - {emotion: auto, jp: "ごめん", cn: "抱歉"}\n', ""),
        10,
        "fallback needs at least 2 entries",
    ),
    (
        "offline_lines.yaml",
        script_with('- {emotion: auto, jp: "ごめん", cn: "抱歉"}', "[]"),
        12,
        "fallback (item 2) needs at least 1 entry",
    ),
]


@pytest.mark.parametrize(("name", "content", "line", "problem"), BROKEN, ids=range(len(BROKEN)))
def test_broken_file_is_reported_with_its_line_and_the_others_work(
    prompts: Path, write: Write, name: str, content: str, line: int | None, problem: str
) -> None:
    path = write(name, content)
    manager, reported = load(prompts)
    assert names(manager) == ["mei"]
    assert manager.find("rin") is None
    (report,) = reported
    assert report.startswith(f"character left out: {path}")
    assert problem in report
    if line is not None:
        assert f"{path}, line {line}: " in report
    assert "\n" not in report


def test_a_topic_with_one_answer_is_reported_because_it_would_be_given_twice_in_a_row(
    prompts: Path, write: Write
) -> None:
    write("offline_lines.yaml", re.sub(r"      - - \{emotion: calm.*?\n.*?\n", "", SCRIPT))
    _, (report,) = load(prompts)
    assert "offline_lines.yaml, line 6: topics (item 1).answers needs at least 2 entries" in report


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("character_manifest.md", b"You are\nR\xefn.", 2),
        ("character_manifest.md", "You are Rin.".encode("utf-16"), 1),
        ("character.yaml", "display_name: Rin\ngreeting: \x83n\x83\x8d\x81[\n".encode("latin-1"), 2),
        ("pronunciation.yaml", b"\xef\xbb\xbfa: b\nc: d\ne: \xff\n", 3),
        ("offline_lines.yaml", b"\xff\xfe", 1),
    ],
)
def test_file_that_is_not_utf8_is_reported_with_its_line(
    prompts: Path, write: Write, name: str, content: bytes, line: int
) -> None:
    path = write(name, content)
    manager, reported = load(prompts)
    assert names(manager) == ["mei"]
    assert reported == [f"character left out: {path}, line {line}: not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("", "is empty"),
        (" \n\t\n", "is empty"),
        ("x" * 65_537, "is longer than 65536 bytes"),
        ("长" * 22_000, "is longer than 65536 bytes"),
    ],
)
def test_manifest_that_says_nothing_or_too_much_is_reported(
    prompts: Path, write: Write, manifest: str, problem: str
) -> None:
    path = write("character_manifest.md", manifest)
    manager, (report,) = load(prompts)
    assert names(manager) == ["mei"]
    assert f"{path} {problem}" in report


def test_manifest_of_just_the_greatest_length_is_taken(prompts: Path, write: Write) -> None:
    write("character_manifest.md", "x" * 65_536)
    assert load(prompts)[1] == []


def test_missing_manifest_is_reported(prompts: Path) -> None:
    (prompts / "rin").mkdir()
    manager, (report,) = load(prompts)
    assert names(manager) == ["mei"]
    assert f"{prompts / 'rin' / 'character_manifest.md'} is missing" in report


@pytest.mark.parametrize("name", ["character_manifest.md", "character.yaml", "offline_lines.yaml"])
def test_folder_where_a_file_should_be_is_reported(prompts: Path, write: Write, name: str) -> None:
    (prompts / "rin" / name).unlink(missing_ok=True)
    (prompts / "rin" / name).mkdir()
    manager, (report,) = load(prompts)
    assert names(manager) == ["mei"]
    assert str(prompts / "rin" / name) in report


@pytest.mark.parametrize("name", ["r i n", "凛", "rin.old", "x" * 33, "r\u202ein", "rin\n", "-" * 33, "r'in"])
def test_folder_whose_name_nobody_can_type_is_reported(prompts: Path, name: str) -> None:
    (prompts / name).mkdir()
    (prompts / name / "character_manifest.md").write_text("You are Rin.", encoding="utf-8")
    manager, (report,) = load(prompts)
    assert names(manager) == ["mei"]
    assert "a character's folder is named with a-z, 0-9, _ and -" in report


def test_of_two_folders_that_differ_in_case_only_one_is_taken_and_the_other_reported(prompts: Path) -> None:
    for name in ("Rin", "rin"):
        (prompts / name).mkdir()
        (prompts / name / "character_manifest.md").write_text(f"You are {name}.", encoding="utf-8")
    if len(list(prompts.glob("[Rr]in"))) < 2:
        pytest.skip("a file system that does not tell them apart")
    manager, (report,) = load(prompts)
    assert names(manager) == ["mei", "rin"]
    assert f"{prompts / 'rin'}: another folder has this name" in report


# ---------------------------------------------------------------- voices


def test_each_engine_has_a_kind_of_voice_of_its_own(prompts: Path, write: Write) -> None:
    write(
        "character.yaml",
        """
voices:
  minimax: {voice_id: some, speed: 1.5}
  voicevox: {speaker: 8, speed: 1.0, pitch: 0, emotions: {sad: 9, calm: ささやき, happy: {speaker: 10, speed: 1.1}}}
  gpt_sovits:
    reference: anon.wav
    reference_text: こんにちは。
    reference_language: ja
    emotions: {sad: {reference: sad.wav, reference_text: はあ。}}
  openai: {voice_id: nova, instructions: Speak like Rin., emotions: {sad: Nearly weeping., calm: {speed: 0.9}}}
  style_bert_vits2: {model: rin, style_weight: 2, emotions: {happy: 元気, sad: {style: Sad, style_weight: 5}}}
""",
    )
    manager, reported = load(prompts)
    rin = manager.find("rin")
    assert reported == [] and rin is not None
    assert rin.voice("minimax") == Voice("some", speed=1.5) and rin.voice("embedded") == Voice()
    assert rin.voice("voicevox").options == VoicevoxVoice(
        8, emotions=PerEmotion(sad=9, calm="ささやき", happy=VoicevoxStyle(10, speed=1.1))
    )
    assert rin.voice("gpt_sovits").options == GptSovitsVoice(
        "anon.wav", "こんにちは。", emotions=PerEmotion(sad=GptSovitsRecording("sad.wav", "はあ。"))
    )
    assert rin.voice("openai").options == OpenAIVoice(
        "nova",
        instructions="Speak like Rin.",
        emotions=PerEmotion(sad="Nearly weeping.", calm=OpenAIStyle(speed=0.9)),
    )
    assert rin.voice("style_bert_vits2").options == StyleBertVits2Voice(
        "rin", style_weight=2, emotions=PerEmotion(happy="元気", sad=StyleBertVits2Style("Sad", 5))
    )
    assert len({hash(rin.voice(engine)) for engine in TTS_VENDORS}) == len(TTS_VENDORS)


def test_a_voice_may_be_another_in_each_emotion_there_is() -> None:
    assert frozenset(PerEmotion.__struct_fields__) == EMOTIONS


# ---------------------------------------------------------------- what clients are told


@pytest.mark.parametrize(
    ("content", "client"),
    [
        ("", {}),
        ("client:\n", {}),
        ("client: {}\n", {}),
        ("live2d_model_set: rin_v2\n", {"live2d_model_set": "rin_v2"}),
        ("live2d_model_set: ~\n", {}),
        ("client:\n  live2d_model_set: [a, b]\n", {"live2d_model_set": ["a", "b"]}),
        (
            "client: {live2d_model_set: a, colour: '#fff'}\nlive2d_model_set: a\n",
            {"live2d_model_set": "a", "colour": "#fff"},
        ),
        (
            "client: {scale: 1.5, n: 2, on: true, none: ~, 7: x, born: '2024-01-01', 凛: {a: [{}]}}\n",
            {"scale": 1.5, "n": 2, "on": True, "none": None, "7": "x", "born": "2024-01-01", "凛": {"a": [{}]}},
        ),
    ],
)
def test_what_is_for_clients_is_kept_as_it_is(
    prompts: Path, write: Write, content: str, client: dict[str, object]
) -> None:
    write("character.yaml", content)
    manager, reported = load(prompts)
    rin = manager.find("rin")
    assert reported == [] and rin is not None
    assert rin.client == client


def test_what_it_says_instead_of_its_prompt_is_its_own_or_a_neutral_line(prompts: Path, write: Write) -> None:
    write("character.yaml", 'deflection: {emotion: happy, jp: "ひみつ！", cn: "秘密！"}\n')
    manager, reported = load(prompts)
    rin, mei = manager.find("rin"), manager.find("mei")
    assert reported == [] and rin is not None and mei is not None
    assert manager.guard(rin).deflection == rin.deflection == Line("ひみつ！", "秘密！", "happy")
    assert manager.guard(mei).deflection == mei.deflection == neutral_deflection()


# ---------------------------------------------------------------- what the configuration says above a file


@pytest.mark.parametrize(
    ("voice", "wanted"),
    [
        (CloudVoice("other", "new"), Voice("other", "new", 1.5)),
        (CloudVoice("other"), Voice("other", "old", 1.5)),
        (CloudVoice(None, "new"), Voice("some", "new", 1.5)),
    ],
)
def test_configuration_overrides_a_voice_in_the_cloud(
    prompts: Path, write: Write, voice: CloudVoice, wanted: Voice
) -> None:
    write("character.yaml", "voices:\n  embedded: {pitch: 2}\n  minimax: {voice_id: some, model: old, speed: 1.5}\n")
    with capture_logs() as logs:
        manager = CharacterManager.load(prompts, "mei", {"rin": voice, "mei": voice, "nobody": voice})
    rin = manager.find("rin")
    assert rin is not None and rin.voice("minimax") == wanted and rin.voice("embedded") == Voice(pitch=2)
    assert manager.default.voice("minimax") == Voice(voice.voice_id, voice.model)
    (warning,) = logs
    assert "characters.nobody" in warning["event"] and warning["log_level"] == "warning"


# ---------------------------------------------------------------- refusals to start


def test_default_that_is_missing_refuses_to_start_with_place_and_mend(prompts: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        CharacterManager.load(prompts, "nobody")
    assert str(caught.value) == (
        f"characters.default: there is no character 'nobody' that can be read in {prompts} (found: mei); "
        "mend its folder or name another"
    )


def test_default_that_is_broken_refuses_to_start_after_the_report(prompts: Path) -> None:
    (prompts / "mei" / "character.yaml").write_text("no: such\n", encoding="utf-8")
    with capture_logs() as logs, pytest.raises(ConfigError, match=r"characters\.default: .*'mei'.*\(found: none\)"):
        CharacterManager.load(prompts, "mei")
    assert "line 1: no is unknown; known here: display_name" in logs[0]["event"]


def test_default_is_found_in_any_case(prompts: Path) -> None:
    assert CharacterManager.load(prompts, "MEI").default.name == "mei"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("reply_format.md", None, "is missing; it tells every character how to reply"),
        ("reply_format.md", b"\n", "is empty; it tells every character how to reply"),
        ("reply_format.md", b"one\n\xff", "line 2: not UTF-8; save the file as UTF-8"),
        ("offline_lines.yaml", b"topics: []\nlines: []\n", "line 2: lines is unknown; known here: topics, fallback"),
        ("offline_lines.yaml", b"topics: [\n", "not YAML"),
    ],
)
def test_shared_file_that_cannot_be_used_refuses_to_start_with_one_sentence(
    prompts: Path, name: str, content: bytes | None, sentence: str
) -> None:
    (prompts / name).unlink(missing_ok=True)
    if content is not None:
        (prompts / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        CharacterManager.load(prompts, "mei")
    assert str(caught.value).startswith(f"characters.folder: {prompts / name}")
    assert sentence in str(caught.value)


def test_folder_that_is_not_there_refuses_to_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"characters\.folder: .*reply_format\.md is missing"):
        CharacterManager.load(tmp_path / "nowhere", "mei")


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["mei", "MEI", "Mei", "mEI", " mei ", "mei\n", "\u3000Mei"])
def test_character_is_found_in_any_case(prompts: Path, name: str) -> None:
    manager, _ = load(prompts)
    assert manager.find(name) is manager.default


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../mei", "mei/", "./mei", "mei/.", "/mei", "//mei", "\\mei", "..\\mei", "mei\x00", "\x00mei",
     "mei\u202e", "\u202eiem", "m\u200bei", "mei.", "mei.md", "ｍｅｉ", "me\u0131", "%6dei", "mei%00", "~", "*", "m?i",
     "reply_format.md", "/etc/passwd", "../prompts/mei", "mei" * 100_000, "__class__", "mei\ud800"],
)  # fmt: skip
def test_hostile_name_is_nobody(prompts: Path, name: str) -> None:
    manager, _ = load(prompts)
    assert manager.find(name) is None
    assert manager.find(str(prompts / "mei")) is None


@given(name=st.text(st.characters()) | st.text("./\\mei\x00 ", max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_name_is_a_character_or_nobody(name: str) -> None:
    manager = CharacterManager({}, shipped().default, "")
    assert manager.find(name) is None
    found = shipped().find(name)
    assert found is None or found.name == name.strip().lower()


def test_refusal_of_an_unknown_name_lists_those_that_exist_and_does_not_echo(prompts: Path, write: Write) -> None:
    manager, _ = load(prompts)
    assert manager.unknown() == "There is no such character; there are: mei, rin"


def test_link_out_of_the_folder_is_no_character(prompts: Path, write: Write, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "character_manifest.md").write_text("Not meant for anybody.", encoding="utf-8")
    (prompts / "eve").symlink_to(outside, target_is_directory=True)
    (prompts / "rin" / "character_manifest.md").unlink()
    (prompts / "rin" / "character_manifest.md").symlink_to(outside / "character_manifest.md")
    manager, reported = load(prompts)
    assert names(manager) == ["mei"]
    assert len(reported) == 2
    assert all(f"is a link that leads out of {prompts}" in report for report in reported)


def test_link_within_the_folder_is_fine(prompts: Path, write: Write) -> None:
    """Volumes of a cluster are mounted so: every file a link into `..data` beside it."""
    (prompts / "rin" / "..data").mkdir()
    (prompts / "rin" / "..data" / "character.yaml").write_text("display_name: Rin", encoding="utf-8")
    (prompts / "rin" / "character.yaml").symlink_to("..data/character.yaml")
    (prompts / "twin").symlink_to("rin")
    manager, reported = load(prompts)
    assert reported == []
    assert [character.display_name for character in manager.all()] == ["mei", "Rin", "Rin"]


def test_folder_of_prompts_may_itself_be_a_link(prompts: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(prompts)
    assert names(load(tmp_path / "link")[0]) == ["mei"]


# ---------------------------------------------------------------- the characters of this repository

PROMPTS = PROJECT_ROOT / "prompts"


@cache
def shipped() -> CharacterManager:
    return CharacterManager.load(PROMPTS, Config().characters.default)


def test_shipped_characters_are_all_whole() -> None:
    with capture_logs() as logs:
        manager = CharacterManager.load(PROMPTS, Config().characters.default)
    assert logs == []
    assert set(names(manager)) == {path.name for path in PROMPTS.iterdir() if path.is_dir()}
    assert {"anon", "tomori"} <= set(names(manager))
    assert manager.default.name == "anon"
    assert len(manager.reply_format) > 100


def test_default_character_is_displayed_as_the_specification_says() -> None:
    assert shipped().default.display_name == "千早爱音 (Chihaya Anon)"


def test_default_character_has_sixty_answers_over_fifteen_topics() -> None:
    script = shipped().default.script
    assert script is not None
    assert len(script.topics) >= 15
    assert len({topic.name for topic in script.topics}) == len(script.topics)
    answers = [answer for topic in script.topics for answer in topic.answers]
    assert len(answers) >= 60
    assert len(set(answers)) == len(answers)


def test_every_shipped_line_can_be_spoken_and_shown() -> None:
    for character in shipped().all():
        assert character.script is not None
        answers = [*character.script.fallback, *(a for topic in character.script.topics for a in topic.answers)]
        for line in (line for answer in answers for line in answer):
            assert speakable(line.jp, character.pronunciation), (character.name, line)
            assert line.cn.strip() and line.emotion in EMOTIONS, (character.name, line)


def test_every_shipped_topic_is_found_in_three_languages() -> None:
    for character in shipped().all():
        assert character.script is not None
        for topic in character.script.topics:
            assert set(topic.phrases) == {"zh", "ja", "en"}, (character.name, topic.name)
            assert all(phrases for phrases in topic.phrases.values()), (character.name, topic.name)


def test_shipped_names_are_spoken_as_kana() -> None:
    for character in shipped().all():
        assert speakable("愛音と燈", character.pronunciation) == "アノンとトモリ"
        assert speakable("爱音と灯", character.pronunciation) == "アノンとトモリ"


def test_shipped_characters_have_a_voice_on_the_embedded_engine_and_differ() -> None:
    voices = [character.voice("embedded") for character in shipped().all()]
    assert len(set(voices)) == len(voices)
    assert all(character.greeting and character.description for character in shipped().all())


def test_no_code_names_a_character() -> None:
    """But for the default of `characters.default`, which has to name one."""
    known = "|".join([*names(shipped()), "愛音", "爱音", "千早", "高松", "chihaya", "takamatsu"])
    named = re.compile(rf"(?<![a-z])({known})(?![a-z])", re.IGNORECASE)
    found = []
    for folder in ("server", "services", "conversation", "stores"):
        for path in sorted((PROJECT_ROOT / folder).rglob("*.py")):
            for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
                if token.type in (tokenize.NAME, tokenize.STRING) and named.search(token.string):
                    found.append((path.relative_to(PROJECT_ROOT).as_posix(), token.string))
    assert found == [("server/config.py", '"anon"')]
