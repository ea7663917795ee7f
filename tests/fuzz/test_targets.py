"""The readers of strangers' bytes, each with a small and always equal share of what `make fuzz` does without end."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

EXAMPLES = 400


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Seeds with some bytes changed, taken out or put in, and bytes that were never a seed."""
    words = st.sampled_from([each.encode() for each in target.words])
    put_in = words | st.binary(max_size=4)
    edits = st.lists(st.tuples(st.integers(0, target.longest), st.integers(0, 6), put_in), max_size=4)
    changed = st.builds(edited, st.sampled_from(target.seeds), edits)
    return changed | st.lists(words | st.binary(max_size=8), max_size=12).map(b"".join)


def edited(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """At each place some bytes go and others come."""
    for at, gone, new in edits:
        place = at % (len(seed) + 1)
        seed = seed[:place] + new + seed[place + gone :]
    return seed


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_what_they_seem(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_that_is_sent_breaks_who_reads_it(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs(target))
    def nothing_breaks(data: bytes) -> None:
        target.check(data)

    nothing_breaks()
