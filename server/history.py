"""`python -m server.history backup|check|export`: the history looked after, while a server writes to it or without one.

Exit status 0 where all is well, 1 where `check` found something, 2 where it cannot be done.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    from server.observability import right_python

    right_python.insist_on_version("-m", "server.history")

try:
    import msgspec

    from server.config import PROJECT_ROOT, ConfigError, load
    from server.observability.language import tell, translate
    from stores import upkeep
    from stores.history_sql import HistoryUrlError, database_path
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    right_python.insist_on_library(error.name, "-m", "server.history")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says, with the file that `history.url` names."""
    wanted = _parser().parse_args(arguments)
    try:
        path = wanted.file or database_path(load().config.history.url, PROJECT_ROOT)
        if wanted.command == "backup":
            return _back_up(path, wanted.target)
        if wanted.command == "check":
            return _check(path)
        return _export(path, wanted.user, wanted.character)
    except (ConfigError, HistoryUrlError, upkeep.UpkeepError) as refusal:
        print(translate(str(refusal)), file=sys.stderr)
        return 2
    except BrokenPipeError:  # who reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _back_up(path: Path, target: Path) -> int:
    copied = upkeep.back_up(path, target)
    print(tell("history_copied", target=target, messages=copied.messages, talks=copied.talks))
    return 0


def _check(path: Path) -> int:
    found = list(upkeep.faults(path))
    for fault in found:
        print(fault)
    if found:
        print(tell("history_unsound", path=path), file=sys.stderr)
        return 1
    there = upkeep.contents(path)
    print(tell("history_sound", path=path, messages=there.messages, talks=there.talks))
    return 0


def _export(path: Path, user: str, character: str) -> int:
    for message in upkeep.messages(path, user, character):
        sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m server.history", description=tell("history_help"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="backup|check|export")
    backup = commands.add_parser("backup", help=tell("history_backup_help"))
    backup.add_argument("target", type=Path, metavar="FILE")
    check = commands.add_parser("check", help=tell("history_check_help"))
    export = commands.add_parser("export", help=tell("history_export_help"))
    export.add_argument("--user", default="", metavar="HASH", help=tell("history_user_help"))
    export.add_argument("--character", default="", metavar="NAME", help=tell("history_character_help"))
    for command in (backup, check, export):
        command.add_argument("--file", type=Path, help=tell("history_file_help"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
