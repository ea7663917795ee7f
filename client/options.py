"""A command line in; what it asks for, as one value, out. Also the exit codes and what the help says."""

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path

from client.connection import mend_url
from client.terminal import COMMANDS

DEFAULT_URL = "ws://localhost:8765/ws"
DEFAULT_TOKEN = "dev_token_001"
DEFAULT_FOLDER = "recordings"
TOKEN_VARIABLE = "CHATANON_TOKEN"
TOKEN_MEND = (
    f"请用 --token 或环境变量 {TOKEN_VARIABLE} 给出它认识的令牌"
    f"（{DEFAULT_TOKEN} 只在没有设置令牌的服务器上、从本机连接时有效）"
)
WELL, REFUSED, UNREACHABLE = 0, 1, 2
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


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        usage="python client/test_client.py [选项]", description="和角色聊天的命令行客户端", add_help=False
    )
    _add_talk(parser.add_argument_group("选项"))
    _add_voice(parser.add_argument_group("语音"))
    parser.epilog = f"聊天时的命令：{' '.join(COMMANDS)}"
    return parser


def _add_talk(options: argparse._ArgumentGroup) -> None:
    options.add_argument(
        "--token", metavar="TOKEN", help=f"令牌，默认取环境变量 {TOKEN_VARIABLE}，没有则是 {DEFAULT_TOKEN}"
    )
    options.add_argument(
        "--url", metavar="URL", default=DEFAULT_URL, help="服务器地址，默认 %(default)s；也可写成 主机:端口"
    )
    options.add_argument("--character", metavar="NAME", help="角色名，默认由服务器决定")
    options.add_argument("--message", metavar="TEXT", help="只说这一句，等到回答就结束，声音存成 WAV")
    options.add_argument(
        "--save",
        metavar="DIR",
        nargs="?",
        const=DEFAULT_FOLDER,
        help=f"把每个回答的声音存成 WAV 文件，默认目录 {DEFAULT_FOLDER}/",
    )
    options.add_argument("--no-audio", action="store_true", help="不播放声音")
    options.add_argument("-h", "--help", action="help", help="显示这份帮助")


def _add_voice(options: argparse._ArgumentGroup) -> None:
    options.add_argument("--voice", action="store_true", help="用麦克风说话：按回车开始，再按回车结束；也可以打字")
    options.add_argument("--agent", action="store_true", help="免按键连续对话：直接说话，说完自动回答；也可以打字")
    options.add_argument(
        "--wav",
        metavar="FILE",
        action="append",
        default=[],
        help="不用麦克风，说 WAV 文件里的话，可以给多次；单用时整个文件一次发送，配 --voice 或 --agent 时按实时速度说",
    )
    options.add_argument("--headset", action="store_true", help="戴着耳机：角色说话时不关麦克风")
    options.add_argument("--list-devices", action="store_true", help="列出声音设备就结束")
    options.add_argument("--input-device", metavar="DEVICE", help="麦克风：设备编号，或者名字的一部分")
    options.add_argument("--output-device", metavar="DEVICE", help="扬声器：设备编号，或者名字的一部分")


def parse_arguments(arguments: list[str]) -> Options:
    parser = make_parser()
    given = parser.parse_args(arguments)
    try:
        url = mend_url(given.url)
    except ValueError as error:
        parser.error(str(error))
    if given.voice and given.agent:
        parser.error("--voice 和 --agent 只能选一个")
    if given.message is not None and (given.voice or given.agent or given.wav):
        parser.error("--message 说的是文字，不能和 --voice、--agent、--wav 同用")
    token, source = given.token, " --token"
    if token is None:
        token, source = os.environ.get(TOKEN_VARIABLE), f"环境变量 {TOKEN_VARIABLE}"
    token = token.strip() if token else token  # a file with Windows' line ends leaves a \r behind it
    if not token and given.token is None:
        token, source = DEFAULT_TOKEN, "默认值"
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
