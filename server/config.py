"""config.yaml, credentials.py and the environment in, a frozen Config and the Secrets out; every default is here."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from msgspec.structs import asdict

from server.protocol.wire import Extension
from server.settings.addresses import is_strange_to_openai, readable_on_the_way, wrong_with
from server.settings.config_file import decode, read_bytes, read_model
from server.settings.credentials_file import Secrets, read_secrets
from server.settings.foreign_keys import CloudVoice
from server.settings.refusals import ConfigError

__all__ = ["PROJECT_ROOT", "Config", "ConfigError", "Secrets", "Settings", "load"]

PROJECT_ROOT = Path(__file__).resolve().parent.parent

Port = Annotated[int, Meta(ge=0, le=65535)]  # 0: the system picks one
Text = Annotated[str, Meta(pattern=r"\A(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+\Z", description="one line of text")]
TextOrNone = Annotated[
    str, Meta(pattern=r"\A(?:(?=.*\S)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]+)?\Z", description="one line of text, or empty")
]
Names = Annotated[
    tuple[Text, ...],
    Meta(min_length=1, description="a name, or names in [ and ]", extra={"one_is_enough": True}),
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"\A(\*|null|[a-z][a-z0-9+.-]*://[^\s/?#@A-Z]+)\Z",
        description='"*" or an origin such as "https://example.org" (lower case, nothing after the host and port)',
    ),
]
Seconds = Annotated[float, Meta(gt=0, le=86400)]
SecondsOrNone = Annotated[float, Meta(ge=0, le=86400)]  # 0 switches it off
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Rate = Annotated[int, Meta(ge=0, le=1_000_000_000)]  # 0 switches the limit off


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of config.yaml; unknown keys are refused."""


class ServerConfig(Section, frozen=True):
    host: Text = "0.0.0.0"
    port: Port = 8765
    allowed_origins: tuple[Origin, ...] = ("*",)  # browser pages that may open /ws
    cors_origins: tuple[Origin, ...] = ("*",)  # browser pages that may read the HTTP answers


class EndpointsConfig(Section, frozen=True):
    asr: Text = "wss://openspeech.bytedance.com/api/v3/sauc/bigmodel_async"
    asr_batch: Text = "auto"  # for recordings; auto: derived from `asr`
    tts: Text = "wss://api.minimaxi.com/ws/v1/t2a_v2"
    llm: Text = "https://ark.cn-beijing.volces.com/api/v3"
    # Of servers that people run themselves: empty where there is none.
    openai_llm: TextOrNone = ""
    openai_tts: TextOrNone = ""
    voicevox: TextOrNone = ""
    gpt_sovits: TextOrNone = ""
    style_bert_vits2: TextOrNone = ""
    openai_asr: TextOrNone = ""
    funasr: TextOrNone = ""

    @property
    def batch(self) -> str:
        """Where recordings are recognised: the vendor's path for them stands beside that for streams."""
        if self.asr_batch != "auto":
            return self.asr_batch
        parts = urlsplit(self.asr)
        head, _, last = parts.path.rpartition("/")
        if last not in ("bigmodel", "bigmodel_async"):
            return self.asr
        return parts._replace(path=f"{head}/bigmodel_nostream").geturl()


class SSLConfig(Section, frozen=True):
    verify_tts: bool = True
    verify_funasr: bool = True  # its own certificate vouches for nobody; that of this machine is never looked at


class TimeoutsConfig(Section, frozen=True):
    """All in seconds."""

    websocket_connect: Seconds = 30.0  # until the first message
    websocket_receive: SecondsOrNone = 0.01  # the specification's; without effect: nothing here polls
    vendor_connect: Seconds = 5.0
    llm_first_token: Seconds = 15.0
    llm_gap: Seconds = 10.0
    llm_total: Seconds = 60.0
    tts_first_audio: Seconds = 5.0
    tts_gap: Seconds = 5.0
    asr_final: Seconds = 8.0


class ModelsConfig(Section, frozen=True):
    llm_model: Text = "doubao-seed-1-6-lite-251015"
    tts_model: Text = "speech-2.8-hd"
    asr_resource_id: Text = "volc.bigasr.sauc.duration"
    openai_llm: TextOrNone = ""  # empty: the first that the server offers
    openai_tts: TextOrNone = ""
    openai_asr: TextOrNone = ""


class AudioConfig(Section, frozen=True):
    """Sample rates in Hz: `asr` is what the client sends, `tts` what it gets."""

    asr_sample_rate: Annotated[int, Meta(ge=8000, le=48000)] = 16000
    tts_sample_rate: Literal[8000, 16000, 22050, 24000, 32000, 44100] = 16000
    channels: Literal[1] = 1
    bits: Literal[16] = 16
    chunk_ms: Annotated[int, Meta(ge=10, le=1000)] = 80
    lead_ms: Annotated[int, Meta(ge=100, le=5000)] = 400  # with `barge_in`: so far ahead of its playback audio leaves


class LLMConfig(Section, frozen=True):
    stream: bool = True
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] = "minimal"
    context_tokens: Annotated[int, Meta(ge=100, le=10_000_000)] = 8000
    max_tokens: Annotated[int, Meta(ge=0, le=10_000_000)] = 0  # of an answer; 0: as many as the server allows
    json_schema: bool = False


class EnginesConfig(Section, frozen=True):
    """`auto` or the name of a vendor, the vendor tables know which exist; of several the next helps the one before."""

    llm: Names = ("auto",)
    tts: Names = ("auto",)
    asr: Names = ("auto",)
    vad: Text = "auto"


class AgentConfig(Section, frozen=True):
    """Agent mode: where an utterance begins and ends, on the clock of the received audio."""

    end_of_speech_ms: Annotated[int, Meta(ge=100, le=5000)] = 600  # silence that ends an utterance
    pre_roll_ms: Annotated[int, Meta(ge=0, le=2000)] = 300  # audio before the speech that belongs to it
    shortest_utterance_ms: Annotated[int, Meta(ge=32, le=2000)] = 100  # less speech than this is a cough
    longest_utterance_seconds: Annotated[float, Meta(ge=1, le=600)] = 60.0
    end_of_turn: Literal["silence", "words"] = "silence"  # words: how long the silence is depends on what was said
    echo_guard: bool = True  # with barge_in: the server knows its own voice in the microphone
    speculative: bool = False  # the LLM is asked before an utterance is certain to have ended, and perhaps in vain
    barge_in_min_ms: Annotated[int, Meta(ge=0, le=2000)] = 240  # less speech than this does not interrupt a reply


Language = Annotated[
    str, Meta(pattern=r"\A(auto|[a-z]{2,3})\Z", description="auto, or the code of a language such as zh, ja or en")
]


class ASRConfig(Section, frozen=True):
    language: Language = "auto"  # that people speak; a character's `hears` comes first


class SherpaConfig(Section, frozen=True):
    model_dir: Text = "models/sherpa"  # a relative path starts at the project root


class WhisperConfig(Section, frozen=True):
    model_dir: Text = "models/whisper"  # a relative path starts at the project root


class HistoryConfig(Section, frozen=True):
    url: Text = "sqlite:///data/chatanon.db"  # a relative path starts at the project root
    busy_seconds: Seconds = 5.0  # how long a file that another program writes to is waited for
    shared: Literal["warn", "refuse"] = "warn"  # where another server has the file open


class CharactersConfig(Section, frozen=True):
    default: Text = "anon"
    folder: Text = "prompts"  # a relative path starts at the project root


class ExtensionsConfig(Section, frozen=True):
    """For clients that ask for none; browsers are those that send an `Origin`. One list is for both."""

    one_list_for_all: ClassVar[bool] = True

    browsers: tuple[Extension, ...] = ()
    others: tuple[Extension, ...] = ()


class ProtocolConfig(Section, frozen=True):
    default_extensions: ExtensionsConfig = ExtensionsConfig()

    def default_extensions_for(self, *, browser: bool) -> tuple[Extension, ...]:
        """What a client gets that asks for nothing."""
        return self.default_extensions.browsers if browser else self.default_extensions.others


class AudioLengthConfig(Section, frozen=True):
    batch: Seconds = 60.0
    stream: Seconds = 120.0


class LimitsConfig(Section, frozen=True):
    """A name says its unit; bytes are those of a frame on the wire unless a comment says otherwise."""

    max_frame_bytes: Annotated[int, Meta(ge=1024, le=1_000_000_000)] = 3145728
    max_other_frame_bytes: Annotated[int, Meta(ge=1024, le=1_000_000_000)] = 262144  # any message but batch audio
    max_first_frame_bytes: Annotated[int, Meta(ge=256, le=1_000_000_000)] = 4096
    max_message_chars: Count = 4000
    max_chunk_bytes: Annotated[int, Meta(ge=2, le=1_000_000_000)] = 65536  # of samples, base64 undone
    max_audio_seconds: AudioLengthConfig = AudioLengthConfig()
    buffered_audio_seconds: Seconds = 10.0
    queued_messages: Count = 8
    queued_audio_bytes: Count = 268435456  # recordings that wait or are recognised, of all users; base64 undone
    send_buffer_bytes: Count = 1048576
    send_timeout_seconds: Seconds = 10.0
    connections: Count = 10000
    unauthenticated: Count = 256
    unauthenticated_per_address: Rate = 64
    # Beyond these the server is busy: newcomers, utterances and turns are refused, what runs goes on.
    busy_cpu_percent: Annotated[float, Meta(ge=0, le=100)] = 85.0  # of one core; 0: nothing is refused
    busy_lag_ms: Annotated[int, Meta(ge=0, le=60_000)] = 25  # of the event loop; 0: however late it is
    busy_turns: Count = 8  # so few may always run
    connects_per_minute: Rate = 60  # per token
    turns_per_minute: Rate = 60  # per token
    messages_per_second: Rate = 20  # per connection; all but audio chunks
    messages_burst: Count = 40
    audio_chunks_per_second: Rate = 60
    audio_chunks_burst: Count = 120
    control_frames_per_second: Rate = 20  # pings and pongs of the WebSocket layer
    control_frames_burst: Count = 100
    wrong_tokens_per_minute: Rate = 10  # per address
    wrong_tokens_per_minute_overall: Rate = 600
    protocol_errors_per_minute: Rate = 10
    idle_minutes: Annotated[float, Meta(ge=0, le=100_000)] = 0.0  # 0: never; who is gone is found by pings
    resume_seconds: SecondsOrNone = 60.0
    drain_seconds: SecondsOrNone = 30.0


class LogConfig(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error", "critical"] = "info"


class Config(Section, frozen=True):
    """Everything an operator may choose, but for the secrets."""

    server: ServerConfig = ServerConfig()
    endpoints: EndpointsConfig = EndpointsConfig()
    ssl: SSLConfig = SSLConfig()
    timeouts: TimeoutsConfig = TimeoutsConfig()
    models: ModelsConfig = ModelsConfig()
    audio: AudioConfig = AudioConfig()
    llm: LLMConfig = LLMConfig()
    engines: EnginesConfig = EnginesConfig()
    agent: AgentConfig = AgentConfig()
    asr: ASRConfig = ASRConfig()
    sherpa: SherpaConfig = SherpaConfig()
    whisper: WhisperConfig = WhisperConfig()
    history: HistoryConfig = HistoryConfig()
    characters: CharactersConfig = CharactersConfig()
    protocol: ProtocolConfig = ProtocolConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server starts from. `warnings` are sentences to log once; `source` names the configuration's file.

    `voices`: of characters by name, where the configuration has what is else in the character's own file.
    """

    config: Config
    secrets: Secrets
    warnings: tuple[str, ...]
    source: str
    voices: Mapping[str, CloudVoice] = field(default_factory=dict)

    @property
    def demo(self) -> bool:
        """No token is configured: only the demo token, and only from this machine."""
        return not self.secrets.tokens


def load(environ: Mapping[str, str] = os.environ, root: Path = PROJECT_ROOT) -> Settings:
    """Read config.yaml and credentials.py at `root`, or the files that CHATANON_CONFIG and CHATANON_CREDENTIALS name.

    An empty CHATANON_CREDENTIALS means no such file; any other variable that is set but blank counts as not set.

    Raises:
        ConfigError: something in them cannot be used.
    """
    warnings: list[str] = []
    path, named_by = root / "config.yaml", None
    if environ.get("CHATANON_CONFIG", "").strip():
        path, named_by = Path(environ["CHATANON_CONFIG"].strip()), "CHATANON_CONFIG"
    data = read_bytes(path, named_by)
    source = "defaults" if data is None else str(path)
    if data is None:
        warnings.append(f"{path}: there is no such file; every key has its default")
    read = read_model(Config, decode(data or b"", path), source, environ, partial(_wrong_together, source))
    if read.warning:
        warnings.append(read.warning)
    secrets, about_secrets = _load_secrets(environ, root)
    return Settings(
        read.config, secrets, (*warnings, *_doubts(read.config, environ), *about_secrets), source, read.voices
    )


def _load_secrets(environ: Mapping[str, str], root: Path) -> tuple[Secrets, tuple[str, ...]]:
    named = environ.get("CHATANON_CREDENTIALS")
    if named is None:
        path, named_by = root / "credentials.py", None
    elif named.strip():
        path, named_by = Path(named.strip()), "CHATANON_CREDENTIALS"
    else:
        return read_secrets(environ)
    data = read_bytes(path, named_by)
    return read_secrets(environ) if data is None else read_secrets(environ, path, data)


def _endpoints(config: Config) -> Iterator[tuple[str, str]]:
    """The name and the address of each that is set."""
    for name, address in asdict(config.endpoints).items():
        if address and (name, address) != ("asr_batch", "auto"):
            yield name, address


def _wrong_together(source: str, config: Config, places: Mapping[tuple[str, ...], str]) -> Iterator[str]:
    """What the type of one key alone cannot tell."""
    yield from _wrong_endpoints(source, config, places)
    extensions = config.protocol.default_extensions
    wrong: dict[tuple[str, ...], None] = {}  # one list for both is wrong once
    for name, given in {"browsers": extensions.browsers, "others": extensions.others}.items():
        if "sentence_responses" in given and "stages" not in given:
            key: tuple[str, ...] = ("protocol", "default_extensions", name)
            wrong[key if key in places else key[:2]] = None
    for path in wrong:
        words = "holds sentence_responses, which needs stages; add stages to the list"
        yield f"{places.get(path, source)}: {'.'.join(path)} {words}"


def _wrong_endpoints(source: str, config: Config, places: Mapping[tuple[str, ...], str]) -> Iterator[str]:
    for name, address in _endpoints(config):
        wrong = wrong_with(name, address)
        if wrong:
            yield f"{places.get(('endpoints', name), source)}: endpoints.{name} {wrong}"


def _doubts(config: Config, environ: Mapping[str, str]) -> Iterator[str]:
    """What works, and should not pass unnoticed."""
    plain = [f"endpoints.{name}" for name, address in _endpoints(config) if readable_on_the_way(address)]
    if plain:
        yield f"{', '.join(plain)}: not encrypted on the way to another machine; use https:// or wss://"
    others = [f"endpoints.{name}" for name, address in _endpoints(config) if is_strange_to_openai(name, address)]
    if others and environ.get("OPENAI_API_KEY", "").strip():  # many have it there for another program
        yield (
            f"{', '.join(others)}: not OpenAI's own, and is sent OPENAI_API_KEY of the environment; "
            "unset that if the key is meant for another"
        )
    if not config.ssl.verify_tts:
        yield "ssl.verify_tts is false: whoever sits on the way can read the voice vendor's key; set it to true"
    if config.endpoints.funasr and not config.ssl.verify_funasr:
        yield "ssl.verify_funasr is false: whoever sits on the way can listen to what people say"
    batch, rate = config.limits.max_audio_seconds.batch, config.audio.asr_sample_rate
    fits = config.limits.max_frame_bytes * 3 / 4 / (rate * 2)  # base64, s16le
    if batch > fits:
        yield (
            f"limits.max_frame_bytes: {config.limits.max_frame_bytes} holds only {fits:.0f} s of audio at {rate} Hz, "
            f"limits.max_audio_seconds.batch is {batch:g}; raise the one or lower the other"
        )
