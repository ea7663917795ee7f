"""A reply that is held while somebody speaks into it."""

import anyio
import pytest

from conversation.playback import Playback
from server.session.audio_gate import AudioGate


@pytest.mark.anyio
async def test_what_is_held_leaves_when_it_is_released_and_not_before() -> None:
    gate = AudioGate(Playback(), None)
    gate.hold()
    left = []

    async def leave() -> None:
        await gate.due()
        left.append("piece")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        await anyio.wait_all_tasks_blocked()
        assert not left
        gate.hold()  # twice is once
        gate.release()
    assert left
