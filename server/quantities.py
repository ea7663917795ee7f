"""Pure: a number and its unit in, both as a sentence says them out."""


def counted(number: float, unit: str) -> str:
    """`1 minute`, `0.5 minutes`, `90 seconds`."""
    return f"{number:g} {unit}" if number == 1 else f"{number:g} {unit}s"
