"""The process of an ASR that does not read: who gives it up leaves nothing behind."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from services.asr_process import worker
from services.asr_process.worker import Job, open_worker

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

DEAF = Job("deaf", "tests.services.deaf_process", b"", lambda _: None)
MORE_THAN_A_PIPE_HOLDS = bytes(1 << 20)


async def test_an_utterance_that_is_left_while_it_is_being_opened_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "GOODBYE_S", 0.05)
    with anyio.fail_after(60):
        async with open_worker(DEAF) as process:

            async def speak() -> None:
                async with process.recognition(MORE_THAN_A_PIPE_HOLDS, bytes.decode):
                    raise AssertionError("nobody reads what opens it")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(speak)
                while not process._recognitions:
                    await checkpoint()
                tasks.cancel_scope.cancel()
            assert not process._recognitions
