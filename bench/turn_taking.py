"""Users who talk with us over an open microphone in; every figure of turn-taking and its goal out.

    python -m bench.turn_taking                            the table of bench/RESULTS.md, about fifteen minutes
    python -m bench.turn_taking --quick                    an eighth of it, four minutes
    python -m bench.turn_taking --only sentences cost --seed 2

Whole talks through the real server with simulated vendors, in real time and side by side, 40 ms chunks of microphone.
The simulated ASR knows what was said when, and tells it 200 ms late, at most every 200 ms. Parts:

    sentences     said into a reply with a headset on: by synthetic voices, and by people (recordings)
    backchannels  the same with words that only show that somebody listens
    noises        the same with coughs, breath, keys and music
    echo          our own voice fed back through rooms
    mixed         users who speak into that
    silence       utterances whole, and with a pause of 200 to 900 ms in them; silence alone ends a turn
    words         the same; their words count, too (agent.end_of_turn)
    memory        replies interrupted at random instants, and what of them is remembered
    cost          CPU of full duplex over half duplex, with and without the echo guard

Of all material every second piece is used: on the others the settings were chosen. Mandarin syllables of people that
are missed are counted by bench/endpointing.py. Recordings are fetched at the first run; none is part of this project.
"""

import argparse
import json
import os
from collections.abc import Callable, Mapping
from typing import TypeAlias

import anyio

from bench import listening
from bench.talks import end_of_turn, material, memory, over_replies, own_echo

Rows: TypeAlias = Mapping[str, Mapping[str, object]]
Part: TypeAlias = Callable[[int, int], Rows]  # a seed, and by how much less is done

CPU = "server_cpu_ms_per_user_second"
AT_ONCE = {"backend_options": {"use_uvloop": True}}


def sentences(seed: int, less: int) -> Rows:
    """Goal: the last audio within 250 ms (p50) and 400 ms (p95) of the first sample; at most lead_ms + 50 ms left."""
    said = material.half(material.synthesised(material.SENTENCES))
    for people in (material.transcribed(), material.prompts(), material.dialogue()):
        said += material.half(people)
    return _into_replies(6, over_replies.jobs(said, seed, 96 // less))


def backchannels(seed: int, less: int) -> Rows:
    """Goal: at most 5 % stop the reply."""
    said = material.half(material.synthesised(material.BACKCHANNELS)) + material.half(material.listeners())
    return _into_replies(16, over_replies.jobs(said, seed, 128 // less))


def noises(seed: int, less: int) -> Rows:
    """Goal: none."""
    return _into_replies(16, over_replies.jobs(material.noises(seed), seed, 48 // less))


def _into_replies(users: int, jobs: list[over_replies.Job]) -> Rows:
    results = anyio.run(over_replies.into_replies, users, jobs, **AT_ONCE)  # type: ignore[arg-type]
    whole = over_replies.Interruptions()
    for each in results.values():
        whole.add(each)
    return {**{name: each.row() for name, each in sorted(results.items())}, "all": whole.row()}


def echo(seed: int, less: int) -> Rows:
    """Goal: no turn and no interruption in 200 trials."""
    return _fed_back(own_echo.trials(seed, 100 // less), seed)


def mixed(seed: int, less: int) -> Rows:
    """Goal: 95 % are heard."""
    said = material.half(material.synthesised(material.SENTENCES)) + material.half(material.transcribed())
    said += material.half(material.prompts()) + material.half(material.dialogue())
    chosen = [job.said for job in over_replies.jobs(said, seed, 100)]
    return _fed_back(own_echo.trials(seed + 1000, 100 // less, chosen), seed)


def _fed_back(trials: list[own_echo.Trial], seed: int) -> Rows:
    own = material.own_voices(seed)
    results = anyio.run(own_echo.fed_back, 16, trials, own, seed, **AT_ONCE)  # type: ignore[arg-type]
    return {"all": results.row()}


def silence(seed: int, less: int) -> Rows:
    """Goal: at most 3 % cut off, and the turn of complete sentences starts within 450 ms (p50)."""
    return _ends(seed, less, "silence")


def words(seed: int, less: int) -> Rows:
    """The same."""
    return _ends(seed, less, "words")


def _ends(seed: int, less: int, setting: str) -> Rows:
    jobs = end_of_turn.jobs(material.spoken_parts(seed) + material.people_parts(), seed, 2)
    results = anyio.run(end_of_turn.utterances, 16, jobs[::less], setting, **AT_ONCE)  # type: ignore[arg-type]
    whole = end_of_turn.Ends()
    for each in results.values():
        whole.add(each)
    return {**{name: each.row() for name, each in sorted(results.items())}, "all": whole.row()}


def memories(seed: int, less: int) -> Rows:
    """Goal: none of 500 differs by more than one clause."""
    results = anyio.run(memory.remembered, 28, 500 // less, seed, **AT_ONCE)  # type: ignore[arg-type]
    return {"all": results.row()}


def cost(seed: int, less: int) -> Rows:
    """Goal: at most 1 ms of CPU per user and second over half duplex."""
    users, turns = 10, 3 if less == 1 else 1
    half, full = ("turns",), ("turns", "barge_in")
    unguarded = {"CHATANON_AGENT__ECHO_GUARD": "false"}
    runs = {"half duplex": (half, {}), "full duplex, no echo guard": (full, unguarded), "full duplex": (full, {})}
    return {
        name: anyio.run(listening.measure, users, turns, extensions, settings, **AT_ONCE)  # type: ignore[arg-type]
        for name, (extensions, settings) in runs.items()
    }


PARTS: Mapping[str, Part] = {
    "sentences": sentences,
    "backchannels": backchannels,
    "noises": noises,
    "echo": echo,
    "mixed": mixed,
    "silence": silence,
    "words": words,
    "memory": memories,
    "cost": cost,
}


def main() -> None:
    """Print one line of JSON for each row of each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--real-time", action="store_true", help="go before all others on a machine that is not ours alone (root)"
    )
    arguments = parser.parse_args()
    if arguments.real_time:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # the server inherits it
    print("Recordings (no Japanese ones of people are to be had):", flush=True)
    for name in arguments.only:
        for row, figures in PARTS[name](arguments.seed, 8 if arguments.quick else 1).items():
            told = {"part": name, "of": row, "seed": arguments.seed, "load": round(os.getloadavg()[0], 1)}
            print(json.dumps({**told, **figures}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
