"""Users who speak, cough and play music into replies in; what interrupts them, and how soon, out."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields

import anyio

from bench.load import quantiles
from bench.talks.material import LEVELS_DB
from bench.talks.room import Microphone
from bench.talks.said import Said
from bench.talks.stage import side_by_side, stage
from bench.talks.talk import Talk, talking

PATIENCE_S = 1.6  # after speech, for the reply to be interrupted: longer than one may be held


@dataclass(slots=True)
class Interruptions:
    """Of one material; milliseconds after the first sample of the speech was spoken."""

    spoken: int = 0
    interrupted: int = 0
    answered: int = 0
    last_audio: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)  # to be played, when the last audio had come
    misheard: list[float] = field(default_factory=list)  # heard_ms against what the client had played

    def add(self, other: "Interruptions") -> None:
        """Those of another material, too."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def row(self) -> dict[str, object]:
        found: dict[str, object] = {
            "spoken": self.spoken,
            "interrupted": self.interrupted,
            "share": round(self.interrupted / max(1, self.spoken), 3),
            "answered": self.answered,
        }
        for name in ("last_audio", "told", "left", "misheard"):
            if values := getattr(self, name):
                found[f"{name}_ms"] = quantiles(values)
        return found


@dataclass(frozen=True, slots=True)
class Job:
    """What is said into one reply, and how long after its first sound."""

    said: Said
    after_s: float


def jobs(everything: Iterable[Said], seed: int, most: int) -> list[Job]:
    """In an order and at levels by chance; of each material as many as of any other, as far as there are."""
    dice = random.Random(seed)
    by_material: dict[str, list[Said]] = {}
    for each in everything:
        by_material.setdefault(each.material, []).append(each)
    for group in by_material.values():
        dice.shuffle(group)
    chosen: list[Said] = []
    while len(chosen) < most and any(by_material.values()):
        chosen += [group.pop() for group in by_material.values() if group]
    dice.shuffle(chosen)
    return [Job(each.at(dice.choice(LEVELS_DB)), dice.uniform(1.0, 4.0)) for each in chosen[:most]]


async def into_replies(users: int, all_jobs: Sequence[Job]) -> dict[str, Interruptions]:
    """With a headset: there is no echo."""
    results: dict[str, Interruptions] = {}
    async with stage(users) as here:

        async def work(number: int, mine: Sequence[Job]) -> None:
            async with talking(here.server.url, number, here.known, Microphone(number)) as talk:
                for job in mine:
                    await speak_into_a_story(talk, job, results.setdefault(job.said.material, Interruptions()))

        await side_by_side(users, all_jobs, work)
    return results


async def speak_into_a_story(talk: Talk, job: Job, results: Interruptions) -> None:
    heard = talk.heard
    await talk.ask()
    await anyio.sleep(job.after_s)
    turns, cuts, said_before = len(heard.turns), len(heard.interrupted), len(heard.transcripts)
    first = talk.microphone.speak(job.said)
    began_at = talk.time_of(first)
    await talk.until(lambda: len(heard.interrupted) > cuts, job.said.length_s + PATIENCE_S)
    results.spoken += 1
    if len(heard.interrupted) > cuts:
        results.interrupted += 1
        cut = heard.interrupted[cuts]
        results.last_audio.append((heard.last_audio - began_at) * 1000)
        results.told.append((cut.at - began_at) * 1000)
        results.left.append(cut.left_ms)
        results.misheard.append(abs(cut.heard_ms - cut.played_ms))
    await talk.clear(max(0.0, began_at + job.said.length_s - anyio.current_time()))
    results.answered += len(heard.transcripts) > said_before and len(heard.turns) > turns
