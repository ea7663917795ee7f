"""Our own voice fed back through rooms in; what of it is taken for a user, and what users say into it is heard, out.

As loud as it is played or softer by up to 30 dB, later by 0 to 500 ms, drawn out by rooms of 0.2 to 0.6 s, in an even
noise of -70 to -55 dB. Each trial is a connection of its own, for which the room is new, and has two replies.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
import numpy as np

from bench.load import quantiles
from bench.talks.over_replies import PATIENCE_S
from bench.talks.room import Echo, Microphone
from bench.talks.said import Said
from bench.talks.stage import side_by_side, stage
from bench.talks.talk import Talk, talking
from services.base import RECOGNITION_RATE_HZ

OWN_DB = -20.0  # as it is played
REPLIES = 2  # of each trial with nobody in it
SENTENCES = 2  # of each reply


@dataclass(frozen=True, slots=True)
class Trial:
    """`said` by a user into the last reply, or nothing."""

    seed: int
    loss_db: float
    delay_s: float
    room_db: float
    said: Said | None = None


@dataclass(slots=True)
class Echoes:
    """Of all trials."""

    replies: int = 0  # with nobody but us
    starts: int = 0  # of speech, believed in one
    interrupted: int = 0
    turns: int = 0  # that nobody asked for
    spoken: int = 0
    heard: int = 0  # of these
    told: list[float] = field(default_factory=list)  # ms after the first sample that was spoken
    loud: list[str] = field(default_factory=list)  # what went wrong

    def row(self) -> dict[str, object]:
        found = {name: getattr(self, name) for name in ("replies", "starts", "interrupted", "turns", "spoken", "heard")}
        return {**found, "told_ms": quantiles(self.told) if self.told else None, "wrong": self.loud[:20]}


def trials(seed: int, count: int, users: Sequence[Said] = ()) -> list[Trial]:
    """As many, with a user in each if there are any to choose from: as loud as the echo, or louder by up to 6 dB."""
    dice = random.Random(seed)
    made: list[Trial] = []
    for number in range(count):
        loss_db, delay_s, room_db = dice.uniform(-30, 0), dice.uniform(0, 0.5), dice.uniform(-70, -55)
        user = None
        if users:
            level_db = max(dice.uniform(-28, -18), OWN_DB + loss_db + dice.uniform(0, 6))
            user = dice.choice(users).at(min(level_db, -14.0))
        made.append(Trial(seed + number, loss_db, delay_s, room_db, user))
    return made


async def fed_back(users: int, all_trials: Sequence[Trial], own: Sequence[Said], seed: int) -> Echoes:
    """All trials, so many at the same time."""
    dice, results = random.Random(seed), Echoes()
    own = [each.at(OWN_DB) for each in own]
    voice = np.concatenate([each.sound for each in own[:8]])

    def story() -> list[tuple[str, str]]:
        return [(each.text, "嗯") for each in dice.sample(own, SENTENCES)]

    async with stage(users, own, story) as here:

        async def work(number: int, mine: Sequence[Trial]) -> None:
            for trial in mine:
                echo = Echo(trial.seed, voice, loss_db=trial.loss_db, delay_s=trial.delay_s)
                microphone = Microphone(trial.seed, trial.room_db, echo)
                async with talking(here.server.url, number, here.known, microphone) as talk:
                    # Of every second user who speaks, the room is not known yet.
                    replies = REPLIES if trial.said is None or trial.seed % 2 else 1
                    for reply in range(replies):
                        await one_reply(talk, trial, results, last=reply == replies - 1)

        await side_by_side(users, all_trials, work)
    return results


async def one_reply(talk: Talk, trial: Trial, results: Echoes, *, last: bool) -> None:
    heard = talk.heard
    turns, cuts, starts = len(heard.turns), len(heard.interrupted), heard.starts
    await talk.ask()
    if trial.said is not None and last:
        await anyio.sleep(random.Random(trial.seed).uniform(0.7, 2.0))
        if not heard.runs:
            return
        began_at = talk.time_of(talk.microphone.speak(trial.said))
        await talk.until(lambda: len(heard.interrupted) > cuts, trial.said.length_s + PATIENCE_S)
        results.spoken += 1
        if len(heard.interrupted) > cuts:
            results.heard += 1
            results.told.append((heard.interrupted[cuts].at - began_at) * 1000)
        elif len(heard.turns) > turns + 1:  # it came when all was sent
            results.heard += 1
        else:
            results.loud.append(f"not heard: {trial.said.material} {trial.loss_db:.0f} dB, {trial.delay_s:.2f} s")
        return
    await talk.until(lambda: not heard.runs, 30.0)
    left_s = max(0.0, (talk.microphone.loudspeaker.ends - talk.now) / RECOGNITION_RATE_HZ)
    await anyio.sleep(left_s + trial.delay_s + PATIENCE_S)
    results.replies += 1
    results.starts += heard.starts - starts
    results.interrupted += len(heard.interrupted) - cuts
    results.turns += len(heard.turns) - turns - 1
    if len(heard.interrupted) > cuts or len(heard.turns) > turns + 1:
        results.loud.append(f"our own voice: {trial.loss_db:.0f} dB, {trial.delay_s:.2f} s, seed {trial.seed}")
