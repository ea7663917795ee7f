"""Pure: character, what was said before and what is said now in, the prompt within a token budget out."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from conversation.character import Character
from services.base import Line, Message, Prompt

# Told in front of what the user says next. A reply is cut by whoever speaks into it, and by a connection or an LLM that
# fails; whichever it was, this is what the other one knows of it.
CUT = "（你上面的话被打断了，对方只听到这里。）\n"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A message of the past. `cut`: the turn was broken off, and of its reply only this was heard."""

    message: Message
    cut: bool = False


def build_prompt(
    character: Character, reply_format: str, past: Sequence[Remembered], said: str, context_tokens: int
) -> Prompt:
    """The fixed part first (vendors cache a common beginning), then the newest of `past` that fit, then `said`.

    `context_tokens` bounds `past` alone. Its oldest message kept is one of the user's: half an exchange only confuses.
    """
    kept: list[Remembered] = []
    left = context_tokens
    for remembered in reversed(past):
        left -= estimate_tokens(remembered.message.content)
        if left < 0:
            break
        kept.append(remembered)
    while kept and kept[-1].message.role != "user":
        kept.pop()
    system = Message("system", system_text(character, reply_format))
    talk = (*reversed(kept), Remembered(Message("user", said)))
    return Prompt(character.name, (system, *_as_told(talk)))


def _as_told(talk: Iterable[Remembered]) -> Iterator[Message]:
    was_cut = False
    for remembered in talk:
        message = remembered.message
        yield Message("user", CUT + message.content) if was_cut and message.role == "user" else message
        was_cut = remembered.cut and message.role == "assistant"


def system_text(character: Character, reply_format: str) -> str:
    """What an LLM is told before anybody speaks: who it is, and how to reply."""
    return f"{character.manifest.strip()}\n\n{reply_format.strip()}"


def estimate_tokens(text: str) -> int:
    """A safe guess: a token is about one Chinese or Japanese character (3 bytes) or four Latin ones."""
    return len(text.encode("utf-8", "replace")) // 3 + 4


def as_reply(lines: Iterable[Line]) -> str:
    """Lines as the reply contract writes them: what an LLM is shown of its own earlier words."""
    return "\n".join(
        json.dumps({"emotion": line.emotion, "jp": line.jp, "cn": line.cn}, ensure_ascii=False) for line in lines
    )
