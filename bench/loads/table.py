"""Rows to a table of Markdown, for the terminal and bench/RESULTS.md alike."""

import statistics
from collections.abc import Mapping, Sequence


def quantile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent do not exceed; of none, 0."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def told(value: object) -> str:
    """Three digits that count, or what it is."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """A column for each key of the first row."""
    names = list(rows[0])
    lines = [names, ["---"] * len(names), *([told(row.get(name, "")) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
