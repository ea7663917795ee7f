"""Recordings of people in; which of their words were heard or cut in two, and how late their end was told, out.

Called by bench/endpointing.py. Every second recording is measured: on the others the constants were chosen.
"""

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from bench.load import quantiles
from conversation.endpointing import EndpointingSettings
from services.base import RECOGNITION_RATE_HZ
from services.vendors.silero.vad import SileroVAD
from tests import recordings
from tests.endpointed import find_utterances, score
from tests.labelled_speech import Recording, Span
from tests.recordings import Samples

SETTINGS = EndpointingSettings()
# dB of full scale, of the speech and of the room; None: as recorded, no room.
ROOMS: Sequence[tuple[float | None, float | None]] = ((None, None), (-23.0, -65.0), (-40.0, -65.0), (-40.0, None))
PAUSES_MS = (200, 300, 400, 500, 580, 700, 900)
LEVELS_DB = (-20.0, -35.0, -45.0)  # of other sounds


def report_people(vad: SileroVAD) -> None:
    """The tables; says first where the recordings are from."""
    print("\nRecordings (no Japanese ones of people are to be had):")
    syllables = recordings.folder_of(recordings.SYLLABLES)
    prompts = recordings.folder_of(recordings.PROMPTS)
    sentences = recordings.folder_of(recordings.SENTENCES)
    words = {
        "Mandarin syllables, speaker 3": list(recordings.sounds(syllables, "*/3.ogg")),
        "Mandarin syllables, speaker 5": list(recordings.sounds(syllables, "*/5.ogg")),
        "English digits and letters": [
            sound for part in ("digits", "letters") for sound in recordings.sounds(prompts, f"{part}/*.wav")
        ],
    }
    spoken = list(recordings.sounds(prompts, "*.wav")) + list(recordings.sounds(sentences, "*/*.wav"))
    others = other_sounds()
    report_words(vad, {name: sounds[1::2] for name, sounds in words.items()})
    report_sentences(vad, [_without_silence(sound) for sound in spoken[1::2] if len(sound) > RECOGNITION_RATE_HZ])
    report_others(vad, others)
    report_labelled(vad)


def other_sounds() -> dict[str, list[Samples]]:
    """In which nobody speaks."""
    music = recordings.folder_of(recordings.MUSIC)
    keyboard = recordings.folder_of(recordings.KEYBOARD)
    desktop = recordings.folder_of(recordings.DESKTOP)
    minutes = 2 * 60 * RECOGNITION_RATE_HZ
    return {
        "music": [sound[len(sound) // 2 :][:minutes] for sound in recordings.sounds(music, "*.wav")],
        "keyboard": _typed(list(recordings.sounds(keyboard, "*.wav"))[1::2]),
        "bells of a desktop": list(recordings.sounds(desktop, "[!a]*.oga"))[1::2],
    }


def _typed(keys: list[Samples]) -> list[Samples]:
    """Two minutes of a keyboard."""
    dice, sound = random.Random(1), np.zeros(2 * 60 * RECOGNITION_RATE_HZ)
    at = 0
    while keys and at < len(sound) - 2 * RECOGNITION_RATE_HZ:
        key = dice.choice(keys)
        sound[at : at + len(key)] += key
        at += round(dice.uniform(0.08, 0.3) * RECOGNITION_RATE_HZ)
    return [sound] if keys else []


def report_words(vad: SileroVAD, words: dict[str, list[Samples]]) -> None:
    rooms = ["as recorded" if level is None else f"{level:.0f} dB, room {room}" for level, room in ROOMS]
    print("\n| missed | of | " + " | ".join(rooms) + " |")
    print("|---" * (len(rooms) + 2) + "|")
    for name, sounds in words.items():
        missed = [
            sum(not find_utterances(Recording(name, pcm, ()), vad, SETTINGS) for pcm in _in_room(sounds, *room))
            for room in ROOMS
        ]
        print(f"| {name} | {len(sounds)} | " + " | ".join(map(str, missed)) + " |")


def report_sentences(vad: SileroVAD, sentences: list[Samples]) -> None:
    """Two sentences at a time with a pause between them, which is not to be taken for the end."""
    print("\n| pause of ms | utterances | cut in two | missed | end told after the window, p50 | p95 | worst |")
    print("|---|---|---|---|---|---|---|")
    for pause_ms in PAUSES_MS:
        result = score(_with_pauses(sentences, pause_ms), vad, SETTINGS)
        late = quantiles([told - SETTINGS.end_of_speech_ms for told in result.stop_told_ms])
        named = " | ".join(f"{late[name]:.0f}" if name in late else "" for name in ("p50", "p95", "max"))
        print(f"| {pause_ms} | {result.utterances} | {result.cut_off} | {result.missed_starts} | {named} |")


def _with_pauses(sentences: list[Samples], pause_ms: int) -> list[Recording]:
    second = np.zeros(RECOGNITION_RATE_HZ)
    made: list[Recording] = []
    for one, other in list(pairwise(sentences))[::2]:
        whole = np.concatenate((one, second[: pause_ms * RECOGNITION_RATE_HZ // 1000], other))
        span = Span(len(second), len(second) + len(whole))
        made.append(Recording("", _pcm(np.concatenate((second, whole, second, second)), -65.0, len(made)), (span,)))
    return made


def report_others(vad: SileroVAD, others: dict[str, list[Samples]]) -> None:
    print("\n| turns from | seconds | " + " | ".join(f"{level:.0f} dB" for level in LEVELS_DB) + " |")
    print("|---" * (len(LEVELS_DB) + 2) + "|")
    for name, sounds in others.items():
        turns = [
            sum(len(find_utterances(Recording(name, pcm, ()), vad, SETTINGS)) for pcm in _in_room(sounds, level, -65.0))
            for level in LEVELS_DB
        ]
        length = sum(map(len, sounds)) // RECOGNITION_RATE_HZ
        print(f"| {name} | {length} | " + " | ".join(map(str, turns)) + " |")


def report_labelled(vad: SileroVAD) -> None:
    """A dialogue on the telephone and a poem, with the places where somebody speaks in them."""
    dialogue, sonnet = recordings.folder_of(recordings.DIALOGUE), recordings.folder_of(recordings.SONNET)
    print("\n| recording | seconds | of them speech | utterances | speech in none of them, seconds |")
    print("|---|---|---|---|---|")
    for folder, name, labels in ((dialogue, "sample.wav", "sample.rttm"), (sonnet, "audio.wav", "sonnet.vad")):
        for sound in recordings.sounds(folder, name):
            lines = [line.split() for line in (folder / labels).read_text("utf-8").splitlines()] if folder else []
            found = find_utterances(Recording(name, _pcm(sound, None, 0), ()), vad, SETTINGS)
            heard, spoken = np.zeros(len(sound), bool), np.zeros(len(sound), bool)
            for each in found:
                heard[each.first : each.first + each.audio_samples] = True
            for begin, end in map(_speech_of, lines):
                spoken[round(begin * RECOGNITION_RATE_HZ) : round(end * RECOGNITION_RATE_HZ)] = True
            seconds = [round(part.sum() / RECOGNITION_RATE_HZ, 1) for part in (spoken, spoken & ~heard)]
            length = len(sound) // RECOGNITION_RATE_HZ
            print(f"| {name} | {length} | {seconds[0]} | {len(found)} | {seconds[1]} |")


def _speech_of(line: list[str]) -> tuple[float, float]:
    """From and to, of a line of an RTTM file or of one that begins with both and ends with what it is."""
    if line[0] == "SPEAKER":
        return float(line[3]), float(line[3]) + float(line[4])
    return (float(line[0]), float(line[1])) if line[-1] == "speech" else (0.0, 0.0)


def _in_room(sounds: list[Samples], level_db: float | None, room_db: float | None) -> list[bytes]:
    """Each anywhere between the frames."""
    dice = random.Random(7)
    made: list[bytes] = []
    for sound in sounds:
        if level_db is not None:
            sound = sound * (10 ** (level_db / 20) / np.sqrt(np.mean(sound**2)))
        before = np.zeros(round(dice.uniform(0.5, 0.6) * RECOGNITION_RATE_HZ))
        made.append(_pcm(np.concatenate((before, sound, np.zeros(RECOGNITION_RATE_HZ // 2))), room_db, len(made)))
    return made


def _without_silence(sound: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(sound) > 0.01 * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1]


def _pcm(sound: Samples, room_db: float | None, seed: int) -> bytes:
    if room_db is not None:
        sound = sound + np.random.default_rng(seed).standard_normal(len(sound)) * 10 ** (room_db / 20)
    return np.clip(np.round(sound * 32768), -32768, 32767).astype("<i2").tobytes()
