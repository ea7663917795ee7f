"""Several who wait on one line, of whom one reads for all; and messages that gather while there is plenty to hear."""

import anyio
import pytest

from services.vendors.minimax.frames import Audio
from services.vendors.minimax.reading import AHEAD_S, LEAST_REST_S, Leisure, Readers
from services.vendors.minimax.texts import Text

pytestmark = pytest.mark.anyio

RATE_HZ = 16000
STUCK_S = 30


class Line:
    """Messages for texts, one by one, when the test lets them come."""

    def __init__(self) -> None:
        self.put, self._get = anyio.create_memory_object_stream[Text](100)
        self.reading = 0

    async def read(self) -> None:
        self.reading += 1
        assert self.reading == 1
        try:
            (await self._get.receive()).receive(Audio(b"ab", is_final=False))
        finally:
            self.reading -= 1

    def close(self) -> None:
        self.put.close()
        self._get.close()


async def test_one_reads_for_all_and_each_is_told_when_its_own_has_come() -> None:
    line, readers, texts = Line(), Readers(), [Text(RATE_HZ) for _ in range(3)]
    told: list[int] = []

    async def wait(number: int) -> None:
        await readers.settle(texts[number], line.read)
        told.append(number)

    with anyio.fail_after(STUCK_S):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait, number)
            for number in (2, 0, 1):
                await anyio.wait_all_tasks_blocked()
                line.put.send_nowait(texts[number])
    assert told == [2, 0, 1]
    line.close()


@pytest.mark.parametrize("gone", [(0,), (1,), (0, 1)], ids=str)
async def test_whoever_stops_waiting_leaves_the_reading_to_another(gone: tuple[int, ...]) -> None:
    line, readers, texts = Line(), Readers(), [Text(RATE_HZ) for _ in range(3)]
    scopes = [anyio.CancelScope() for _ in range(3)]
    told: list[int] = []

    async def wait(number: int) -> None:
        with scopes[number]:
            await readers.settle(texts[number], line.read)
            told.append(number)

    with anyio.fail_after(STUCK_S):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait, number)
            await anyio.wait_all_tasks_blocked()
            for number in gone:
                scopes[number].cancel()
            await anyio.wait_all_tasks_blocked()
            for text in texts:
                line.put.send_nowait(text)
    assert told == [number for number in range(3) if number not in gone]
    line.close()


async def rests(leisure: Leisure) -> bool:
    began = anyio.current_time()
    await leisure.rest()
    return anyio.current_time() - began >= LEAST_REST_S / 2


async def test_messages_gather_only_once_there_is_plenty_to_hear_and_are_then_all_taken() -> None:
    leisure = Leisure(RATE_HZ, STUCK_S)
    assert not await rests(leisure)
    leisure.handed_on(int(AHEAD_S * RATE_HZ))  # half of it
    assert not await rests(leisure)
    leisure.handed_on(int(2 * AHEAD_S * 2 * RATE_HZ))
    assert await rests(leisure)
    assert not await rests(leisure)  # what gathered is being taken
    await anyio.sleep(0.01)
    assert await rests(leisure)
    leisure.end()
    await anyio.sleep(0.01)
    assert not await rests(leisure)
