"""How often something is allowed in a minute; the clock is an argument."""

from hypothesis import given
from hypothesis import strategies as st

from server.transport.rate_limits import RateLimits, TokenBucket


def test_so_many_are_allowed_and_the_next_is_told_to_wait() -> None:
    rates = RateLimits({"turns": 3})
    assert [rates.retry_after_ms("turns", "a", now) for now in (0.0, 10.0, 20.0)] == [None] * 3
    assert rates.retry_after_ms("turns", "a", 20.0) == 40_000
    assert rates.retry_after_ms("turns", "a", 59.9995) == 1
    assert rates.retry_after_ms("turns", "a", 60.0) is None
    assert rates.retry_after_ms("turns", "a", 60.0) == 10_000


def test_who_is_refused_does_not_wait_longer_for_having_asked() -> None:
    rates = RateLimits({"turns": 1})
    assert rates.retry_after_ms("turns", "a", 0.0) is None
    assert [rates.retry_after_ms("turns", "a", now) for now in (30.0, 59.0)] == [30_000, 1_000]
    assert rates.retry_after_ms("turns", "a", 60.0) is None


def test_zero_switches_a_limit_off_and_what_has_none_is_allowed() -> None:
    rates = RateLimits({"turns": 0})
    assert [rates.retry_after_ms(name, "a", 0.0) for name in ("turns", "dances") * 100] == [None] * 200


def test_keys_and_names_are_counted_apart() -> None:
    rates = RateLimits({"turns": 1, "connects": 1})
    keys = ["a", "b", "", "a/b", "::1", "turns", "键"]
    for name in ("turns", "connects"):
        assert [rates.retry_after_ms(name, key, 0.0) for key in keys] == [None] * len(keys)
        assert None not in [rates.retry_after_ms(name, key, 0.0) for key in keys]


@given(
    amount=st.integers(1, 4),
    events=st.lists(st.tuples(st.integers(0, 3), st.floats(0, 40, allow_nan=False)), max_size=60),
)
def test_no_minute_ever_holds_more_than_allowed_and_no_wait_is_too_short(
    amount: int, events: list[tuple[int, float]]
) -> None:
    rates, now = RateLimits({"turns": amount}), 0.0
    allowed: dict[int, list[float]] = {}
    for key, pause in events:
        now += pause
        recent = [at for at in allowed.get(key, []) if now - at < 60]
        wait_ms = rates.retry_after_ms("turns", str(key), now)
        assert (wait_ms is None) == (len(recent) < amount)
        if wait_ms is None:
            allowed.setdefault(key, []).append(now)
        else:
            assert 0 < wait_ms <= 60_001  # of which the last is the rounding
            now += (wait_ms + 1) / 1000
            assert rates.retry_after_ms("turns", str(key), now) is None
            allowed[key].append(now)


def test_keys_that_are_silent_are_forgotten() -> None:
    rates = RateLimits({"turns": 2})
    for number in range(10_000):
        rates.retry_after_ms("turns", str(number), number / 100)
    (window,) = rates._windows.values()
    assert len(window._times) <= 6_001  # those of the last minute


def test_keys_that_a_stranger_can_choose_are_bounded_and_the_oldest_is_forgotten() -> None:
    rates = RateLimits({"wrong_tokens": 1})
    for number in range(30_000):
        assert rates.retry_after_ms("wrong_tokens", f"2001:db8:0:{number:x}::/64", 0.0) is None
    (window,) = rates._windows.values()
    assert len(window._times) <= 10_001
    assert rates.retry_after_ms("wrong_tokens", f"2001:db8:0:{29_999:x}::/64", 1.0) == 59_000


def test_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    bucket = TokenBucket(10, 3, 0.0)
    assert [bucket.retry_after_ms(0.0) for _ in range(4)] == [None, None, None, 100]
    assert bucket.retry_after_ms(0.1) is None
    assert bucket.retry_after_ms(0.15) in (50, 51)  # rounded up


def test_bucket_forgives_what_came_while_it_was_us_who_did_not_read() -> None:
    bucket = TokenBucket(10, 3, 0.0)
    while bucket.retry_after_ms(0.0) is None:
        pass
    assert [bucket.retry_after_ms(2.0, waited_s=2.0), *(bucket.retry_after_ms(2.0) for _ in range(3))].count(None) == 4


def test_bucket_without_a_rate_is_no_limit() -> None:
    bucket = TokenBucket(0, 1, 0.0)
    assert all(bucket.retry_after_ms(0.0) is None for _ in range(1000))


@given(
    per_second=st.integers(1, 5),
    burst=st.integers(1, 5),
    pauses=st.lists(st.floats(0, 3, allow_nan=False), max_size=60),
)
def test_bucket_never_lets_more_through_than_burst_and_rate_and_no_wait_is_too_short(
    per_second: int, burst: int, pauses: list[float]
) -> None:
    bucket, now, allowed = TokenBucket(per_second, burst, 0.0), 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait_ms = bucket.retry_after_ms(now)
        if wait_ms is not None:
            now += (wait_ms + 1) / 1000
            assert bucket.retry_after_ms(now) is None
        allowed.append(now)
        for first, at in enumerate(allowed):
            assert len(allowed) - first <= burst + per_second * (now - at) + 1e-6
