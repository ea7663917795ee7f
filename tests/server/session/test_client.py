"""What one client may still be playing, and whether anything waits for it."""

from collections.abc import Sequence

import anyio
import pytest

from conversation.playback import Playback
from server.protocol import wire
from server.protocol.extensions import Extensions
from server.session.client import Client

pytestmark = pytest.mark.anyio


async def send(message: wire.AnyServerFrame) -> None: ...


@pytest.mark.parametrize(
    ("asked", "defaults", "calls", "waits"),
    [
        (None, [], False, False),
        (None, [], True, True),  # voice_call_start
        (None, ["stages"], False, True),
        (None, ["stages", "barge_in"], False, True),  # it was given, not asked for: such a client knows of no stopping
        (["stages"], [], False, True),
        (["stages", "barge_in"], [], False, False),
        (["turns"], ["stages"], True, False),
        ([], ["stages"], True, False),
    ],
)
async def test_only_a_client_of_stages_that_cannot_stop_its_sound_is_waited_for(
    asked: Sequence[str] | None, defaults: Sequence[wire.Extension], calls: bool, waits: bool
) -> None:
    client = Client(send, Extensions(asked, defaults), 16_000)
    if calls:
        client.extensions.begin_voice_call()
    client.playback.sent(3600.0, anyio.current_time())
    assert (client.plays_for_s > 3000) == waits
    if not waits:
        await client.played_out()


@pytest.mark.parametrize(
    ("pieces", "now", "left_s"),
    [
        ([], 5.0, 0.0),
        ([(1.0, 5.0)], 5.0, 1.0),
        ([(1.0, 5.0)], 5.75, 0.25),
        ([(1.0, 5.0)], 9.0, 0.0),
        ([(1.0, 5.0), (1.0, 5.0)], 5.0, 2.0),  # all at once
        ([(1.0, 5.0), (1.0, 5.5)], 6.0, 1.0),  # in time
        ([(1.0, 5.0), (1.0, 8.0)], 8.0, 1.0),  # after a silence
    ],
)
def test_each_piece_sounds_after_the_one_before_it_and_not_before_it_came(
    pieces: Sequence[tuple[float, float]], now: float, left_s: float
) -> None:
    playback = Playback()
    for seconds, at in pieces:
        playback.sent(seconds, at)
    assert playback.left_s(now) == pytest.approx(left_s)
