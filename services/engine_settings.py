"""What the operator chose, as engines are opened with it: one value per kind; a vendor takes what concerns it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.base import Script


@dataclass(frozen=True, slots=True)
class LLMSettings:
    """What any LLM may need to open."""

    endpoint: str = ""
    model: str = ""
    stream: bool = True
    reasoning_effort: str = "minimal"
    max_tokens: int = 0  # of an answer; 0: as many as the server allows
    json_schema: bool = False  # hold the server to the reply contract
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    scripts: Mapping[str, Script] = field(default_factory=dict, repr=False)  # by character, for the embedded one
    connect_s: float = 5.0
    first_token_s: float = 15.0
    gap_s: float = 10.0
    total_s: float = 60.0


@dataclass(frozen=True, slots=True)
class TTSSettings:
    """What any TTS may need to open."""

    endpoint: str = ""
    model: str = ""
    sample_rate_hz: int = 16000
    verify_tls: bool = True
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_s: float = 5.0
    first_audio_s: float = 5.0
    gap_s: float = 5.0


@dataclass(frozen=True, slots=True)
class ASRSettings:
    """What any ASR may need to open."""

    endpoint: str = ""
    batch_endpoint: str = ""  # for utterances that exist already in full
    model: str = ""
    end_window_ms: int = 800  # silence after which the vendor itself may take an utterance for ended
    model_dir: str = ""  # of the operator's own model
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    scripts: Mapping[str, Script] = field(default_factory=dict, repr=False)  # by character, for the embedded one
    connect_s: float = 5.0
    final_s: float = 8.0
