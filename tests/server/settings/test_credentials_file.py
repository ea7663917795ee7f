"""credentials.py and the environment in, keys and tokens or a refusal out, and nowhere a word of what is secret."""

import contextlib
import hashlib
import io
import shutil
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.config import PROJECT_ROOT, ConfigError, Secrets, Settings, load
from server.settings.credentials_file import KEY_NAMES

STRONG = "Zr8kV1n0cYH3uQmB5tXw2A"  # 22 characters
HASHED = "sha256:" + hashlib.sha256(b"token1").hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").touch()
    return tmp_path


def read_credentials(root: Path, text: str | bytes, environ: Mapping[str, str] | None = None) -> Settings:
    (root / "credentials.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(environ or {}, root)


def refusal(what: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as refused:
        what()
    sentence = str(refused.value)
    assert sentence.isprintable(), "one line"
    return sentence


def test_copied_example_of_credentials_is_demo_mode_without_keys(root: Path) -> None:
    shutil.copy(PROJECT_ROOT / "credentials.example.py", root / "credentials.py")
    copied = load({}, root)
    assert copied.demo
    assert dict(copied.secrets.values) == {}
    (warning,) = copied.warnings
    assert all(name in warning for name in KEY_NAMES)


def test_an_empty_credentials_variable_means_no_file(root: Path) -> None:
    assert not read_credentials(root, f"VALID_API_TOKENS = '{STRONG}'").demo
    assert load({"CHATANON_CREDENTIALS": ""}, root).demo


# Keys


def test_keys_come_from_the_environment_before_the_file(root: Path) -> None:
    both = read_credentials(
        root,
        "DOUBAO_API_KEY = 'file'\nMINIMAX_API_KEY = ' file '\nBYTEDANCE_APP_KEY = 'file'\nBYTEDANCE_API_KEY = None\n",
        {"DOUBAO_API_KEY": "\tenvironment\n", "MINIMAX_API_KEY": " ", "BYTEDANCE_APP_KEY": "Your_app_key"},
    )
    assert dict(both.secrets.values) == {
        "DOUBAO_API_KEY": "environment",
        "MINIMAX_API_KEY": "file",
        "BYTEDANCE_APP_KEY": "file",
    }
    assert both.secrets.get("DOUBAO_API_KEY") == "environment" and both.secrets.get("BYTEDANCE_API_KEY") is None
    (warning,) = both.warnings
    assert warning.startswith("the environment: BYTEDANCE_APP_KEY ignored")


@pytest.mark.parametrize("value", ["'a\\nb'", "'a\\x00b'", "'a\\u200bb'", "'密钥'", "5", "b'a'", "['a']"])
def test_a_key_that_cannot_be_one_refuses_by_name(root: Path, value: str) -> None:
    sentence = refusal(lambda: read_credentials(root, f"DOUBAO_API_KEY = {value}\n"))
    assert sentence.startswith(f"{root / 'credentials.py'}: DOUBAO_API_KEY ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A = 1\nDOUBAO_API_KEY = “sk-1”\n", 2),
        ("A = 1\nDOUBAO_API_KEY = 'sk-1\n", 2),
        ("DOUBAO_API_KEY = sk_1\n", 1),
        ("def key():\n    raise ValueError('sk-1')\n\nDOUBAO_API_KEY = key()\n", 2),
        ("import sys\nsys.exit('sk-1')\n", 2),
        ("import json\n\njson.loads('sk-1')\n", 3),
        (b"A = '\xff sk-1'\n", 1),
        ("A = 1\0 'sk-1'\n", 1),
        ("A = " + "(" * 500 + "'sk-1'" + ")" * 500, 1),
    ],
)
def test_an_error_in_credentials_refuses_with_its_line_and_without_its_words(
    root: Path, text: str | bytes, line: int
) -> None:
    sentence = refusal(lambda: read_credentials(root, text))
    assert sentence.startswith(f"{root / 'credentials.py'}, line {line}: ")
    assert "sk" not in sentence


def test_a_misspelt_name_in_credentials_is_warned_of(root: Path) -> None:
    (warning,) = read_credentials(root, "MINIMAX_APIKEY = 'a'\nOTHER = 1\n").warnings
    assert "MINIMAX_APIKEY is not read; did you mean MINIMAX_API_KEY?" in warning


# Tokens


@pytest.mark.parametrize(
    "shape",
    [f"'{STRONG}, {HASHED},, {STRONG},your_token_1'", f"['{STRONG}', ' {HASHED} ', '', 'YOUR_x']",
     f"('{STRONG}', 'SHA256:{HASHED[7:].upper()}')", f"{{'{STRONG}': 'a phone', '{HASHED}': None}}",
     f"{{'{STRONG}', '{HASHED}'}}"],
)  # fmt: skip
def test_tokens_may_have_any_of_the_shapes(root: Path, shape: str) -> None:
    accepted = read_credentials(root, f"VALID_API_TOKENS = {shape}\n")
    assert set(accepted.secrets.tokens) == {STRONG, HASHED} and len(accepted.secrets.tokens) == 2
    assert not accepted.demo
    assert len(accepted.warnings) == ("your" in shape.lower())


def test_order_of_tokens_is_kept(root: Path) -> None:
    assert load({"VALID_API_TOKENS": "b,a,c,a"}, root).secrets.tokens == ("b", "a", "c")


@pytest.mark.parametrize("unset", ["", " , ,", "your_token_1,YOUR_token_2"])
def test_tokens_that_are_none_fall_through_to_the_file_and_then_to_demo_mode(root: Path, unset: str) -> None:
    assert load({"VALID_API_TOKENS": unset}, root).demo
    assert read_credentials(root, f"VALID_API_TOKENS = ['{STRONG}']", {"VALID_API_TOKENS": unset}).secrets.tokens == (
        STRONG,
    )


def test_short_tokens_work_and_are_counted_in_one_warning(root: Path) -> None:
    short = load({"VALID_API_TOKENS": f"token1,token2,{STRONG},{HASHED},{STRONG[:-1]}"}, root)
    assert len(short.secrets.tokens) == 5
    (warning,) = short.warnings
    assert "3 of 5" in warning and "token1" not in warning


@pytest.mark.parametrize(
    "entries",
    ["['a', 5]", "['a', b'x']", "['a', None]", "{'a': 1, 5: 2}", "['a', 'x\\ny']", "'a,x\\x07'", "'a,sha256:12'",
     f"'a,{HASHED}0'", f"'a,{HASHED[:-1]}g'", "['a', ['x']]"],
)  # fmt: skip
def test_a_token_that_cannot_be_one_refuses_by_position(root: Path, entries: str) -> None:
    sentence = refusal(lambda: read_credentials(root, f"VALID_API_TOKENS = {entries}\n"))
    assert sentence.startswith(f"{root / 'credentials.py'}: VALID_API_TOKENS, entry 2: ")


@pytest.mark.parametrize("value", ["5", "True", "b'abc'", "object()"])
def test_tokens_of_no_known_shape_refuse(root: Path, value: str) -> None:
    assert "a text with commas, a list" in refusal(lambda: read_credentials(root, f"VALID_API_TOKENS = {value}\n"))


# Nothing that is secret is ever shown


# As `docker --env-file`, `set X="..."` of cmd, systemd's Environment= and pasted documents leave them.
QUOTED = [
    (f'"{STRONG},{STRONG}2"', (STRONG, f"{STRONG}2")),
    (f"'{STRONG},{STRONG}2'", (STRONG, f"{STRONG}2")),
    (f'"{STRONG}","{STRONG}2"', (STRONG, f"{STRONG}2")),
    (f'"{STRONG}", {STRONG}2', (STRONG, f"{STRONG}2")),
    (f"{STRONG},'{STRONG}2'", (STRONG, f"{STRONG}2")),
    (f"“{STRONG}”", (STRONG,)),
    (f"「{STRONG}」", (STRONG,)),
    (f' " {STRONG} " ', (STRONG,)),
    (f'"{HASHED}"', (HASHED,)),
]


@pytest.mark.parametrize(("value", "tokens"), QUOTED)
def test_quotes_around_tokens_are_taken_off_and_named(root: Path, value: str, tokens: tuple[str, ...] | None) -> None:
    read = load({"VALID_API_TOKENS": value}, root)
    assert read.secrets.tokens == tokens
    (warning,) = [warning for warning in read.warnings if "quotes" in warning]
    assert "VALID_API_TOKENS" in warning and STRONG not in warning


@pytest.mark.parametrize("name", KEY_NAMES)
@pytest.mark.parametrize("quotes", ['""', "''", "“”", "‘’"])
def test_quotes_around_keys_are_taken_off_and_named(root: Path, name: str, quotes: str) -> None:
    read = load({name: f"{quotes[0]}sk-{STRONG}{quotes[1]}"}, root)
    assert dict(read.secrets.values) == {name: f"sk-{STRONG}"}
    (warning,) = [warning for warning in read.warnings if "quotes" in warning]
    assert name in warning and STRONG not in warning


@pytest.mark.parametrize("value", [STRONG, f"a'{STRONG}", f'{STRONG}"', f'{STRONG}"b'])
def test_a_quote_that_is_part_of_a_token_stays(root: Path, value: str) -> None:
    read = load({"VALID_API_TOKENS": value}, root)
    assert read.secrets.tokens == (value,) and not any("quotes" in warning for warning in read.warnings)


def test_secrets_show_names_and_counts_only() -> None:
    secrets = Secrets({"DOUBAO_API_KEY": "sk-1"}, ("token1",))
    for shown in (repr(secrets), str(secrets), f"{secrets}", repr(secrets.values), str({"all": secrets})):
        assert "sk-1" not in shown and "token1" not in shown
        assert "DOUBAO_API_KEY" in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(secrets)


@dataclass(frozen=True)
class Written:
    """What an operator wrote, with <S> where the secret stands and <R> where it stands in Python's quotes."""

    config: str = ""
    credentials: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)

    def with_secret(self, secret: str) -> "Written":
        environ = {name: value.replace("<S>", secret) for name, value in self.environ.items()}
        credentials = self.credentials.replace("<S>", secret).replace("<R>", repr(secret))
        return Written(self.config.replace("<S>", secret), credentials, environ)


PLACES = [
    *(
        Written(environ={name: before + "<S>"})
        for name in ("DOUBAO_API_KEY", "VALID_API_TOKENS")
        for before in ("", "your_", "sha256:", "a,", "a\nb", "\x00")
    ),
    *(
        Written(environ={f"CHATANON_{name}": text})
        for name in ("SERVER__PORT", "LLM__REASONING_EFFORT", "ENDPOINTS__LLM", "LIMITS__MAX_AUDIO_SECONDS",
                     "PROTOCOL__DEFAULT_EXTENSIONS", "SERVER__ALLOWED_ORIGINS")
        for text in ("<S>", "[<S>", "{batch: <S>}", "https://<S>@host/", "https://a:<S>@host/?<S>", "*<S>", "!<S> 1")
    ),
    *(
        Written(credentials=text)
        for text in (
            "DOUBAO_API_KEY = <R>", "DOUBAO_API_KEY = <S>", "DOUBAO_API_KEY = '<S>", "DOUBAO_API_KEY = [<R>]",
            "DOUBAO_API_KEY = <R>.encode()", "DOUBAO_API_KEY = '\\d<S>'", "MINIMAX_APIKEY = <R>", "<R> = 1", "<S>",
            "raise ValueError(<R>)", "{}[<R>]", "int(<R>)", "import warnings; warnings.warn(<R>)", "assert 0 is <R>",
            "VALID_API_TOKENS = {<R>: 1}", "VALID_API_TOKENS = [5, <R>]", "VALID_API_TOKENS = ['a\\nb', <R>]",
            "VALID_API_TOKENS = ['sha256:' + <R>]", "VALID_API_TOKENS = <R>.encode()", "raise SystemExit(<R>)",
        )
    ),
    *(
        Written(config=text)
        for text in (
            "<S>", "server: <S>", "server:\n  port: <S>", "server:\n  port: '<S>", "server: {DOUBAO_API_KEY:<S>}",
            "models: &<S> 1", "models: *<S>", "models: !<S> 1", "%<S>\n---\n", "endpoints: {tts: 'wss://<S>@a/'}",
            "MINIMAX_API_KEY: <S>", "llm: {reasoning_effort: <S>}", 'log: "\\<S>', "server: {cors_origins: [<S>]}",
        )
    ),
]  # fmt: skip


def shown_by_loading(written: Written) -> str:
    """All that loading gives to eyes: the settings, or the refusal with its traceback; and standard error."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as stderr:
        root = Path(folder)
        (root / "config.yaml").write_text(written.config, "utf-8")
        (root / "credentials.py").write_text(written.credentials, "utf-8")
        try:
            loaded = load(written.environ, root)
        except ConfigError as error:
            assert all(line.isprintable() for line in str(error).splitlines())
            return "".join([repr(error), *traceback.format_exception(error), stderr.getvalue()])
    return f"{loaded!r} {loaded} {loaded.warnings} {stderr.getvalue()}"


@pytest.mark.parametrize("place", PLACES, ids=repr)
def test_a_plain_secret_is_never_shown(place: Written) -> None:
    assert "cAnArY7" not in shown_by_loading(place.with_secret("cAnArY7Zr8kV1n0cYH3uQmB5tXw2A"))


@given(place=st.sampled_from(PLACES), rest=st.text("aZ09-_./+='\"\\ \n\t密", max_size=12))
@settings(max_examples=300, deadline=None)
def test_no_secret_is_ever_shown(place: Written, rest: str) -> None:
    assert "cAnArY7" not in shown_by_loading(place.with_secret("cAnArY7" + rest))
