"""The reader's language and a text's name in; the sentence in that language out.

Python 3.8 must be able to read this file: it is there before the right Python is found.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from client.texts import TEXTS

LANGUAGES = ("zh", "en", "ja")  # the order of the columns in TEXTS
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # the order of Python's gettext: the first that is set counts
UNSAID = "zh"  # the project's users; also where the locale is C or POSIX, which is what machines say
FOREIGN = "en"  # who reads none of them


def language_of(environ: Mapping[str, str]) -> str:
    """`zh_CN.UTF-8`, `ja`, `fr_FR:en` and the like decide; of several the first that we speak."""
    said = next((environ[name] for name in VARIABLES if environ.get(name)), "") or _language_of_windows()
    wanted = [part.split(".")[0].split("@")[0].replace("-", "_").split("_")[0].lower() for part in said.split(":")]
    wanted = [language for language in wanted if language]
    if not wanted or wanted[0] in ("c", "posix"):
        return UNSAID
    return next((language for language in wanted if language in LANGUAGES), FOREIGN)


def _language_of_windows() -> str:
    """Windows sets none of the variables."""
    if sys.platform != "win32":
        return ""
    import ctypes
    import locale

    return locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")


def has_text(name: str) -> bool:
    return name in TEXTS


def tell(name: str, /, **fields: object) -> str:
    """The text of that name, with what stands in its braces."""
    return TEXTS[name][LANGUAGES.index(language_of(os.environ))].format(**fields)
