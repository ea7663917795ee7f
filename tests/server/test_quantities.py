"""Numbers with their units, as people are told them."""

import pytest

from server.quantities import counted


@pytest.mark.parametrize(
    ("number", "unit", "words"),
    [
        (1, "minute", "1 minute"),
        (1.0, "minute", "1 minute"),
        (0, "minute", "0 minutes"),
        (0.5, "second", "0.5 seconds"),
        (1.5, "second", "1.5 seconds"),
        (30.0, "second", "30 seconds"),
        (86400, "second", "86400 seconds"),
    ],
)
def test_one_is_one_and_all_others_are_many(number: float, unit: str, words: str) -> None:
    assert counted(number, unit) == words
