"""Rows of bench/capacity.py to an SVG: CPU of a caller-second and p95 of what is added, over the number of callers.

    python -m bench.loads.plot bench/growth/*.jsonl > bench/growth/growth.svg

A file holds a row of JSON in each line, as `python -m bench.capacity --keep FILE` writes them; its name is the curve's.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 260, 60, 30, 40
COLOURS = ("#4269d0", "#ff725c", "#3ca951", "#a463f2")
PANELS = (("CPU ms per caller-second", 0.0), ("p95 ms", 250.0))  # what is shown, and up to where

Row = dict[str, object]


def number(row: Row, name: str) -> float:
    return float(str(row[name]))


def panel(curves: dict[str, list[Row]], name: str, most: float, top: int) -> list[str]:
    """One diagram; what is beyond `most` is cut off at the edge."""
    rows = [row for curve in curves.values() for row in curve]
    callers = max(number(row, "callers") for row in rows)
    most = most or 1.1 * max(number(row, name) for row in rows)

    def place(row: Row) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - 20) * number(row, "callers") / callers
        height = (HEIGHT - TOP - BOTTOM) * min(most, max(0.0, number(row, name))) / most
        return round(x, 1), round(top + HEIGHT - BOTTOM - height, 1)

    floor = top + HEIGHT - BOTTOM
    lines = [
        f'<text x="{LEFT}" y="{top + 18}" font-weight="bold">{name}</text>',
        f'<path d="M{LEFT},{top + TOP} V{floor} H{WIDTH - 20}" fill="none" stroke="#888"/>',
        *(
            f'<text x="{LEFT - 6}" y="{floor + 4 - (HEIGHT - TOP - BOTTOM) * part / 4}" text-anchor="end">'
            f"{most * part / 4:.3g}</text>"
            for part in range(5)
        ),
    ]
    for at in sorted({number(row, "callers") for row in rows}):
        x = LEFT + (WIDTH - LEFT - 20) * at / callers
        lines.append(f'<text x="{x:.1f}" y="{floor + 16}" text-anchor="middle">{at:.0f}</text>')
    for colour, (title, curve) in zip(COLOURS, curves.items(), strict=False):
        points = [place(row) for row in sorted(curve, key=lambda row: number(row, "callers"))]
        path = " ".join(f"{x},{y}" for x, y in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"><title>{title}</title></circle>' for x, y in points]
    return lines


def svg(curves: dict[str, list[Row]]) -> str:
    """Both panels, one under the other, and whose curve is whose."""
    lines = [line for at, (name, most) in enumerate(PANELS) for line in panel(curves, name, most, at * HEIGHT)]
    for at, (colour, title) in enumerate(zip(COLOURS, curves, strict=False)):
        lines.append(f'<text x="{WIDTH - 20}" y="{18 + 16 * at}" text-anchor="end" fill="{colour}">{title}</text>')
    size = f'width="{WIDTH}" height="{HEIGHT * len(PANELS)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    ground = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([head, ground, *lines, "</svg>"]) + "\n"


def main(files: Sequence[str]) -> None:
    """Print the SVG of some files."""
    read = {Path(file).stem: [json.loads(line) for line in Path(file).read_text().splitlines()] for file in files}
    sys.stdout.write(svg(read))


if __name__ == "__main__":
    main(sys.argv[1:])
