"""What users say, cough and play, and what our own voices say: of each kind the half that figures are of.

On the other half the settings of the product were chosen. A seed decides about levels and order, nothing else.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import yaml

from bench.talks.said import Said, said, samples, trimmed, with_pauses
from services.base import RECOGNITION_RATE_HZ
from tests import recordings, speech
from tests.recordings import Samples

LEVELS_DB = (-20.0, -23.0, -28.0)
SENTENCES = {
    "zh": ("等一下，先听我说", "不对，我问的不是这个", "停，换一个话题吧", "那明天呢，明天去哪里"),
    "ja": ("ちょっと待って、違うよ", "それじゃなくて、昨日の話", "もういいから、次の話をして"),
    "en": ("wait a moment please", "no, that is not what I asked", "stop, tell me about tomorrow"),
}
BACKCHANNELS = {
    "zh": ("嗯", "嗯嗯", "对", "对对对", "哦", "好的", "是吗"),
    "ja": ("はい", "うん", "うんうん", "そうそう", "へえ", "なるほど"),
    "en": ("uh huh", "yeah", "okay", "right", "mm hm", "I see"),
}
ANY_WORDS = "but tell me what you think of the song that we heard at the station"
VOICES = ("f2", "m3", "f4", "m7")
# Syllables of gcin-voice that a listener says, and how they are written.
LISTENERS = {
    **{"ㄣ": "嗯", "ㄉㄨㄟ4": "对", "ㄛ": "哦", "ㄛ2": "哦", "ㄕ4": "是", "ㄏㄠ3": "好", "ㄚ": "啊", "ㄞ": "哎"},
    **{"ㄒㄧㄥ2": "行", "ㄨㄚ": "哇"},
}
# Words in which the people of DIALOGUE show that they listen, by their seconds in it: where they stand alone in the
# sum of both, or the other one speaks below them.
DIALOGUE_BACKCHANNELS = ((8.43, 8.62, "oh"), (10.78, 11.12, "okay"), (18.15, 18.59, "mhm"), (28.44, 28.62, "oh"))


def half(everything: Sequence[Said]) -> list[Said]:
    """That of which figures are."""
    return list(everything)[1::2]


def synthesised(texts: dict[str, tuple[str, ...]]) -> list[Said]:
    """Each in four voices, at two speeds. Japanese by the embedded voice, too: not while a loop runs."""
    made = [
        said(speech.say(text, language, speed=speed, variant=variant), text, f"espeak-ng {language}")
        for language, group in texts.items()
        for text in group
        for variant in VOICES
        for speed in (0.9, 1.2)
    ]
    return made + [
        said(speech.mei(text, speed=speed), text, "embedded voice") for text in texts["ja"] for speed in (0.9, 1.1)
    ]


def transcribed() -> list[Said]:
    """Sentences of pocketsphinx-testdata, with their words."""
    folder = recordings.folder_of(recordings.SENTENCES)
    found: list[Said] = []
    for name, transcripts in (("librivox", "transcription"), ("cards", "cards.transcription")):
        lines = (folder / name / transcripts).read_text("utf-8").splitlines() if folder else []
        for line, sound in zip(lines, recordings.sounds(folder, f"{name}/*.wav"), strict=bool(lines)):
            text = line.partition("<s>")[2].partition("</s>")[0].strip()
            found.append(said(trimmed(sound), text, recordings.SENTENCES.package))
    return found


def prompts() -> list[Said]:
    """Of asterisk-core-sounds-en-wav, one to four seconds long. There are no transcripts: other words stand in."""
    folder = recordings.folder_of(recordings.PROMPTS)
    sounds = [trimmed(sound) for sound in recordings.sounds(folder, "*.wav") if sound.any()]
    return [
        said(
            sound,
            " ".join(ANY_WORDS.split()[: round(3 * len(sound) / RECOGNITION_RATE_HZ)]),
            recordings.PROMPTS.package,
        )
        for sound in sounds
        if RECOGNITION_RATE_HZ < len(sound) < 4 * RECOGNITION_RATE_HZ
    ]


def dialogue() -> list[Said]:
    """The turns of the telephone dialogue, by its transcript."""
    folder = recordings.folder_of(recordings.DIALOGUE)
    found: list[Said] = []
    for sound in recordings.sounds(folder, "sample.wav"):
        for line in (folder / "sample.stm").read_text("utf-8").splitlines() if folder else []:
            _, _, _, begin, end, text = line.split(maxsplit=5)
            found.append(said(_cut(sound, float(begin), float(end)), text, recordings.DIALOGUE.package))
    return found


def _cut(sound: Samples, begin_s: float, end_s: float) -> Samples:
    return trimmed(sound[round(begin_s * RECOGNITION_RATE_HZ) : round(end_s * RECOGNITION_RATE_HZ)])


def listeners() -> list[Said]:
    """Backchannels of people: single and double syllables of two speakers, and those of the dialogue."""
    folder = recordings.folder_of(recordings.SYLLABLES)
    found: list[Said] = []
    for syllable, text in LISTENERS.items():
        for speaker in ("3", "5"):
            for sound in recordings.sounds(folder, f"{syllable}/{speaker}.ogg"):
                one = said(trimmed(sound), text, f"gcin-voice, speaker {speaker}")
                found += [one, with_pauses((one, one), (0.06,))]
    folder = recordings.folder_of(recordings.DIALOGUE)
    for sound in recordings.sounds(folder, "sample.wav"):
        found += [
            said(_cut(sound, begin, end), text, recordings.DIALOGUE.package)
            for begin, end, text in DIALOGUE_BACKCHANNELS
        ]
    return found


def noises(seed: int) -> list[Said]:
    """Nobody speaks in them."""
    dice = random.Random(seed)
    made = [("cough", speech.cough(seed=seed + number)) for number in range(12)]
    made += [("keys", speech.keys(1.5, -20.0, seed=seed + number)) for number in range(4)]
    made += [("music", speech.melody(3.0, -23.0, seed=seed + number)) for number in range(4)]
    found = [Said(samples(pcm), (), f"{kind}, computed") for kind, pcm in made]
    found += [Said(_breath(seed + number), (), "breath, computed") for number in range(8)]
    for sound in list(recordings.sounds(recordings.folder_of(recordings.MUSIC), "*.wav"))[:8]:
        begin = round(dice.uniform(0.5, 0.9) * (len(sound) - 3 * RECOGNITION_RATE_HZ))
        found.append(Said(sound[begin:][: 3 * RECOGNITION_RATE_HZ], (), recordings.MUSIC.package))
    keys = list(recordings.sounds(recordings.folder_of(recordings.KEYBOARD), "*.wav"))[1::2]
    for _ in range(8 if keys else 0):
        typed = np.zeros(2 * RECOGNITION_RATE_HZ)
        for at in range(0, len(typed) - RECOGNITION_RATE_HZ, dice.randrange(1600, 4000)):
            key = dice.choice(keys)[: len(typed) - at]
            typed[at : at + len(key)] += key
        found.append(Said(typed, (), recordings.KEYBOARD.package))
    return found


def _breath(seed: int) -> Samples:
    """Half a second to one: it swells and goes."""
    dice = random.Random(seed)
    pcm = speech.noise(dice.uniform(0.5, 1.0), -30.0, color="pink", seed=seed)
    return samples(pcm) * np.hanning(len(pcm) // 2)


def own_voices(seed: int) -> list[Said]:
    """Sentences as our own voices speak them: mostly the embedded one, at its prosodies, and espeak-ng's."""
    folder = Path(__file__).parents[2] / "prompts" / "anon"
    names = yaml.safe_load((folder / "pronunciation.yaml").read_text("utf-8"))  # are spelt otherwise for a voice
    lines = set(_japanese(yaml.safe_load((folder / "offline_lines.yaml").read_text("utf-8"))))
    texts = sorted(text for text in lines if 14 <= len(text) <= 45 and not any(name in text for name in names))[1::2]
    dice = random.Random(seed)
    dice.shuffle(texts)
    made = [
        said(speech.mei(text, speed=dice.choice((0.86, 1.0, 1.1)), pitch=dice.choice((-1.6, 0, 2))), text, "embedded")
        for text in texts[:36]
    ]
    return made + [
        said(speech.say(text, "ja", variant=dice.choice(VOICES), speed=0.9), text, "espeak-ng ja")
        for text in texts[36:48]
    ]


def _japanese(entry: object) -> Iterator[str]:
    if isinstance(entry, dict):
        for key, value in entry.items():
            yield from [value] if key == "jp" else _japanese(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _japanese(value)


def utterances() -> dict[str, list[list[str]]]:
    """Of each language, whole utterances in parts between which somebody might pause."""
    found: dict[str, list[list[str]]] = {}
    language = ""
    for line in (Path(__file__).parent / "utterances.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            language = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(language, []).append(line.split("|"))
    return found


def spoken_parts(seed: int) -> list[tuple[list[Said], str]]:
    """The utterances of this half, in one voice each, and what stands between their parts."""
    dice = random.Random(seed)
    made: list[tuple[list[Said], str]] = []
    for language, lines in utterances().items():
        for parts in lines[1::2]:
            variant, speed = dice.choice(VOICES), dice.choice((0.9, 1.1))
            pcm = [speech.say(part, language, variant=variant, speed=speed) for part in parts]
            spoken = [said(sound, text, f"espeak-ng {language}") for sound, text in zip(pcm, parts, strict=True)]
            made.append((spoken, " " if language == "en" else ""))
    return made


def people_parts() -> list[tuple[list[Said], str]]:
    """Sentences of people, each parted at its two quietest places."""
    return [(parted(each), " ") for each in half(transcribed() + dialogue()) if each.length_s > 1.2]


def parted(whole: Said) -> list[Said]:
    """At its two quietest places, a third of a second from each other and from its ends at least."""
    block, keep = RECOGNITION_RATE_HZ // 20, 7
    power = np.convolve(whole.sound**2, np.ones(block), "same")[::block].copy()
    power[:keep] = power[-keep:] = np.inf
    cuts = []
    for _ in range(2):
        if np.isfinite(power).any():
            at = int(power.argmin())
            cuts.append(at * block)
            power[max(0, at - keep) : at + keep + 1] = np.inf
    edges = [0, *sorted(cuts), len(whole.sound)]
    parts = [
        said(whole.sound[first:last], whole.between(first, last), whole.material) for first, last in pairwise(edges)
    ]
    return [part for part in parts if part.text]
