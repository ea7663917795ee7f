"""One target of tests/fuzz/targets.py under Atheris (libFuzzer): inputs are bred from those that reach new lines.

    python -m tests.fuzz.coverage_guided wire 60 FOLDER

What goes wrong is kept in FOLDER/findings.jsonl, once for each kind and place, with the shortest input that did it; the
fuzzer goes on. It ends by itself after so many seconds and says how many inputs there were.
"""

import json
import sys
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["conversation", "server", "services"]):
    from tests.fuzz.targets import TARGETS

ONE_INPUT_S = 10


class Findings:
    """By where it was raised."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._shortest: dict[str, tuple[bytes, str]] = {}

    def keep(self, data: bytes, error: Exception) -> None:
        """The shortest input of each kind."""
        last = traceback.extract_tb(error.__traceback__)[-1]
        kind = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"
        if kind not in self._shortest or len(data) < len(self._shortest[kind][0]):
            self._shortest[kind] = data, str(error)[:200]
            lines = (
                {"kind": name, "input": repr(shortest), "said": said}
                for name, (shortest, said) in self._shortest.items()
            )
            self._file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def main() -> None:
    """Fuzz until the time is over."""
    name, seconds, where = sys.argv[1:]
    target, folder = TARGETS[name], Path(where)
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed)
    words = (each.replace("\\", "\\\\").replace('"', '\\"') for each in target.words)
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words if word.isascii()))
    findings = Findings(folder / "findings.jsonl")

    def run(data: bytes) -> None:
        try:
            target.check(data)
        except Exception as error:
            findings.keep(data, error)

    options = {
        "max_total_time": seconds,
        "max_len": target.longest,
        "timeout": ONE_INPUT_S,
        "rss_limit_mb": 2048,
        "dict": folder / "words",
        "artifact_prefix": f"{folder}/",
        "verbosity": 0,
        "print_final_stats": 1,
    }
    atheris.Setup([sys.argv[0], str(corpus), *(f"-{name}={value}" for name, value in options.items())], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
