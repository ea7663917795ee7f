"""Sockets that speak HTTP, or nothing yet: how many of one address, and of all."""

import asyncio

import pytest

from server.config import LimitsConfig
from server.transport.http_protocol import Newcomers

LIMITS = LimitsConfig(connections=10, unauthenticated=5, unauthenticated_per_address=3)


@pytest.mark.parametrize(
    ("addresses", "room"),
    [
        (["192.0.2.1"] * 4, [True, True, True, False]),
        (["192.0.2.1"] * 3 + ["192.0.2.2"], [True] * 4),
        (["127.0.0.1"] * 15, [True] * 15),
        (["::1"] * 6, [True] * 6),
        (["127.0.0.1"] * 16, [True] * 15 + [False]),
    ],
)
def test_one_address_cannot_take_all_the_room(addresses: list[str], room: list[bool]) -> None:
    newcomers = Newcomers(LIMITS)
    came = [(asyncio.Protocol(), address) for address in addresses]
    assert [newcomers.come(who, address, number) for number, (who, address) in enumerate(came, 1)] == room
    for who, _ in came:
        for _ in range(2):  # as a WebSocket, and then gone
            newcomers.leave(who)
    assert newcomers.come(asyncio.Protocol(), "192.0.2.1", 1)
