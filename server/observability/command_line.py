"""What follows `python -m server.main` in; its help, or one sentence about what is not known, out.

Python 3.8 must be able to read this file: it is there before the right Python is found.
"""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys

from server.observability.language import tell
from server.observability.right_python import ROOT

KEYS = "DOUBAO_API_KEY, MINIMAX_API_KEY, OPENAI_API_KEY, BYTEDANCE_API_KEY (BYTEDANCE_APP_KEY + BYTEDANCE_ACCESS_KEY)"
HELP = ("-h", "--help")


def obey(arguments: list[str]) -> None:
    """Ends the program unless there are none: a server is told what to do by its settings."""
    if any(each in HELP for each in arguments):
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows question marks
        print(tell("help", keys=KEYS, command=client_command("--message", "你好")), end="")
        sys.exit(0)
    if arguments:
        print(tell("unknown_arguments", arguments=" ".join(arguments)), file=sys.stderr)
        sys.exit(2)


def client_command(*arguments: str) -> str:
    """To be typed as it is, in any folder."""
    return typed([sys.executable or "python3", str(ROOT / "client" / "test_client.py"), *arguments])


def typed(command: list[str], windows: bool = os.name == "nt") -> str:
    """A command as one line. PowerShell takes a program in quotes for a text unless `&` stands before it."""
    if not windows:
        return shlex.join(command)
    line = subprocess.list2cmdline(command)
    return f"& {line}" if line.startswith('"') else line
