"""A configuration's text in, YAML nodes and plain values out; or the line and the problem, without a word of the text.

A problem never quotes the file: what stands there may be a key put in the wrong place.
"""

import re

import yaml

from server.settings.refusals import ConfigError, about_unseen

MAX_DEPTH = 20  # of nested YAML; ours needs three

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]{0,17})")
_NUMBER = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_YAML_WORDS = re.compile(r"""[^'"]*('([^'"]{1,4}|<[a-z ]+>)'[^'"]*)*""")  # quotes marks and names of its own only


class _Composer(yaml.SafeLoader):
    """Refuses what a configuration has no use for and a hostile one lives on: anchors, aliases, tags, deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None:
            raise yaml.MarkedYAMLError("while scanning an alias", None, "", event.start_mark)
        if event.tag is not None:
            raise yaml.MarkedYAMLError(None, None, "tags (!) are not used here", event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(None, None, "it is nested too deeply", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def compose(text: str, where: str, *, has_lines: bool) -> yaml.Node | None:
    """The only document in the text; None where there is nothing in it.

    Raises:
        ConfigError: it is no YAML.
    """
    line: int | None
    column: int | None
    try:
        return yaml.compose(text, Loader=_Composer)
    except yaml.reader.ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, None
        problem = "a control character; remove it"
    except (ValueError, OverflowError):  # an escape beyond Unicode
        line, column, problem = None, None, "an escape or a number in it is too large; correct it"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = _problem(error)
    place = where
    if has_lines and line:
        place += f", line {line}" + (f", column {column}" if column else "")
    unseen = about_unseen(text.splitlines(), line) if has_lines and line else ""
    raise ConfigError(f"{place}: this is not valid YAML: {problem}{unseen}")


def _problem(error: yaml.MarkedYAMLError) -> str:
    """What is wrong and the mend."""
    if error.context in ("while scanning an alias", "while scanning an anchor"):
        return (
            'anchors and aliases (& and *) are not used here; write the value out, and put a text such as "*" in quotes'
        )
    problem = error.problem or "it cannot be read"
    if not _YAML_WORDS.fullmatch(problem):
        problem = re.split("['\"]", problem, maxsplit=1)[0].strip()
    return f"{problem}; check the indentation, the space after each colon, and the quotes"


def scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """YAML 1.2's plain values and 1.1's yes, no, on, off; so 0100 is no octal number and 1:30 not ninety."""
    text = str(node.value)
    if node.style is not None:
        return text
    if text in _NULLS:
        return None
    if text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text.replace("_", ""))
    if _NUMBER.fullmatch(text) and not re.match(r"[-+]?0[0-9_]", text):
        return float(text.replace("_", ""))
    return text
