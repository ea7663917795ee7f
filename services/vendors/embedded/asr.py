"""An utterance (pcm) in, the phrase of the character's script that it was out: without a key, a network or a download.

It knows the phrases of `offline_lines.yaml` and nothing else, in Mandarin, Japanese and English at once. What is none
of them is heard as "". The work is done in a process of its own (asr_worker.py), one for all users, which is
started when this opens and again whenever it dies; nobody waits for it but who speaks before it is ready.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio
import structlog

from services.asr_process.worker import Job, WorkerProcess, open_worker
from services.base import ASR, Recognition, RecognitionHints, Script
from services.engine_settings import ASRSettings

log = structlog.get_logger()

MAX_HEARINGS = 100  # at once; who comes later waits. Each holds what was said: 32 kB a second


def _report(left_out: bytes) -> None:
    if phrases := json.loads(left_out):
        log.warning("embedded recogniser: phrases that cannot be pronounced are left out", phrases=phrases)


def phrases_by_language(scripts: Mapping[str, Script]) -> dict[str, dict[str, list[list[str]]]]:
    """By character and language, for each topic those in it."""
    found: dict[str, dict[str, list[list[str]]]] = {character: {} for character in scripts}
    for character, script in scripts.items():
        for topic in script.topics:
            for language, phrases in topic.phrases.items():
                found[character].setdefault(language, []).append(list(phrases))
    return found


class EmbeddedASR:
    """The ASR of this process."""

    phrases_only = True
    tells_partials = False

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker
        self._places = anyio.Semaphore(MAX_HEARINGS)

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        async with self._places, self._worker.recognition(hints.character.encode(), bytes.decode) as recognition:
            yield recognition


@asynccontextmanager
async def open_asr(settings: ASRSettings) -> AsyncIterator[ASR]:
    """At once: the process gets ready meanwhile."""
    phrases = json.dumps(phrases_by_language(settings.scripts)).encode()
    job = Job("embedded recogniser", "services.vendors.embedded.asr_worker", phrases, _report)
    async with open_worker(job) as worker:
        yield EmbeddedASR(worker)
