"""Settings in, everything that all connections share out: engines, characters, stores, limits."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from msgspec.structs import asdict

from conversation.interruption.end_of_turn import UNFINISHED_MS
from server.audio.queued_audio import AudioBudget
from server.auth import DEMO_TOKEN, Authenticator
from server.character_manager import CharacterManager
from server.config import PROJECT_ROOT, AgentConfig, Config, ConfigError, EndpointsConfig, Settings
from server.connection_manager import ConnectionManager
from server.overload import Overload
from server.transport.rate_limits import RateLimits
from services.asr_service import ASR_VENDORS, PHRASES_ONLY
from services.base import ASR, LLM, VAD, Script, TurnTTS
from services.engine_choice import EngineChoice, EngineUnavailable, Vendor, choose_engines
from services.engine_settings import ASRSettings, LLMSettings, TTSSettings
from services.fallback.asr import open_asrs
from services.fallback.lineup import Lineup
from services.fallback.llm import open_llms
from services.fallback.tts import open_voices
from services.llm_service import LLM_VENDORS
from services.tts_service import TTS_VENDORS
from services.vad_service import VAD_VENDORS, open_vad
from stores.history import HistoryStore
from stores.history_sql import HistoryUrlError, open_history
from stores.presence import InProcessPresence

log = structlog.get_logger()

_SHORTEST_END_WINDOW_MS = 800  # which the ASR's vendor advises
_END_WINDOW_MARGIN_MS = 200


@dataclass(frozen=True, slots=True)
class Backend:
    """What every session is given. Nothing in it belongs to one user."""

    config: Config
    authenticator: Authenticator
    characters: CharacterManager
    llm: LLM
    tts: TurnTTS
    asr: ASR
    vad: VAD
    engines: Mapping[str, Lineup]  # of each kind, each where those before it fail
    history: HistoryStore
    connections: ConnectionManager
    rates: RateLimits
    queued_audio: AudioBudget
    overload: Overload


@asynccontextmanager
async def open_backend(settings: Settings) -> AsyncIterator[Backend]:
    """Build it all, in the order in which it is needed, and close it the other way round.

    Raises:
        ConfigError: something in the settings cannot be served; one sentence with the mend.
    """
    config = settings.config
    for warning in settings.warnings:
        log.warning(warning)
    try:
        engines = choose_engines_of(settings)
        for warning in _unused_endpoints(config, engines):
            log.warning(warning)
        characters = _load_characters(settings)
        async with AsyncExitStack() as stack:
            tts = await stack.enter_async_context(
                open_voices(engines["tts"], partial(_tts_settings, settings, characters))
            )
            scripts = {character.name: character.script for character in characters.all() if character.script}
            llm = await stack.enter_async_context(open_llms(engines["llm"], partial(_llm_settings, settings, scripts)))
            longest = max(asdict(config.limits.max_audio_seconds).values())
            asr = await stack.enter_async_context(
                open_asrs(engines["asr"], partial(_asr_settings, settings, scripts), longest)
            )
            vad = await stack.enter_async_context(open_vad(engines["vad"].choices[0]))
            history = await stack.enter_async_context(
                open_history(config.history.url, PROJECT_ROOT, config.history.busy_seconds, config.history.shared)
            )
            overload = Overload(config.limits)
            connections = ConnectionManager(InProcessPresence(), config.limits, overload)
            backend = Backend(
                config, Authenticator(settings.secrets.tokens), characters, llm, tts, asr, vad, engines, history,
                connections, _rates(config), AudioBudget(config.limits.queued_audio_bytes), overload,
            )  # fmt: skip
            _announce(backend)
            yield backend
    except (EngineUnavailable, HistoryUrlError) as error:
        raise ConfigError(str(error)) from error


def _load_characters(settings: Settings) -> CharacterManager:
    characters = settings.config.characters
    return CharacterManager.load(PROJECT_ROOT / characters.folder, characters.default, settings.voices)


def choose_engines_of(settings: Settings) -> dict[str, Lineup]:
    """Of each kind, in the order in which they stand in for each other.

    Raises:
        EngineUnavailable: one that is named cannot be opened.
    """
    wanted, secrets = settings.config.engines, settings.secrets.values
    endpoints = asdict(settings.config.endpoints)
    kinds = {
        "llm": (wanted.llm, LLM_VENDORS),
        "tts": (wanted.tts, TTS_VENDORS),
        "asr": (wanted.asr, ASR_VENDORS),
        "vad": ((wanted.vad,), VAD_VENDORS),
    }
    return {
        kind: Lineup(kind, choose_engines(kind, names, vendors, secrets, endpoints))
        for kind, (names, vendors) in kinds.items()
    }


def _unused_endpoints(config: Config, engines: Mapping[str, Lineup]) -> Iterator[str]:
    """Endpoints that the operator has changed, of engines that only lack a key to be chosen."""
    kinds = (("llm", LLM_VENDORS, "the model", ("llm",)), ("tts", TTS_VENDORS, "the voice", ("tts",)))
    for kind, vendors, who, names in (*kinds, ("asr", ASR_VENDORS, "the recogniser", ("asr", "asr_batch"))):
        changed = [name for name in names if getattr(config.endpoints, name) != getattr(EndpointsConfig(), name)]
        wanted = next(vendor.wanted for vendor in vendors.values() if not vendor.only_named)
        chosen = engines[kind].choices
        unused = all(each.vendor.endpoint not in names for each in chosen)
        if changed and unused and "auto" in getattr(config.engines, kind):
            changed_keys = " and ".join(f"endpoints.{name}" for name in changed)
            yield (
                f"{changed_keys}: not used, because {wanted} is not set and so {who} is {chosen[0].name}; "
                "set it, to any value where the server wants no key"
            )


def _announce(backend: Backend) -> None:
    for kind, lineup in backend.engines.items():
        for choice in lineup.choices:
            log.info(f"{kind}: {choice.name} ({choice.reason})")
    if backend.asr.phrases_only:
        log.info(f"asr: {PHRASES_ONLY}")
    if backend.authenticator.demo:
        log.info(f"demo mode: no token is configured, so {DEMO_TOKEN} is accepted, from this machine only")
    log.info(f"characters: {', '.join(character.name for character in backend.characters.all())}")


def _endpoint(config: Config, vendor: Vendor) -> str:
    return getattr(config.endpoints, vendor.endpoint) if vendor.endpoint else ""


def _model(config: Config, vendor: Vendor) -> str:
    return getattr(config.models, vendor.model) if vendor.model else ""


def _llm_settings(settings: Settings, scripts: Mapping[str, Script], vendor: Vendor) -> LLMSettings:
    config = settings.config
    return LLMSettings(
        endpoint=_endpoint(config, vendor),
        model=_model(config, vendor),
        stream=config.llm.stream,
        reasoning_effort=config.llm.reasoning_effort,
        max_tokens=config.llm.max_tokens,
        json_schema=config.llm.json_schema,
        secrets=settings.secrets.values,
        scripts=scripts,
        connect_s=config.timeouts.vendor_connect,
        first_token_s=config.timeouts.llm_first_token,
        gap_s=config.timeouts.llm_gap,
        total_s=config.timeouts.llm_total,
    )


def _tts_settings(settings: Settings, characters: CharacterManager, choice: EngineChoice) -> TTSSettings:
    config = settings.config
    return TTSSettings(
        endpoint=_endpoint(config, choice.vendor),
        model=_model(config, choice.vendor),
        voices={character.name: character.voice(choice.name) for character in characters.all()},
        sample_rate_hz=config.audio.tts_sample_rate,
        verify_tls=config.ssl.verify_tts,
        secrets=settings.secrets.values,
        connect_s=config.timeouts.vendor_connect,
        first_audio_s=config.timeouts.tts_first_audio,
        gap_s=config.timeouts.tts_gap,
    )


def _asr_settings(settings: Settings, scripts: Mapping[str, Script], vendor: Vendor) -> ASRSettings:
    config = settings.config
    return ASRSettings(
        endpoint=_endpoint(config, vendor),
        batch_endpoint=config.endpoints.batch,
        model=_model(config, vendor),
        # The local endpoint comes first; the vendor's own opinion counts where noise hides an end from ours.
        end_window_ms=max(_SHORTEST_END_WINDOW_MS, _longest_silence_ms(config.agent) + _END_WINDOW_MARGIN_MS),
        verify_tls=config.ssl.verify_funasr,
        model_dir=str(PROJECT_ROOT / getattr(config, vendor.model_dir).model_dir) if vendor.model_dir else "",
        secrets=settings.secrets.values,
        scripts=scripts,
        connect_s=config.timeouts.vendor_connect,
        final_s=config.timeouts.asr_final,
    )


def _longest_silence_ms(agent: AgentConfig) -> int:
    """That may lie within an utterance."""
    return agent.end_of_speech_ms if agent.end_of_turn == "silence" else max(UNFINISHED_MS, agent.end_of_speech_ms)


def _rates(config: Config) -> RateLimits:
    limits = config.limits
    return RateLimits(
        {
            "connects": limits.connects_per_minute,
            "turns": limits.turns_per_minute,
            "refused_turns": limits.turns_per_minute,
            "guesses": limits.turns_per_minute,
            "wrong_tokens": limits.wrong_tokens_per_minute,
            "wrong_tokens_overall": limits.wrong_tokens_per_minute_overall,
            "protocol_errors": limits.protocol_errors_per_minute,
        }
    )
