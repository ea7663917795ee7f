"""What a person calls a sound device in; its number out, or one sentence why there is none. Also the list of all."""

from typing import Any, Literal

from client.language import tell

Kind = Literal["input", "output"]
KINDS: dict[Kind, str] = {"input": "microphone", "output": "speaker"}  # names of texts


class NoSoundLibrary(Exception):
    """`lack`: what is missing. `mend`: what helps."""

    def __init__(self, lack: str, mend: str) -> None:
        super().__init__(tell("and_mend", lack=lack, mend=mend))
        self.lack = lack
        self.mend = mend


class NoSuchDevice(Exception):
    """str(error) is one sentence."""


def load_sounddevice() -> Any:
    """
    Raises:
        NoSoundLibrary
    """
    try:
        import sounddevice  # not at the top: importing it loads and starts PortAudio, which may be missing
    except OSError as error:
        raise NoSoundLibrary(tell("no_portaudio"), tell("mend_portaudio")) from error
    except ImportError as error:
        raise NoSoundLibrary(tell("no_sounddevice"), tell("mend_sounddevice")) from error
    return sounddevice


def _usable(sounddevice: Any, kind: Kind) -> list[tuple[int, str]]:
    devices = enumerate(sounddevice.query_devices())
    return [(number, str(device["name"])) for number, device in devices if device[f"max_{kind}_channels"] > 0]


def find_device(sounddevice: Any, wanted: str | None, kind: Kind) -> int | None:
    """By its number, its name or a part of the name. None: the system's default.

    Raises:
        NoSuchDevice: none or several are meant.
    """
    if wanted is None:
        return None
    usable = _usable(sounddevice, kind)
    meant = [number for number, _ in usable if str(number) == wanted.strip()]
    meant = meant or [number for number, name in usable if name.casefold() == wanted.casefold()]
    meant = meant or [number for number, name in usable if wanted.casefold() in name.casefold()]
    if not meant:
        raise NoSuchDevice(tell("no_such_device", name=wanted, kind=tell(KINDS[kind])))
    if len(meant) > 1:
        choice = tell("list_comma").join(f"{number} {name}" for number, name in usable if number in meant)
        raise NoSuchDevice(tell("several_devices", name=wanted, kind=tell(KINDS[kind]), choice=choice))
    return meant[0]


def describe_devices() -> str:
    """One line for each device; the defaults are marked with an asterisk.

    Raises:
        NoSoundLibrary
        NoSuchDevice: there is not one.
    """
    sounddevice = load_sounddevice()
    lines = []
    for kind, default in zip(KINDS, sounddevice.default.device, strict=True):
        usable = _usable(sounddevice, kind)
        name = tell(KINDS[kind])
        lines.append(tell("devices", kind=name, option=kind) if usable else tell("devices_none", kind=name))
        lines += [f"{'*' if number == default else ' '} {number:>3}  {name}" for number, name in usable]
    if len(lines) == len(KINDS):
        raise NoSuchDevice(tell("no_devices"))
    return "\n".join(lines)
