"""How often something is allowed in a minute. No clock is asserted on: what is counted here is over long before."""

import threading

from server.rate_limits import RateLimits


def test_so_many_are_allowed_and_the_next_is_told_to_wait() -> None:
    rates = RateLimits({"turns": 3})
    assert [rates.retry_after_ms("turns", "a") for _ in range(3)] == [None] * 3
    for _ in range(3):
        wait_ms = rates.retry_after_ms("turns", "a")
        assert isinstance(wait_ms, int)
        assert 1 <= wait_ms <= 60_000


def test_zero_switches_a_limit_off() -> None:
    rates = RateLimits({"turns": 0, "connects": 1})
    assert [rates.retry_after_ms("turns", "a") for _ in range(500)] == [None] * 500
    assert [rates.retry_after_ms("connects", "a") is None for _ in range(2)] == [True, False]


def test_what_has_no_limit_is_allowed() -> None:
    assert [RateLimits({}).retry_after_ms("turns", "a") for _ in range(100)] == [None] * 100


def test_keys_are_counted_apart() -> None:
    rates = RateLimits({"turns": 1})
    keys = ["a", "b", "", "a/b", "a:b", "::1", "*", "turns", "键"]
    assert [rates.retry_after_ms("turns", key) for key in keys] == [None] * len(keys)
    assert None not in [rates.retry_after_ms("turns", key) for key in keys]


def test_names_are_counted_apart_even_with_the_same_amount() -> None:
    rates = RateLimits({"turns": 1, "connects": 1})
    assert rates.retry_after_ms("turns", "a") is None
    assert rates.retry_after_ms("connects", "a") is None
    assert rates.retry_after_ms("turns", "a") is not None


def test_two_objects_do_not_share_their_counts() -> None:
    limits = {"turns": 1}
    assert [RateLimits(limits).retry_after_ms("turns", "a") for _ in range(3)] == [None] * 3


def test_threads_that_count_at_once_lose_nothing() -> None:
    rates = RateLimits({"turns": 50})
    allowed: list[bool] = []

    def count() -> None:
        for _ in range(50):
            allowed.append(rates.retry_after_ms("turns", "a") is None)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(allowed), sum(allowed)) == (200, 50)
