"""A cable between a client and a server that can be cut: a small TCP proxy."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress


class Cable:
    """`url` leads to the server through it. `plugs`: how many connections were made."""

    def __init__(self, server_port: int) -> None:
        self.url = ""
        self.plugs = 0
        self._server_port = server_port
        self._ends: list[asyncio.StreamWriter] = []

    def cut(self) -> None:
        """Both ends at once, without a word."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.plugs += 1
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._ends += [writer, there_writer]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_carry(reader, there_writer))
            tasks.create_task(_carry(there_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def open_cable(server_port: int) -> AsyncGenerator[Cable]:
    cable = Cable(server_port)
    async with await asyncio.start_server(cable.serve, "127.0.0.1", 0) as listener:
        cable.url = f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/ws"
        yield cable
        cable.cut()
