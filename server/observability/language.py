"""The reader's language and a text in; the same in that language, for terminals, out. Other logs are English.

Python 3.8 must be able to read this file: it is there before the right Python is found.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

from server.observability.command_texts import COMMAND_TEXTS
from server.observability.refusal_texts import REFUSALS
from server.observability.texts import SENTENCES, TEXTS

LANGUAGES = ("zh", "en", "ja")  # the order of the columns in TEXTS; SENTENCES leave out the English
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # the order of Python's gettext: the first that is set counts
UNSAID = "zh"  # the project's users; also where the locale is C or POSIX, which is what machines say
FOREIGN = "en"  # who reads none of them

NAMED = {**TEXTS, **COMMAND_TEXTS}
TRANSLATIONS = {**REFUSALS, **SENTENCES}  # the most general come last
LONGEST_SENTENCE = 1_000
PATTERNS = {  # of what may stand in braces of these names
    "count": r"[0-9]+",
    "line": r".+?, line [0-9]+|environment variable \S+",
    "kind": r"[a-z]+",
    "key": r"[^\s:]+(?: \(item [0-9]+(?:, item [0-9]+)*\)[^\s:]*)?|this key of (?:the file|\S+)|the file|the whole",
    "value": r"[^;]+?",
    "low": r"[-+.e0-9]+",
    "high": r"[-+.e0-9]+",
    "most": r"[0-9]+",
    "state": r"is missing|is empty",
    "first": r"(?: \(first in line [0-9]+\))?",
    "tail": r"(?:; .+)?",
    "hint": r"(?:; .+)?",
    "unseen": r"(?:; line [0-9]+ holds .+)?",
    "name": r"[\w.-]+",
    "names": r"[A-Z][A-Z0-9_]+(?:(?:,| and|, or) [A-Z][A-Z0-9_]+)*",
}


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


def tell(name: str, /, **fields: object) -> str:
    """The text of that name, with what stands in its braces."""
    return NAMED[name][LANGUAGES.index(language_of(os.environ))].format(**fields)


def translate(sentence: str) -> str:
    """An English sentence of ours, made of whichever template; one that is in no table stays as it is.

    The code says its sentences in English where they happen, in rooms that know no reader and for logs that machines
    read; so what stands in the braces is found in the finished sentence again, and may be a sentence itself.
    """
    if "\n" in sentence:
        return "\n".join(translate(line) for line in sentence.split("\n"))
    language = language_of(os.environ)
    if language == FOREIGN or len(sentence) > LONGEST_SENTENCE:
        return sentence
    for template, (chinese, japanese) in TRANSLATIONS.items():
        found = _pattern(template).fullmatch(sentence)
        if found:
            fields = {name: translate(value) for name, value in found.groupdict().items()}
            if "names" in fields:
                fields["names"] = re.sub(r",? (and|or) |, ", "、", fields["names"])
            return (chinese if language == "zh" else japanese).format(**fields)
    return sentence


def _pattern(template: str) -> re.Pattern[str]:
    """`re` itself remembers what it compiled."""
    parts = re.split(r"\{([a-z_]+)\}", template)
    pieces = [
        f"(?P<{part}>{PATTERNS.get(part, '.+?')})" if number % 2 else re.escape(part)
        for number, part in enumerate(parts)
    ]
    return re.compile("".join(pieces))
