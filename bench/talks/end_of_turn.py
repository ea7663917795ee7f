"""Users who pause in mid-utterance in; who was cut off, and how soon those who had finished were answered, out."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import anyio

from bench.load import quantiles
from bench.talks.room import Microphone
from bench.talks.said import Said, with_pauses
from bench.talks.stage import side_by_side, stage
from bench.talks.talk import Talk, talking

PAUSES_S = (0.2, 0.9)
LEVEL_DB = -23.0
LONGEST_S = 4.0  # after the end of speech, for a turn to start


@dataclass(slots=True)
class Ends:
    """`to_turn`: milliseconds from the end of speech to the start of the turn, of those that were not cut off."""

    paused: int = 0
    cut: int = 0
    whole: int = 0
    whole_cut: int = 0  # without a pause of ours in them
    missed: int = 0
    talked_over: int = 0  # a reply sounded before the end of speech
    words_lost: int = 0  # its transcripts are not what was said
    to_turn: list[float] = field(default_factory=list)
    after_pauses: list[float] = field(default_factory=list)  # the same of those with pauses
    texts: list[str] = field(default_factory=list)  # that were cut off

    def add(self, other: "Ends") -> None:
        """Those of another material, too."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def row(self) -> dict[str, object]:
        return {
            "paused": self.paused,
            "cut_off": self.cut,
            "cut_off_share": round(self.cut / max(1, self.paused), 3),
            "complete": self.whole,
            "complete_cut_off": self.whole_cut,
            "missed": self.missed,
            "talked_over": self.talked_over,
            "words_lost": self.words_lost,
            "end_to_turn_ms": quantiles(self.to_turn),
            "end_to_turn_after_a_pause_ms": quantiles(self.after_pauses),
            "texts_cut_off": self.texts[:10],
        }


@dataclass(frozen=True, slots=True)
class Job:
    """An utterance, and whether a pause was put into it."""

    said: Said
    paused: bool


def jobs(everything: Sequence[tuple[list[Said], str]], seed: int, each: int) -> list[Job]:
    """Each utterance whole, and so many times with one pause at one of its places."""
    dice = random.Random(seed)
    made: list[Job] = []
    for parts, separator in everything:
        made.append(Job(with_pauses(parts, [0.0] * (len(parts) - 1), separator).at(LEVEL_DB), paused=False))
        for _ in range(each if len(parts) > 1 else 0):
            pauses = [0.0] * (len(parts) - 1)
            pauses[dice.randrange(len(pauses))] = dice.uniform(*PAUSES_S)
            made.append(Job(with_pauses(parts, pauses, separator).at(LEVEL_DB), paused=True))
    dice.shuffle(made)
    return made


async def utterances(users: int, all_jobs: Sequence[Job], end_of_turn: str) -> dict[str, Ends]:
    """By material; with the setting `agent.end_of_turn`."""
    results: dict[str, Ends] = {}
    async with stage(users, environment={"CHATANON_AGENT__END_OF_TURN": end_of_turn}) as here:

        async def work(number: int, mine: Sequence[Job]) -> None:
            async with talking(here.server.url, number, here.known, Microphone(number)) as talk:
                for job in mine:
                    await say(talk, job, results.setdefault(job.said.material, Ends()))

        await side_by_side(users, all_jobs, work)
    return results


async def say(talk: Talk, job: Job, results: Ends) -> None:
    heard = talk.heard
    turns, transcripts = len(heard.turns), len(heard.transcripts)
    first = talk.microphone.speak(job.said)
    ended_at = talk.time_of(first + len(job.said.sound))
    await anyio.sleep(ended_at - anyio.current_time())
    before = len(heard.turns)
    cut = before > turns
    results.talked_over += heard.last_audio > talk.time_of(first)
    answered = await talk.until(lambda: len(heard.turns) > before, LONGEST_S)
    results.missed += not answered and not cut
    if job.paused:
        results.paused += 1
        results.cut += cut
    else:
        results.whole += 1
        results.whole_cut += cut
    if cut:
        results.texts.append(job.said.text)
    elif answered:
        latencies = results.after_pauses if job.paused else results.to_turn
        latencies.append((heard.turns[before] - ended_at) * 1000)
    await talk.clear(0.0)
    told = "".join(text for _, text in heard.transcripts[transcripts:])
    results.words_lost += letters(told) != letters(job.said.text)


def letters(text: str) -> str:
    """Without what is between them."""
    return "".join(filter(str.isalnum, text))
