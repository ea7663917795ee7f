"""`python -m server.doctor`: what is wrong before users notice, and what to do. Exit status 1 where something is bad.

It reads what the server would read, opens what it would open, and sends no key anywhere unless told so (`--call`).
"""

import argparse
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import NoReturn

if __name__ == "__main__":
    from server.observability import right_python

    right_python.insist_on_version("-m", "server.doctor")

try:
    import anyio
    import structlog
    from msgspec.structs import asdict
    from structlog.typing import EventDict

    from server.backend import choose_engines_of
    from server.checkup.endpoints import look_at_endpoint
    from server.checkup.engines import look_at_engines
    from server.checkup.findings import Finding, found
    from server.checkup.machine import look_at_descriptors, look_at_disk, look_at_port, look_at_sound
    from server.config import PROJECT_ROOT, ConfigError, Settings, load
    from server.observability.language import tell, translate
    from services.engine_choice import EngineUnavailable
    from stores import upkeep
    from stores.history_sql import MEMORY_URL, HistoryUrlError, database_path
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    right_python.insist_on_library(error.name, "-m", "server.doctor")

_SIGNS = {"good": "✓", "doubt": "!", "bad": "✗"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each finding as soon as it is known."""
    parser = argparse.ArgumentParser("python -m server.doctor", description=tell("doctor_help"))
    parser.add_argument("--call", action="store_true", help=tell("doctor_call_help"))
    wanted = parser.parse_args(arguments)
    warnings: dict[str, None] = {}
    structlog.configure(processors=[partial(_keep_warning, warnings)])
    return anyio.run(_examine, wanted.call, warnings, backend_options={"use_uvloop": sys.platform == "linux"})


async def _examine(call: bool, warnings: dict[str, None]) -> int:
    levels = set()
    async for finding in _findings(call):
        levels.add(finding.level)
        _print(finding)
    for warning in warnings:
        _print(Finding("doubt", translate(warning)))
    return int("bad" in levels)


def _print(finding: Finding) -> None:
    print(f"{_SIGNS[finding.level]} {finding.sentence}", flush=True)


def _keep_warning(warnings: dict[str, None], _: object, level: str, event: EventDict) -> NoReturn:
    """What is logged while engines are opened: sentences once each, for several are opened."""
    if level in ("warning", "error") and " " in str(event["event"]):
        warnings[str(event["event"])] = None
    raise structlog.DropEvent


async def _findings(call: bool) -> AsyncIterator[Finding]:
    try:
        settings = load()
    except ConfigError as refusal:
        yield Finding("bad", translate(str(refusal)))
        return
    yield found("good", "doctor_settings", source=settings.source)
    for warning in settings.warnings:
        yield Finding("doubt", translate(warning))
    yield look_at_port(settings.config)
    for finding in (*look_at_descriptors(settings.config), *_history(settings), look_at_sound(), *_ways(settings)):
        yield finding
    try:
        async for finding in look_at_engines(settings, call=call):
            yield finding
    except EngineUnavailable as refusal:
        yield Finding("bad", translate(str(refusal)))
    if not call:
        yield found("good", "doctor_not_called")


def _history(settings: Settings) -> Iterator[Finding]:
    if settings.config.history.url == MEMORY_URL:
        yield found("doubt", "doctor_history_in_memory")
        return
    try:
        path = database_path(settings.config.history.url, PROJECT_ROOT)
        yield look_at_disk(path)
        if path.exists():
            wrong = list(upkeep.faults(path))
            there = upkeep.contents(path)
            yield from (found("bad", "doctor_history_bad", path=path, fault=fault) for fault in wrong)
            if not wrong:
                yield found("good", "history_sound", path=path, messages=there.messages, talks=there.talks)
    except (HistoryUrlError, upkeep.UpkeepError) as refusal:
        yield Finding("bad", translate(str(refusal)))


def _ways(settings: Settings) -> Iterator[Finding]:
    """To each server that a chosen engine asks."""
    config, seen = settings.config, set()
    verified = {"tts": config.ssl.verify_tts, "funasr": config.ssl.verify_funasr}
    with suppress(EngineUnavailable):  # told by the engines
        for lineup in choose_engines_of(settings).values():
            for choice in lineup.choices:
                key = choice.vendor.endpoint
                address = asdict(config.endpoints).get(key, "")
                if address and key not in seen:
                    seen.add(key)
                    yield from look_at_endpoint(
                        f"endpoints.{key}", address, config.timeouts.vendor_connect, verify=verified.get(key, True)
                    )


if __name__ == "__main__":
    sys.exit(main())
