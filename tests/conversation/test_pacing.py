"""When audio may leave, on a clock of its own: a client that plays like a browser never has more than the lead."""

from hypothesis import given
from hypothesis import strategies as st

from conversation.pacing import Pacing
from conversation.playback import Playback

LEAD_S = 0.4
EXACT = 1.1e-3  # what is not waited for


class Browser:
    """A client that plays each piece at max(end of the last one, now), as `AudioContext` does."""

    def __init__(self) -> None:
        self.ends_at = 0.0
        self.gaps = 0

    def receive(self, seconds: float, now: float) -> float:
        """How much it has to play, with this."""
        self.gaps += now > self.ends_at + EXACT
        self.ends_at = max(self.ends_at, now) + seconds
        return self.ends_at - now


@given(st.lists(st.floats(0.001, LEAD_S), min_size=1, max_size=100), st.lists(st.floats(0, 0.3), max_size=20))
def test_no_more_than_the_lead_is_ever_on_its_way_and_no_pause_is_made(pieces: list[float], late: list[float]) -> None:
    playback, browser = Playback(), Browser()
    pacing = Pacing(playback, LEAD_S)
    now = 100.0
    waits = 0
    for number, seconds in enumerate(pieces):
        came_at = now + (late[number] if number < len(late) else 0.0)  # from the voice
        now, starved = came_at, came_at > browser.ends_at + EXACT
        while (wait_s := pacing.wait_s(seconds, now)) > 0:
            now += wait_s
            waits += 1
        gaps = browser.gaps
        assert browser.receive(seconds, now) <= LEAD_S + EXACT
        assert browser.gaps == gaps + starved, "only a voice that is late makes a pause"
        playback.sent(seconds, now)
    assert waits <= sum(pieces) / (LEAD_S / 2) + len([each for each in pieces if each > LEAD_S / 2]) + 1


def test_a_piece_longer_than_the_lead_leaves_when_there_is_nothing_ahead_of_it() -> None:
    playback = Playback()
    pacing = Pacing(playback, LEAD_S)
    assert pacing.wait_s(1.0, 0.0) == 0
    playback.sent(1.0, 0.0)
    assert pacing.wait_s(1.0, 0.0) == 1.0
    assert pacing.wait_s(1.0, 1.0) == 0


def test_without_a_lead_nothing_waits() -> None:
    playback = Playback()
    playback.sent(60.0, 0.0)
    assert Pacing(playback, None).wait_s(1.0, 0.0) == 0


def test_what_was_heard_is_what_left_and_no_longer_sounds_or_what_the_client_has_counted() -> None:
    playback = Playback()
    playback.sent(9.0, 0.0)  # of the turn before
    pacing = Pacing(playback, None)
    pacing.sent(2.0, 0.0)
    assert [pacing.heard_s(now) for now in (0.0, 9.0, 10.0, 11.0, 99.0)] == [0.0, 0.0, 1.0, 2.0, 2.0]
    assert (pacing.heard_s(0.0, 1.5), pacing.heard_s(0.0, 99.0)) == (1.5, 2.0)
    playback.stop(5.0)
    assert pacing.heard_s(5.0) == 2.0
