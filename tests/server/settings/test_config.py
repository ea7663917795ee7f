"""What the operator writes in, what the server starts from or a one-sentence refusal out."""

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from server.config import PROJECT_ROOT, Config, ConfigError, LLMConfig, Settings, SSLConfig, load
from server.settings.config_file import MAX_BYTES
from server.settings.key_words import key_paths

SPECIFICATION_SAMPLE = """\
server:
  host: "0.0.0.0"
  port: 8765

endpoints:
  asr: "wss://openspeech.bytedance.com/api/v3/sauc/bigmodel_async"
  tts: "wss://api.minimaxi.com/ws/v1/t2a_v2"
  llm: "https://ark.cn-beijing.volces.com/api/v3"

ssl:
  verify_tts: false  # MiniMax may require this

timeouts:
  websocket_connect: 30.0  # Initial connection timeout
  websocket_receive: 0.01  # Non-blocking receive timeout

models:
  llm_model: "doubao-seed-1-6-lite-251015"
  tts_model: "speech-2.8-hd"

audio:
  asr_sample_rate: 16000
  tts_sample_rate: 16000
  channels: 1
  bits: 16

llm:
  stream: false
  reasoning_effort: "low"  # Options: low, medium, high
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").touch()
    return tmp_path


def read(root: Path, text: str | bytes = "", environ: Mapping[str, str] | None = None) -> Settings:
    (root / "config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(environ or {}, root)


def refusal(what: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as refused:
        what()
    sentence = str(refused.value)
    assert sentence.isprintable(), "one line"
    return sentence


# The files as they are shipped


def has_key(tree: object, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def test_shipped_file_is_the_defaults_and_says_every_key() -> None:
    shipped = load({"CHATANON_CREDENTIALS": ""})
    assert shipped.config == Config()
    assert shipped.warnings == ()
    tree = yaml.safe_load((PROJECT_ROOT / "config.yaml").read_text("utf-8"))
    assert [path for path in key_paths(Config) if not has_key(tree, path)] == []


def test_shipped_file_keeps_the_order_of_the_specification_and_comments_every_value() -> None:
    shipped = (PROJECT_ROOT / "config.yaml").read_text("utf-8")
    ours = list(key_paths_of(yaml.safe_load(shipped)))
    wanted = list(key_paths_of(yaml.safe_load(SPECIFICATION_SAMPLE)))
    assert [path for path in ours if path in wanted] == wanted
    assert [line for line in shipped.splitlines() if re.search(r"^ +\w+: \S", line) and "#" not in line] == []


def key_paths_of(tree: Mapping[str, Mapping[str, object]]) -> list[tuple[str, str]]:
    return [(section, key) for section, keys in tree.items() for key in keys]


def test_sample_of_the_specification_loads_verbatim(root: Path) -> None:
    sample = read(root, SPECIFICATION_SAMPLE)
    assert sample.config == msgspec.structs.replace(
        Config(), ssl=SSLConfig(verify_tts=False), llm=LLMConfig(stream=False, reasoning_effort="low")
    )
    (warning,) = sample.warnings
    assert "ssl.verify_tts" in warning


def test_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Config().server.port = 1  # type: ignore[misc]


# Where it is read from


def test_without_any_file_every_key_has_its_default_and_it_is_said(tmp_path: Path) -> None:
    bare = load({}, tmp_path)
    assert bare.config == Config() and bare.demo and bare.source == "defaults"
    (warning,) = bare.warnings
    assert "config.yaml" in warning


def test_variables_name_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.yaml").write_text("server: {port: 9}\n")
    (tmp_path / "mounted.py").write_text("VALID_API_TOKENS = 'a'\n")
    monkeypatch.chdir(tmp_path)
    named = load({"CHATANON_CONFIG": "other.yaml", "CHATANON_CREDENTIALS": "mounted.py"}, tmp_path / "nowhere")
    assert named.config.server.port == 9 and named.secrets.tokens == ("a",) and named.source == "other.yaml"


@pytest.mark.parametrize("variable", ["CHATANON_CONFIG", "CHATANON_CREDENTIALS"])
@pytest.mark.parametrize("name", ["missing", "", "x" * 300, "a\0b"])
def test_a_named_file_that_cannot_be_read_refuses(root: Path, variable: str, name: str) -> None:
    sentence = refusal(lambda: load({variable: f"{root}/{name}"}, root))  # "" leaves the directory itself
    assert str(root) in sentence and variable in sentence


def test_a_file_far_too_large_refuses(root: Path) -> None:
    assert "larger than" in refusal(lambda: read(root, b"#" * (MAX_BYTES + 1)))


@pytest.mark.parametrize("text", ["", "# only words\n", "---\n", "server:\n", "limits:\n  max_audio_seconds:\n", "~"])
def test_nothing_written_means_the_defaults(root: Path, text: str) -> None:
    assert read(root, text).config == Config()


def test_byte_order_mark_and_foreign_line_ends_are_accepted(root: Path) -> None:
    assert read(root, b"\xef\xbb\xbfserver:\r\n  port: 9\r\n").config.server.port == 9


# Overrides


@pytest.mark.parametrize(
    ("variable", "text", "path", "wanted"),
    [
        ("CHATANON_SERVER__PORT", " 9000\r", "server.port", 9000),
        ("CHATANON_server__Port", "0", "server.port", 0),
        ("CHATANON_LLM__STREAM", "false", "llm.stream", False),
        ("CHATANON_TIMEOUTS__LLM_GAP", "1.5e1", "timeouts.llm_gap", 15),
        ("CHATANON_LLM__CONTEXT_TOKENS", "8_000", "llm.context_tokens", 8000),
        ("CHATANON_LIMITS__MAX_AUDIO_SECONDS__BATCH", "30", "limits.max_audio_seconds.batch", 30),
        ("CHATANON_LIMITS__MAX_AUDIO_SECONDS", "{stream: 7}", "limits.max_audio_seconds.stream", 7),
        ("CHATANON_LIMITS__MAX_AUDIO_SECONDS", "{stream: 7}", "limits.max_audio_seconds.batch", 50),
        ("CHATANON_LIMITS__TURNS_PER_MINUTE", "0", "limits.turns_per_minute", 0),
        ("CHATANON_MODELS__LLM_MODEL", "8000", "models.llm_model", "8000"),
        ("CHATANON_MODELS__LLM_MODEL", "a: [b", "models.llm_model", "a: [b"),
        ("CHATANON_CHARACTERS__DEFAULT", "no", "characters.default", "no"),
        ("CHATANON_LLM__REASONING_EFFORT", "none", "llm.reasoning_effort", "none"),
        ("CHATANON_SERVER__CORS_ORIGINS", "https://a, null", "server.cors_origins", ("https://a", "null")),
        ("CHATANON_SERVER__CORS_ORIGINS", "[https://a]", "server.cors_origins", ("https://a",)),
        ("CHATANON_SERVER__CORS_ORIGINS", "[]", "server.cors_origins", ()),
        ("CHATANON_SERVER__ALLOWED_ORIGINS", "*", "server.allowed_origins", ("*",)),
        ("CHATANON_ENGINES__LLM", "doubao", "engines.llm", ("doubao",)),
        ("CHATANON_ENGINES__LLM", "doubao, embedded", "engines.llm", ("doubao", "embedded")),
        ("CHATANON_SERVER__PORT", "", "server.port", 8000),
        ("CHATANON_SERVER_PORT", "1", "server.port", 8000),
    ],
)  # fmt: skip
def test_a_variable_overrides_its_key(root: Path, variable: str, text: str, path: str, wanted: object) -> None:
    file = "server: {port: 8000}\nlimits: {max_audio_seconds: {batch: 50}}\n"
    value: object = read(root, file, {variable: text}).config
    for name in path.split("."):
        value = getattr(value, name)
    assert value == wanted and type(value) in (type(wanted), float)


EXTENSIONS, BROWSERS = "CHATANON_PROTOCOL__DEFAULT_EXTENSIONS", "CHATANON_PROTOCOL__DEFAULT_EXTENSIONS__BROWSERS"


@pytest.mark.parametrize(
    ("file", "environ", "browsers", "others"),
    [
        ("", {}, (), ()),
        ("[]", {}, (), ()),
        ("[stages, turns]", {}, ("stages", "turns"), ("stages", "turns")),
        ("{browsers: [stages]}", {}, ("stages",), ()),
        ("{browsers: [], others: [turns]}", {}, (), ("turns",)),
        ("\n    browsers: [stages]\n    others:\n      - turns\n", {}, ("stages",), ("turns",)),
        ("{browsers: [stages]}", {EXTENSIONS: "turns, history"}, ("turns", "history"), ("turns", "history")),
        ("[stages]", {EXTENSIONS: "[]"}, (), ()),
        ("{browsers: [sentence_responses, stages]}", {}, ("sentence_responses", "stages"), ()),
        ("[stages]", {EXTENSIONS: "{browsers: [turns]}"}, ("turns",), ("stages",)),
        ("[stages]", {BROWSERS: "turns,history"}, ("turns", "history"), ("stages",)),
        ("", {EXTENSIONS: "turns", BROWSERS: "[]"}, (), ("turns",)),
        ("", {EXTENSIONS: "  "}, (), ()),
    ],
)  # fmt: skip
def test_extensions_are_given_to_all_or_to_browsers_and_others_apart(
    root: Path, file: str, environ: dict[str, str], browsers: tuple[str, ...], others: tuple[str, ...]
) -> None:
    protocol = read(root, f"protocol:\n  default_extensions: {file}\n", environ).config.protocol
    assert protocol.default_extensions_for(browser=True) == browsers
    assert protocol.default_extensions_for(browser=False) == others


def test_a_key_overrides_its_section(root: Path) -> None:
    names = {"CHATANON_LIMITS__MAX_AUDIO_SECONDS": "{batch: 1, stream: 2}"}
    names["CHATANON_LIMITS__MAX_AUDIO_SECONDS__BATCH"] = "3"
    seconds = load(names, root).config.limits.max_audio_seconds
    assert (seconds.batch, seconds.stream) == (3, 2)


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"CHATANON_SERVER__PROT": "1"}, ["CHATANON_SERVER__PROT", "did you mean server.port?"]),
        ({"CHATANON_SRV__PORT": "1"}, ["CHATANON_SRV__PORT", "srv is unknown"]),
        ({"CHATANON_SERVER__PORT__X": "1"}, ["server.port is one value"]),
        ({"CHATANON_SERVER__": ""}, ["CHATANON_SERVER__"]),
        ({"CHATANON___": ""}, ["CHATANON___"]),
        ({"CHATANON_SERVER__PORT": "x"}, ["CHATANON_SERVER__PORT: server.port must be a whole number"]),
        ({"CHATANON_SERVER__PORT": "{a: 1}"}, ["server.port", "not a section"]),
        ({"CHATANON_SERVER__PORT": "1", "CHATANON_SERVER__port": "2"}, ["both set server.port"]),
        ({"CHATANON_PROTOCOL__DEFAULT_EXTENSIONS": "turns,trun"}, ["default_extensions (item 2)", "mean turns?"]),
        ({"CHATANON_LIMITS__MAX_AUDIO_SECONDS": "{batch: [}"}, ["AUDIO_SECONDS: this is not valid YAML"]),
        ({"CHATANON_ENDPOINTS__TTS": "https://a/"}, ["CHATANON_ENDPOINTS__TTS: endpoints.tts", "wss://"]),
    ],
)  # fmt: skip
def test_a_variable_that_fits_no_key_refuses(root: Path, environ: dict[str, str], parts: list[str]) -> None:
    sentence = refusal(lambda: load(environ, root))
    assert sentence.startswith("environment")
    assert [part for part in parts if part not in sentence] == [], sentence


# Refusals: the place, what is wrong, the mend


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("server:\n  prot: 1\n", ["line 2", "server.prot is unknown", "did you mean server.port?"]),
        ("port: 1\n", ["line 1", "port is unknown", "did you mean server.port?"]),
        ("\nsevrer:\n  port: 1\n", ["line 2", "did you mean server?"]),
        ("qqq: 1\n", ["known here: server, endpoints"]),
        ("8765: 1\n", ["line 1", "this key of the file is unknown"]),
        ("? [a]\n: 1\n", ["line 1", "is unknown"]),
        ("DOUBAO_API_KEY: x\n", ["credentials.py"]),
        ("limits:\n  max_audio_seconds:\n    bath: 1\n", ["line 3", "limits.max_audio_seconds.bath", "batch?"]),
        ("server:\n  port: eight\n", ["line 2", "server.port must be a whole number from 0 to 65535"]),
        ("server:\n  port: '8765'\n", ["write it without quotes"]),
        ("server:\n  port: 65536\n", ["not 65536"]),
        ("server:\n  port: true\n", ["not true"]),
        ("server:\n  port: 8765.0\n", ["not 8765.0"]),
        ("server:\n  port: 0100\n", ["server.port", "this text"]),
        ("server:\n  port: 1:30\n", ["server.port", "this text"]),
        ("server:\n  port:\n", ["empty", "leave the key out"]),
        ("server:\n  port: [1]\n", ["not a list"]),
        ("server:\n  host: 5\n", ["line 2", "server.host", "put it in quotes"]),
        ("server:\n  host: ' '\n", ["server.host must be one line of text, not blank"]),
        ("server:\n  allowed_origins: '*'\n", ["must be a list", "put it in [ and ]"]),
        ("server:\n  allowed_origins:\n    - '*'\n    - https://a.example/\n", ["line 4", "(item 2)", "origin"]),
        ("server:\n  allowed_origins: *\n", ["line 2", '"*" in quotes']),
        ("engines:\n  llm: 5\n", ["line 2", "engines.llm must be a name, or names in [ and ], not 5"]),
        ("engines:\n  llm: ' '\n", ["line 2", "engines.llm must be one line of text, not blank"]),
        ("engines:\n  llm: [doubao, 5]\n", ["line 2", "engines.llm (item 2)"]),
        ("engines:\n  llm: []\n", ["line 2", "engines.llm must be a name, or names in [ and ], not an empty list"]),
        ("server:\n  cors_origins: [*]\n", ["line 2", '"*" in quotes']),
        ("server: 5\n", ["line 1", "server must be a section"]),
        ("server: [a]\n", ["server must be a section"]),
        ("- a\n", ["the whole must be a section"]),
        ("hello", ["the whole must be a section"]),
        ("server: {port: 1}\nllm: {}\nserver: {port: 2}\n", ["line 3", "server is given twice (first in line 1)"]),
        ("server:\n  port: 1\n  port: 1\n", ["line 3", "server.port is given twice (first in line 2)"]),
        ("server:\n\tport: 1\n", ["line 2, column 1", "not valid YAML", "check the indentation"]),
        ("server: {port: 1\n", ["line 2", "not valid YAML: expected ',' or '}', but got '<stream end>'"]),
        ("a: 1\n---\nb: 2\n", ["not valid YAML", "line 2"]),
        ("a: &a [1]\nb: [*a, *a]\n", ["line 1", "anchors and aliases"]),
        ("server: !!python/object/apply:os.getcwd []\n", ["line 1", "tags (!)"]),
        ("a: " + "[" * 50_000, ["nested too deeply"]),
        ('a: "\\UFFFFFFFF"\n', ["not valid YAML"]),
        ("server:\n  port: 1\x01\n", ["line 2", "control character"]),
        ("timeouts: {llm_gap: 0}\n", ["a number above 0 and at most 86400"]),
        ("timeouts: {llm_gap: .inf}\n", ["timeouts.llm_gap"]),
        ("timeouts: {llm_gap: 1e999}\n", ["timeouts.llm_gap"]),
        ("audio: {channels: 2}\n", ["audio.channels must be 1, not 2"]),
        ("audio: {bits: 8}\n", ["audio.bits must be 16, not 8"]),
        ("audio: {tts_sample_rate: 48000}\n", ["one of 8000, 16000, 22050, 24000, 32000, 44100"]),
        ("audio: {asr_sample_rate: 7999}\n", ["from 8000 to 48000"]),
        ("llm: {reasoning_effort: hihg}\n", ["one of none, minimal", "did you mean high?"]),
        ("llm: {stream: 1}\n", ["true or false, not 1"]),
        ("limits: {queued_messages: 0}\n", ["limits.queued_messages", "from 1"]),
        ("limits: {turns_per_minute: -1}\n", ["limits.turns_per_minute", "from 0"]),
        ("limits: {resume_seconds: -1}\n", ["limits.resume_seconds must be a number from 0 to 86400, not -1"]),
        ("protocol: {default_extensions: [turn]}\n", ["default_extensions (item 1)", "did you mean turns?"]),
        ("protocol: {default_extensions: turns}\n", ["must be a list in [ and ]", "the keys browsers and others"]),
        ("protocol: {default_extensions: {browser: []}}\n", ["did you mean protocol.default_extensions.browsers?"]),
        ("protocol: {default_extensions: {others: turns}}\n", ["default_extensions.others must be a list", "[ and ]"]),
        ("protocol: {default_extensions: [sentence_responses]}\n", ["line 1", "needs stages; add stages"]),
        ("protocol: {default_extensions: {browsers: [sentence_responses, turns], others: [stages]}}\n",
         ["default_extensions.browsers holds sentence_responses", "add stages to the list"]),
        ("protocol: {default_extensions: {others: [sentence_responses]}}\n", ["default_extensions.others holds"]),
        ("characters: {anon: hello}\n", ["characters.anon is unknown; known here: default, folder, or a character's",
                                         "with a section (voice_id, tts_model) below it"]),
        ("characters: {anon: [a]}\n", ["characters.anon is unknown", "(voice_id, tts_model)"]),
        ("characters: {folders: prompts}\n", ["did you mean characters.folder?"]),
        # what cannot be seen, or not be told from what was meant
        ("server:\n  port\u00a0: 1\n", ["line 2", "server.port<U+00A0> is unknown", "did you mean server.port?"]),
        ("server:\n\u00a0\u00a0port: 1\n", ["line 2", "<U+00A0><U+00A0>port", "no-break space", "mean server.port?"]),
        ("\u3000server:\n  port: 1\n", ["<U+3000>server", "ideographic space", "did you mean server?"]),
        ("server:\n  \u200bport: 1\n", ["<U+200B>port", "zero width space", "did you mean server.port?"]),
        ("server:\n  ｐｏｒｔ: 1\n", ["did you mean server.port?"]),
        ("server:\n  port:\u00a08765\n", ["server must be a section", "U+00A0 (no-break space)"]),
        ("server:\n  port: 8765\u00a0\n", ["server.port must be a whole", "U+00A0 (no-break space)"]),
        ("server:\n  host: a\n  port:\u00a08765\n", ["not valid YAML", "U+00A0 (no-break space)"]),
        ("log: {level: in\u00adfo}\n", ["did you mean info?", "soft hyphen"]),
        ("log: {level: INFO}\n", ["did you mean info?"]),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_refuses_with_place_and_mend(root: Path, text: str, parts: list[str]) -> None:
    sentence = refusal(lambda: read(root, text))
    assert sentence.startswith(str(root / "config.yaml"))
    assert [part for part in parts if part not in sentence] == [], sentence


def test_an_invisible_space_in_a_comment_is_nobodys_business(root: Path) -> None:
    assert "U+" not in refusal(lambda: read(root, "server:\n  port: x #\u00a0the port\n"))


MANY_MISTAKES = """\
sevrer:
  port: 1
server:
  prot: 1
  port: eight
  cors_origins: [https://a, https://b/, ftp://c/d]
llm:
  stream: maybe
  stream: true
logs: {level: debug}
limits: 7
endpoints:
  llm: nowhere
  tts: https://a/
"""


def test_all_mistakes_of_a_file_and_of_the_environment_are_told_at_once_each_with_its_place(root: Path) -> None:
    (root / "config.yaml").write_text(MANY_MISTAKES)
    environ = {"CHATANON_SERVER__HOTS": "a", "CHATANON_LLM__CONTEXT_TOKENS": "few", "CHATANON_LIMITS__CONNECTIONS": "["}
    with pytest.raises(ConfigError) as refused:
        load(environ, root)
    told = str(refused.value).splitlines()
    wanted = [
        ("line 1:", "did you mean server?"),
        ("line 4:", "did you mean server.port?"),
        ("line 5:", "server.port must be a whole number"),
        ("line 6:", "server.cors_origins (item 2)"),
        ("line 6:", "server.cors_origins (item 3)"),
        ("line 8:", "llm.stream must be true or false"),
        ("line 9:", "llm.stream is given twice (first in line 8)"),
        ("line 10:", "did you mean log?"),
        ("line 11:", "limits must be a section"),
        ("CHATANON_SERVER__HOTS:", "did you mean server.host?"),
        ("CHATANON_LIMITS__CONNECTIONS:", "not valid YAML"),
        ("CHATANON_LLM__CONTEXT_TOKENS:", "llm.context_tokens must be a whole number"),
        ("line 14:", "endpoints.tts must be an address"),
        ("line 13:", "endpoints.llm must be an address"),
    ]
    for parts in wanted:
        assert [line for line in told if all(part in line for part in parts)], (parts, told)
    assert len(told) == len(wanted)
    assert [line for line in told if not line.isprintable()] == []


def test_a_file_of_nothing_but_mistakes_is_told_in_bounds(root: Path) -> None:
    text = "".join(f"qqq{number}: 1\n" for number in range(5000))
    with pytest.raises(ConfigError) as refused:
        read(root, text)
    told = str(refused.value).splitlines()
    assert len(told) < 100 and "line 1:" in told[0] and re.search(r"and \d+ more", told[-1])


@pytest.mark.parametrize("text", [b"a: 1\n\xff\n", "\n端口: 1".encode("gbk"), "a: 1\n".encode("utf-16")])
def test_a_file_that_is_not_utf8_refuses_with_its_line(root: Path, text: bytes) -> None:
    assert re.search(r"config\.yaml, line \d: .*UTF-8", refusal(lambda: read(root, text)))


@pytest.mark.parametrize(
    "address",
    ["", "/api", "ftp://a/", "wss://a/", "https://", "https://:443/", "https://a:0/", "https://a:65536/", "https://[::1/",
     "https:// a/", "https://a\\@b/", "https://user@a/", "https://a:b@c/", "https://a/b@c/", "https://a/?key=1", "https://a/#b"],
)  # fmt: skip
def test_an_address_that_cannot_be_used_refuses(root: Path, address: str) -> None:
    sentence = refusal(lambda: read(root, f"endpoints:\n  llm: '{address}'\n"))
    assert "line 2: endpoints.llm must" in sentence


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.8.9.1/v1", True),
        ("http://[::1]:8080/v1", True),
        ("https://a.example", True),
        ("http://192.168.1.5/v1", False),
        ("http://localhost.example/v1", False),
    ],
)
def test_plain_http_is_accepted_and_warned_of_where_it_leaves_this_machine(
    root: Path, address: str, safe: bool
) -> None:
    plain = read(root, f"endpoints: {{llm: '{address}', tts: 'ws://localhost/'}}\n")
    assert plain.config.endpoints.llm == address
    assert [warning for warning in plain.warnings if "endpoints.llm" in warning] == list(plain.warnings)
    assert len(plain.warnings) == (0 if safe else 1)


@pytest.mark.parametrize("name", ["openai_llm", "openai_tts", "openai_asr"])
@pytest.mark.parametrize(
    ("address", "own"),
    [
        ("https://api.openai.com/v1", True),
        ("https://API.OpenAI.com./v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://api.openai.com.example/v1", False),
        ("https://notopenai.com/v1", False),
        ("http://127.0.0.1:11434/v1", False),
    ],
)
@pytest.mark.parametrize("key", ["sk-of-another-program", " ", ""])
def test_a_key_of_the_environment_that_goes_to_another_than_openai_is_told(
    root: Path, name: str, address: str, own: bool, key: str
) -> None:
    warnings = read(root, f"endpoints: {{{name}: '{address}'}}\n", {"OPENAI_API_KEY": key}).warnings
    told = [warning for warning in warnings if "OPENAI_API_KEY" in warning]
    assert [warning.partition(":")[0] for warning in told] == ([] if own or not key.strip() else [f"endpoints.{name}"])
    assert not any("sk-of" in warning for warning in warnings)


def test_a_key_of_credentials_py_is_where_its_owner_put_it(root: Path) -> None:
    (root / "credentials.py").write_text("OPENAI_API_KEY = 'sk-of-this-program-0123456789'\n")
    settings = read(root, "endpoints: {openai_llm: 'http://127.0.0.1:11434/v1'}\n")
    assert not any("OPENAI_API_KEY" in warning for warning in settings.warnings)


def test_audio_that_no_frame_can_hold_is_warned_of(root: Path) -> None:
    assert "max_frame_bytes" in read(root, "audio: {asr_sample_rate: 48000}\n").warnings[0]


PIECES = (
    "server|port|: |:\n|\n|  |\t|- |? |[|]|{|}|, |'|\"|>|&a |*a|!|!!int |<<|%YAML 9.9\n|%TAG ! x\n|---\n|...\n|#|0x|0b_"
    "|1_|-|.inf|8765|=|\\U0011FFFF|\\x|\x85|\ufeff|\x00|2024-99-99|limits|max_audio_seconds|~|\u2028"
).split("|")


@pytest.mark.slow
@given(st.lists(st.sampled_from([*PIECES, "|"]), max_size=25).map("".join) | st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_either_loads_or_refuses_in_one_sentence(text: str) -> None:
    ways: list[tuple[str, dict[str, str]]] = [
        (text, {}),
        ("", {"CHATANON_SERVER__PORT": text}),
        ("", {"CHATANON_LIMITS__MAX_AUDIO_SECONDS": text}),
        ("", {"CHATANON_" + text: "1"}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for file, environ in ways:
            try:
                read(Path(folder), file.encode("utf-8", "replace"), environ)
            except ConfigError as error:
                assert all(line.isprintable() for line in str(error).splitlines())


@pytest.mark.parametrize(
    ("asr", "batch"),
    [
        ("wss://host/api/v3/sauc/bigmodel_async", "wss://host/api/v3/sauc/bigmodel_nostream"),
        ("wss://host/api/v3/plan/sauc/bigmodel?a=b", "wss://host/api/v3/plan/sauc/bigmodel_nostream?a=b"),
        ("wss://host/own/path", "wss://host/own/path"),
    ],
)
def test_clips_go_to_the_endpoint_for_whole_clips_beside_the_one_for_streams(root: Path, asr: str, batch: str) -> None:
    assert read(root, f'endpoints: {{asr: "{asr}"}}\n').config.endpoints.batch == batch
    named = f'endpoints: {{asr: "{asr}", asr_batch: "ws://127.0.0.1/x"}}\n'
    assert read(root, named).config.endpoints.batch == "ws://127.0.0.1/x"


def test_endpoint_for_clips_is_checked_as_the_others_are(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"endpoints\.asr_batch must be an address"):
        read(root, 'endpoints: {asr_batch: "https://host/path"}\n')
