"""A command line in; what it asks for, as one value, out. Also the exit codes and what the help says."""

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatanon_client import ChatAnonError, mend_url
from client.language import tell
from client.terminal import COMMANDS

DEFAULT_URL = "ws://localhost:8765/ws"
DEFAULT_TOKEN = "dev_token_001"
DEFAULT_FOLDER = "recordings"
TOKEN_VARIABLE = "CHATANON_TOKEN"
WELL, REFUSED, UNREACHABLE = 0, 1, 2
TRIES = 5  # to connect, where no person waits who can decide to give up
UNUSABLE = 2  # a file or a device that the mode needs


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    url: str
    token: str = field(repr=False)
    token_source: str
    character: str | None
    message: str | None
    voice: bool
    agent: bool
    wavs: tuple[Path, ...]
    headset: bool
    input_device: str | None
    output_device: str | None
    list_devices: bool
    folder: Path
    saving: bool
    playing: bool

    @property
    def is_typed(self) -> bool:
        """What is said comes from a person (or a pipe), not from the command line."""
        return self.message is None and not self.wavs

    @property
    def is_one_shot(self) -> bool:
        """A lost answer is the end: what was asked is not asked again."""
        return not self.is_typed and not self.agent


class _Help(argparse.HelpFormatter):
    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, tell("usage_prefix"))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        usage=tell("usage"), formatter_class=_Help, description=tell("description"), add_help=False
    )
    _add_talk(parser.add_argument_group(tell("options")))
    _add_voice(parser.add_argument_group(tell("options_voice")))
    parser.epilog = tell("epilog", commands=" ".join(COMMANDS))
    return parser


def _add_talk(options: argparse._ArgumentGroup) -> None:
    options.add_argument(
        "--token", metavar="TOKEN", help=tell("help_token", variable=TOKEN_VARIABLE, default=DEFAULT_TOKEN)
    )
    options.add_argument("--url", metavar="URL", default=DEFAULT_URL, help=tell("help_url", default=DEFAULT_URL))
    options.add_argument("--character", metavar="NAME", help=tell("help_character"))
    options.add_argument("--message", metavar="TEXT", help=tell("help_message"))
    options.add_argument(
        "--save",
        metavar="DIR",
        nargs="?",
        const=DEFAULT_FOLDER,
        help=tell("help_save", default=DEFAULT_FOLDER),
    )
    options.add_argument("--no-audio", action="store_true", help=tell("help_no_audio"))
    options.add_argument("-h", "--help", action="help", help=tell("help_help"))


def _add_voice(options: argparse._ArgumentGroup) -> None:
    options.add_argument("--voice", action="store_true", help=tell("help_voice"))
    options.add_argument("--agent", action="store_true", help=tell("help_agent"))
    options.add_argument(
        "--wav",
        metavar="FILE",
        action="append",
        default=[],
        help=tell("help_wav"),
    )
    options.add_argument("--headset", action="store_true", help=tell("help_headset"))
    options.add_argument("--list-devices", action="store_true", help=tell("help_list_devices"))
    options.add_argument("--input-device", metavar="DEVICE", help=tell("help_input_device"))
    options.add_argument("--output-device", metavar="DEVICE", help=tell("help_output_device"))


def parse_arguments(arguments: list[str]) -> Options:
    parser = make_parser()
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(tell("unknown_arguments", arguments=" ".join(unknown)))
    try:
        url = mend_url(given.url)
    except ChatAnonError as error:
        parser.error(tell(error.code, url=repr(given.url.strip()), detail=error.detail))
    if given.voice and given.agent:
        parser.error(tell("voice_or_agent"))
    if given.message is not None and (given.voice or given.agent or given.wav):
        parser.error(tell("message_or_voice"))
    token, source = given.token, tell("token_of_option")
    if token is None:
        token, source = os.environ.get(TOKEN_VARIABLE), tell("token_of_variable", variable=TOKEN_VARIABLE)
    token = token.strip() if token else token  # a file with Windows' line ends leaves a \r behind it
    if not token and given.token is None:
        token, source = DEFAULT_TOKEN, tell("token_of_default")
    return Options(
        url=url,
        token=token,
        token_source=source,
        character=given.character,
        message=given.message,
        voice=given.voice,
        agent=given.agent,
        wavs=tuple(Path(name) for name in given.wav),
        headset=given.headset,
        input_device=given.input_device,
        output_device=given.output_device,
        list_devices=given.list_devices,
        folder=Path(given.save or DEFAULT_FOLDER),
        saving=given.save is not None or given.message is not None or bool(given.wav),
        playing=not given.no_audio,
    )
