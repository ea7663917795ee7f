"""A vendor's breaker against a plain model of it, over any order of calls, ends and times."""

from hypothesis import given
from hypothesis import strategies as st

from services.base import LLMError, TTSError
from services.engine_choice import EngineChoice, Vendor
from services.fallback.breaker import FAILURES_IN_A_ROW, OPEN_S
from services.fallback.lineup import Call, Lineup, most_useful

CHOICES = [EngineChoice(name, Vendor(""), "") for name in ("one", "two")]
STEPS = st.lists(
    st.one_of(
        st.just("call"),
        st.tuples(st.sampled_from(["succeed", "fail", "blameless", "leave"]), st.integers(0, 5)),
        st.sampled_from([1.0, OPEN_S / 2, OPEN_S]),
    ),
    max_size=60,
)


@given(STEPS)
def test_at_most_one_call_tries_a_vendor_that_is_out_and_only_its_failures_keep_it_out(steps: list[object]) -> None:
    now, failures, out_until = 0.0, 0, None
    running: list[tuple[Call, bool]] = []
    lineup = Lineup("llm", CHOICES, lambda: now)
    for step in steps:
        trying = any(tries for _, tries in running)
        match step:
            case float():
                now += step
            case "call":
                call = next(lineup.calls())
                may = out_until is None or (now >= out_until and not trying)
                assert (call.index == 0) == may
                if may:
                    call.__enter__()
                    running.append((call, out_until is not None))
            case (str(end), int(which)) if running:
                call, tries = running.pop(which % len(running))
                if end == "succeed":
                    call.succeeded()
                    failures, out_until = 0, None
                elif end == "fail":
                    call.failed(LLMError("no"))
                    failures += 1
                    if tries or (out_until is None and failures >= FAILURES_IN_A_ROW):
                        out_until = now + OPEN_S
                elif end == "blameless":
                    call.failed(TTSError("not this", one_sentence=True))
                call.__exit__(None, None, None)
        assert out_until is None or lineup.degraded


def test_the_error_that_is_said_is_one_that_may_go_well_next_time() -> None:
    hopeless, busy, late = LLMError("key", retryable=False), LLMError("busy"), LLMError("late", timed_out=True)
    assert most_useful([hopeless, busy, late]) is busy
    assert most_useful([hopeless]) is hopeless
