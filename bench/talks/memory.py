"""Replies interrupted at random instants in; by how much their text in the history differs from what was heard, out.

The simulated voice takes as long for each letter: so it is known which one sounded when its client stopped.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from bench.load import quantiles
from bench.talks.room import Microphone
from bench.talks.stage import STORY, side_by_side, stage
from bench.talks.talk import INTERRUPT, Talk, talking

LATEST_S = 8.0  # after the first sound
LETTER_MS = 60.0
_CLAUSE = re.compile(r"[^、。]*[、。]+")


@dataclass(slots=True)
class Memories:
    """`clauses`: how many more, or fewer, are remembered than were heard."""

    interrupted: int = 0
    differ: int = 0  # by more than one clause
    clauses: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        return {
            "interruptions": self.interrupted,
            "differ_by_more_than_a_clause": self.differ,
            "clauses": quantiles([abs(each) for each in self.clauses]),
            "wrong": self.wrong[:5],
        }


def clauses_heard(played_ms: float) -> float:
    """Of STORY, with the share of the one that was being spoken."""
    left, heard = played_ms / LETTER_MS, 0.0
    for clause in _CLAUSE.findall("".join(jp for jp, _ in STORY)):
        if left < len(clause):
            return heard + left / len(clause)
        left, heard = left - len(clause), heard + 1
    return heard


async def remembered(users: int, count: int, seed: int) -> Memories:
    """So many interruptions; of every second one the client says how much it has played."""
    results, dice = Memories(), random.Random(seed)
    instants = [dice.uniform(0.0, LATEST_S) for _ in range(count)]
    async with stage(users) as here:

        async def work(number: int, mine: Sequence[float]) -> None:
            async with talking(here.server.url, number, here.known, Microphone(number)) as talk:
                for nth, after_s in enumerate(mine):
                    await interrupt(talk, after_s, results, tells=bool(nth % 2))

        await side_by_side(users, instants, work)
    return results


async def interrupt(talk: Talk, after_s: float, results: Memories, *, tells: bool) -> None:
    heard = talk.heard
    cuts = len(heard.interrupted)
    await talk.ask()
    await anyio.sleep(after_s)
    played_ms = talk.played_ms
    await talk.send(f'{{"type": "interrupt", "played_ms": {played_ms:.0f}}}' if tells else INTERRUPT)
    await talk.until(lambda: not heard.runs, 10.0)
    if len(heard.interrupted) == cuts:
        return
    results.interrupted += 1
    kept = str(heard.responses[-1]["content_jp"])
    whole = "".join(jp for jp, _ in STORY)
    clauses = len(_CLAUSE.findall(kept)) - clauses_heard(heard.interrupted[cuts].played_ms)
    results.clauses.append(clauses)
    if not whole.startswith(kept) or abs(clauses) > 1:
        results.differ += 1
        results.wrong.append(f"{clauses:+.2f} clauses, played {played_ms:.0f} ms: {kept}")
