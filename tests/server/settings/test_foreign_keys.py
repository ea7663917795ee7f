"""A config.yaml of the original server in: what of it means something here, and what is told of it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from server.config import ConfigError, Settings, load

ORIGINAL = """\
server:
  host: "127.0.0.1"
  port: 8765
  debug: false
logging:
  level: "WARNING"
  format: "%(asctime)s %(message)s"
  handlers: [console, file]
resources:
  asr_resource_id: "volc.seedasr.sauc.duration"
  cache: {path: tmp, days: 3}
audio:
  asr_sample_rate: 16000
  asr_segment_duration_ms: 200
  tts_sentence_gap_seconds: 0.5
characters:
  anon:
    voice_id: "AnonVoice"
    tts_model: "speech-2.6-hd"
    colour: pink
  Tomori: {voice_id: TomoriVoice}
"""


def read(root: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    (root / "config.yaml").write_text(text, "utf-8")
    return load(environ or {}, root)


def test_what_means_something_is_taken_over_and_the_rest_is_told_of_in_one_line(tmp_path: Path) -> None:
    settings = read(tmp_path, ORIGINAL)
    config = settings.config
    assert (config.server.host, config.log.level) == ("127.0.0.1", "warning")
    assert config.models.asr_resource_id == "volc.seedasr.sauc.duration"
    voices = {name: (voice.voice_id, voice.model) for name, voice in settings.voices.items()}
    assert voices == {"anon": ("AnonVoice", "speech-2.6-hd"), "tomori": ("TomoriVoice", None)}
    (warning,) = settings.warnings
    assert warning.isprintable() and str(tmp_path) in warning
    idle = {
        "logging.format": 7,
        "logging.handlers": 8,
        "resources.cache.path": 11,
        "resources.cache.days": 11,
        "audio.asr_segment_duration_ms": 14,
        "audio.tts_sentence_gap_seconds": 15,
        "characters.anon.colour": 20,
    }
    assert [key for key, line in idle.items() if f"{key} (line {line})" not in warning] == []
    assert warning.count("(line") == len(idle)


@pytest.mark.parametrize(
    ("text", "environ", "level"),
    [
        ("server: {debug: true}", {}, "debug"),
        ("server: {debug: false}", {}, "info"),
        ("server: {debug: on}\nlogging: {level: ERROR}", {}, "debug"),
        ("logging: {level: ERROR}", {}, "error"),
        ("logging: {level: Warn}", {}, "warning"),
        ("logging: {level: FATAL}", {}, "critical"),
        ("", {"CHATANON_LOGGING__LEVEL": "DEBUG"}, "debug"),
        ("logging: {level: ERROR}", {"CHATANON_LOGGING__LEVEL": "debug"}, "debug"),
        ("", {"CHATANON_SERVER__DEBUG": "true"}, "debug"),
        ("server: {debug: true}", {"CHATANON_SERVER__DEBUG": "false"}, "info"),
        ("logging:", {}, "info"),
        ("server:\n  debug:", {}, "info"),
    ],
)
def test_how_much_is_logged(tmp_path: Path, text: str, environ: dict[str, str], level: str) -> None:
    settings = read(tmp_path, text, environ)
    assert settings.config.log.level == level
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("text", "environ", "level", "told"),
    [
        ("log: {level: error}\nlogging: {level: debug}", {}, "error", ["logging.level (line 2)"]),
        ("server: {debug: true}", {"CHATANON_LOG__LEVEL": "error"}, "error", ["server.debug (line 1)"]),
        ("logging: {level: loud}", {}, "info", ["logging.level (line 1)"]),
        ("logging: {level: [a]}", {}, "info", ["logging.level (line 1)"]),
        ("logging: 7", {}, "info", ["logging (line 1)"]),
        ("server: {debug: 7}", {}, "info", ["server.debug (line 1)"]),
        ("resources: {asr_resource_id: 7, a: 1}", {}, "info", ["resources.asr_resource_id (line 1)", "resources.a ("]),
        ("", {"CHATANON_LOGGING__FORMAT": "x"}, "info", ["logging.format (CHATANON_LOGGING__FORMAT)"]),
        ("", {"CHATANON_AUDIO__TTS_SENTENCE_GAP_SECONDS": "1"}, "info", ["(CHATANON_AUDIO__TTS_SENTENCE_GAP_SECONDS)"]),
        ("characters: {anon: {voice_id: true}}", {}, "info", ["characters.anon.voice_id (line 1)"]),
        ("characters: {anon: {voice_id: ''}}", {}, "info", ["characters.anon.voice_id (line 1)"]),
    ],
)
def test_what_is_not_used_is_told_and_refuses_nothing(
    tmp_path: Path, text: str, environ: dict[str, str], level: str, told: list[str]
) -> None:
    settings = read(tmp_path, text, environ)
    assert settings.config.log.level == level
    (warning,) = settings.warnings
    assert [each for each in told if each not in warning] == []
    assert settings.voices == {}


@pytest.mark.parametrize(
    "environ",
    [
        {"CHATANON_CHARACTERS__ANON__VOICE_ID": "B", "CHATANON_CHARACTERS__ANON__TTS_MODEL": "m"},
        {"CHATANON_CHARACTERS__ANON": "{voice_id: B, tts_model: m}"},
    ],
)
def test_a_voice_is_overridden_by_the_environment(tmp_path: Path, environ: dict[str, str]) -> None:
    settings = read(tmp_path, "characters: {default: tomori, anon: {voice_id: A}}", environ)
    assert (settings.voices["anon"].voice_id, settings.voices["anon"].model) == ("B", "m")
    assert (settings.config.characters.default, settings.warnings) == ("tomori", ())


def test_a_voice_of_digits_alone_needs_no_quotes(tmp_path: Path) -> None:
    assert read(tmp_path, "characters: {anon: {voice_id: 2047}}").voices["anon"].voice_id == "2047"


@pytest.mark.parametrize(
    ("text", "environ", "parts"),
    [
        ("server: {debag: true}", {}, ["server.debag is unknown"]),
        ("loging: {level: x}", {}, ["loging is unknown"]),
        ("audio: {tts_sentence_gap: 1}", {}, ["audio.tts_sentence_gap is unknown"]),
        ("characters: {defualt: anon}", {}, ["did you mean characters.default?"]),
        ("characters: {folder: {voice_id: x}}", {}, ["characters.folder must be one line of text, not a section"]),
        ("", {"CHATANON_CHARACTERS__DEFUALT": "anon"}, ["did you mean characters.default?"]),
        ("", {"CHATANON_CHARACTERS__ANON": "{voice_id: ["}, ["CHATANON_CHARACTERS__ANON: this is not valid YAML"]),
        ("", {"CHATANON_SERVER__DEBAG": "1"}, ["CHATANON_SERVER__DEBAG"]),
    ],
)
def test_every_other_unknown_key_refuses_to_start(
    tmp_path: Path, text: str, environ: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text, environ)
    assert [part for part in parts if part not in str(refused.value)] == [], str(refused.value)


def test_what_stands_in_such_a_key_is_never_shown(tmp_path: Path) -> None:
    text = "logging: {api_key: sEcReT1, 'sEcReT2!': 1}\nresources: [sEcReT3]\n"
    settings = read(tmp_path, text, {"CHATANON_LOGGING__TOKEN": "sEcReT4"})
    assert settings.warnings and "sEcReT" not in repr(settings.warnings)
