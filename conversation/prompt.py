"""Pure: character, what was said before and what is said now in, the prompt within a token budget out."""

import json
from collections.abc import Iterable, Sequence

from conversation.character import Character
from services.base import Line, Message, Prompt


def build_prompt(
    character: Character, reply_format: str, past: Sequence[Message], said: str, context_tokens: int
) -> Prompt:
    """The fixed part first (vendors cache a common beginning), then the newest of `past` that fit, then `said`.

    `context_tokens` bounds `past` alone. Its oldest message kept is one of the user's: half an exchange only confuses.
    """
    kept: list[Message] = []
    left = context_tokens
    for message in reversed(past):
        left -= estimate_tokens(message.content)
        if left < 0:
            break
        kept.append(message)
    while kept and kept[-1].role != "user":
        kept.pop()
    system = Message("system", system_text(character, reply_format))
    return Prompt(character.name, (system, *reversed(kept), Message("user", said)))


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
