"""The environment and credentials.py in, the API keys and tokens out, held so that no print or log shows them."""

import difflib
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.settings.refusals import ConfigError

KEY_NAMES = (
    "BYTEDANCE_APP_KEY",
    "BYTEDANCE_ACCESS_KEY",
    "BYTEDANCE_API_KEY",
    "DOUBAO_API_KEY",
    "MINIMAX_API_KEY",
    "OPENAI_API_KEY",
)
TOKENS_NAME = "VALID_API_TOKENS"
PLACEHOLDER = "your_"
QUOTES = (
    ('"', '"'),
    ("'", "'"),
    ("“", "”"),
    ("‘", "’"),
    ("「", "」"),
    ("`", "`"),
)  # as typed, pasted from a document, or copied from a page
STRONG_TOKEN_CHARS = 22  # 128 bits in URL-safe base64


class HiddenValues(Mapping[str, str]):
    """A mapping that shows its keys and never its values."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<hidden: {', '.join(self._values) or 'none'}>"


class Secrets:
    """The API keys that are set, by their names in the environment, and the tokens; unchangeable, hidden when shown.

    A token is as it was given, or `sha256:` and 64 lower-case hex digits. A plain class, not a dataclass: nothing that
    turns dataclasses into JSON or log fields can then reach into it.
    """

    __slots__ = ("_tokens", "_values")

    def __init__(self, values: Mapping[str, str] | None = None, tokens: tuple[str, ...] = ()) -> None:
        self._values = HiddenValues(values or {})
        self._tokens = tokens

    @property
    def values(self) -> Mapping[str, str]:
        return self._values

    @property
    def tokens(self) -> tuple[str, ...]:
        return self._tokens

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def __repr__(self) -> str:
        return f"Secrets(values={self._values!r}, tokens=<hidden: {len(self._tokens)}>)"


@dataclass(slots=True)
class _Source:
    """One place that may hold secrets, and which of its names held placeholders."""

    where: str
    values: Mapping[str, object] = field(repr=False)
    placeholders: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)

    def unquoted(self, name: str, text: str) -> str:
        """Without quotes around it, which shells take off and env files of containers do not; the name is noted."""
        text = text.strip()
        for opening, closing in QUOTES:
            if len(text) > 1 and text.startswith(opening) and text.endswith(closing) and opening not in text[1:-1]:
                if name not in self.quoted:
                    self.quoted.append(name)
                return text[1:-1].strip()
        return text


def read_secrets(
    environ: Mapping[str, str], path: Path | None = None, data: bytes = b""
) -> tuple[Secrets, tuple[str, ...]]:
    """What is set, the environment above the file at `path` with the content `data`; and the warnings.

    Blank values and placeholders count as not set, in each source by itself: an empty variable hides nothing.

    Raises:
        ConfigError: the file cannot be run, or a value cannot be what its name says; never with the value in it.
    """
    sources = [_Source("the environment", environ)]
    notes: list[str] = []
    if path is not None:
        sources.append(_Source(str(path), _run(data, path)))
        notes += _misspelt(sources[-1])
    keys = {name: key for name in KEY_NAMES if (key := _first_key(name, sources))}
    tokens = _first_tokens(sources)
    for source in sources:
        if source.placeholders:
            names = ", ".join(source.placeholders)
            notes.append(f"{source.where}: {names} ignored: a value that begins with {PLACEHOLDER} is a placeholder")
        if source.quoted:
            names = ", ".join(source.quoted)
            notes.append(f"{source.where}: {names}: the quotes around it are no part of it and were taken off")
    short = sum(len(token) < STRONG_TOKEN_CHARS for token in tokens)  # a sha256: entry is never short
    if short:
        notes.append(
            f"{TOKENS_NAME}: {short} of {len(tokens)} shorter than {STRONG_TOKEN_CHARS} characters, easy to guess; "
            'make better ones with: python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    return Secrets(keys, tokens), tuple(notes)


def _run(data: bytes, path: Path) -> Mapping[str, object]:
    """The names that credentials.py defines. Every refusal is raised outside `except`, so that no chained error,
    whose text may quote the line with the key, can be logged with it."""
    namespace: dict[str, object] = {"__name__": "credentials", "__file__": str(path)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python prints the line a SyntaxWarning is about
        fault = _fault_of_running(data, path, namespace)
    if fault:
        raise ConfigError(fault)
    return namespace


def _fault_of_running(data: bytes, path: Path, namespace: dict[str, object]) -> str | None:
    try:
        code = compile(data, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        return f"{path}, line {line}: this is not valid Python; put each value in straight quotes, one name to a line"
    try:
        exec(code, namespace)
    except (Exception, SystemExit) as error:  # the operator's own code may raise anything
        line, trace = 1, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == str(path):
                line = trace.tb_lineno
            trace = trace.tb_next
        kind = type(error).__name__
    else:
        return None
    return f"{path}, line {line}: running this file fails with {kind}; correct the line, with each value in quotes"


def _misspelt(source: _Source) -> Iterator[str]:
    known = (*KEY_NAMES, TOKENS_NAME)
    for name in source.values:
        near = difflib.get_close_matches(name, known, 1, 0.8) if name.isupper() and name not in known else []
        if near and not source.values.get(near[0]):
            yield f"{source.where}: {name} is not read; did you mean {near[0]}?"


def _first_key(name: str, sources: list[_Source]) -> str | None:
    for source in sources:
        value = source.values.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            raise ConfigError(f"{source.where}: {name} must be a text; put it in quotes")
        key = source.unquoted(name, value)
        if _is_placeholder(key):
            source.placeholders.append(name)
        elif not (key.isascii() and key.isprintable()):
            raise ConfigError(
                f"{source.where}: {name} holds a line break, a control character or a letter that no key has; "
                "copy the key again, alone"
            )
        elif key:
            return key
    return None


def _is_placeholder(text: str) -> bool:
    return text.lower().startswith(PLACEHOLDER)


def _first_tokens(sources: list[_Source]) -> tuple[str, ...]:
    for source in sources:
        given = [_token(entry, source, f"{source.where}: {TOKENS_NAME}, entry {n}") for n, entry in _entries(source)]
        tokens = [token for token in given if not _is_placeholder(token)]
        if len(tokens) < len(given):
            count = len(given) - len(tokens)
            source.placeholders.append(f"{TOKENS_NAME} ({count} {'entry' if count == 1 else 'entries'})")
        tokens = [token for token in tokens if token]
        if tokens:
            return tuple(dict.fromkeys(tokens))
    return ()


def _entries(source: _Source) -> Iterator[tuple[int, object]]:
    value = source.values.get(TOKENS_NAME)
    match value:
        case None:
            return
        case str():
            yield from enumerate(source.unquoted(TOKENS_NAME, value).split(","), 1)
        case list() | tuple() | dict():
            yield from enumerate(value, 1)
        case set() | frozenset():
            yield from enumerate(sorted(value, key=repr), 1)
        case _:
            raise ConfigError(
                f"{source.where}: {TOKENS_NAME} must be a text with commas, a list, a tuple, a set or a dict of tokens"
            )


def _token(entry: object, source: _Source, place: str) -> str:
    if not isinstance(entry, str):
        raise ConfigError(f"{place}: must be a text; put it in quotes")
    token = source.unquoted(TOKENS_NAME, entry)
    if not token.isprintable():
        raise ConfigError(f"{place}: holds a line break or another control character; put a comma between two tokens")
    prefix, colon, digest = token.partition(":")
    if not colon or prefix.lower() != "sha256":
        return token
    if not re.fullmatch(r"[0-9a-f]{64}", digest.strip().lower()):
        raise ConfigError(f"{place}: after sha256: there must be exactly 64 hexadecimal digits; make the hash again")
    return f"sha256:{digest.strip().lower()}"
