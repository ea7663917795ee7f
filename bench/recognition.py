"""Demo phrases, other sentences and noises, spoken by machines, in; how often the embedded ASR is right, out.

    python -m bench.recognition                            the rows of bench/RESULTS.md, about half an hour
    python -m bench.recognition --every 10                 every tenth phrase
    python -m bench.recognition --every 3 --fit            the weights in embedded_asr_match.py, from a third of them

Each phrase of a character is said to that character, all languages open, in rooms of different noise, 0.3 s around it.
It is right where the phrase leads the scripted LLM to the topic it stands under; `exact` where it is that very phrase.
"""

import argparse
import itertools
import json
import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pyopenjtalk
from numpy.typing import NDArray

from server.character_manager import CharacterManager
from services.base import ASR, LLM, TTS, Message, Prompt, RecognitionHints, Script, Voice
from services.engine_settings import ASRSettings, LLMSettings, TTSSettings
from services.vendors.embedded.asr import open_asr, phrases_by_language
from services.vendors.embedded.asr_match import STRETCHES, Phrases
from services.vendors.embedded.asr_utterance import Utterance
from services.vendors.embedded.llm import open_llm
from services.vendors.embedded.tts import open_tts
from tests.speech import cough, keys, melody, mix, noise, say, seconds_of, silence, tone

PROMPTS = Path(__file__).parents[1] / "prompts"
LANGUAGES = ("zh", "ja", "en")
ESPEAK_MANNERS: Mapping[str, dict[str, Any]] = {"man": {}, "woman": {"variant": "f2", "speed": 1.1, "pitch": 60}}
OWN_VOICE = "embedded voice"
ROOMS_DB = (-75.0, -60.0, -50.0, -45.0)  # in turn; the last is 22 dB under speech
AT_ONCE = 4

# What nobody has lines for, in words of everyday life.
OTHER = {
    "zh": (
        "我昨天买了一辆新的自行车",
        "请问地铁站在哪里",
        "这本书的第三章很难懂",
        "我妈妈在医院工作",
        "帮我订一张去上海的机票",
        "冰箱里还有两个鸡蛋",
        "他的电话号码是多少",
        "窗户外面有一只猫",
        "会议改到星期三下午了",
        "我不知道钥匙放在哪里了",
        "苹果多少钱一斤",
        "把灯关掉",
        "打开空调",
        "左边第二个路口右转",
        "我觉得这部电影拍得不太好",
        "银行几点关门",
        "我们明年打算去云南旅行",
        "这个软件怎么安装",
        "请把文件发到我的邮箱",
        "昨晚的比分是三比二",
        "我的手机没电了",
        "水烧开了没有",
        "邻居家的狗一直在叫",
        "这道数学题怎么解",
        "请排队等候",
        "老板在开会",
        "牛奶过期了",
        "设一个七点的闹钟",
        "往前走五百米",
        "我想换一个密码",
    ),
    "ja": (
        "駅はどこにありますか",
        "昨日新しい自転車を買いました",
        "冷蔵庫に卵が二つあります",
        "会議は水曜日に変わりました",
        "電気を消してください",
        "母は病院で働いています",
        "この機械の使用料はいくら",
        "窓を開けてもらえますか",
        "鍵をなくしてしまいました",
        "次の角を右に曲がる",
        "電池が切れた",
        "七時に起こして",
        "荷物を送りたい",
        "隣の犬がうるさく吠える",
        "郵便局は何時まで",
        "水を一杯ください",
        "切符を二枚ください",
        "屋根の修理を頼む",
        "靴下が片方ない",
        "この問題は解けない",
        "社長は出張中です",
        "牛乳の賞味期限",
        "暗証番号を忘れた",
        "写真を撮ってください",
        "請求書を送付する",
        "エレベーターは故障中",
        "火を止めて",
        "テーブルを拭く",
        "洗濯物を干す",
        "三足す四は七",
    ),
    "en": (
        "where did you park the car",
        "the train leaves at half past nine",
        "i need to buy some potatoes",
        "turn off the kitchen lights",
        "my brother works in a bank",
        "please close the window",
        "the meeting was moved to thursday",
        "how much does this cost",
        "she forgot her umbrella on the bus",
        "set an alarm for seven",
        "the printer is out of paper",
        "we should paint the fence",
        "call the plumber",
        "there is a spider in the bathroom",
        "i would like a table for two",
        "the battery is almost empty",
        "open the garage",
        "he broke his left arm",
        "which platform for manchester",
        "two plus three is five",
        "the soup needs more salt",
        "put the books on the shelf",
        "water the plants",
        "my password has expired",
        "send the invoice to the office",
        "the river froze last winter",
        "no vacancies",
        "press any key",
        "left at the traffic lights",
        "it costs twelve pounds",
    ),
}


@dataclass(frozen=True, slots=True)
class Case:
    """Something said to a character; "" for the topic of what is no phrase of theirs."""

    character: str
    kind: str  # the language, or what noise
    manner: str
    said: str
    topic: str = ""


# Material ---------------------------------------------------------------------------------------------------------


def phrases(scripts: Mapping[str, Script], every: int) -> Iterator[Case]:
    """Mixed, so that every Nth is a fair sample."""
    cases = [
        Case(character, language, manner, phrase, topic.name)
        for character, script in scripts.items()
        for topic in script.topics
        for language, listed in topic.phrases.items()
        for phrase in listed
        for manner in (*ESPEAK_MANNERS, *([OWN_VOICE] if language == "ja" else []))
    ]
    random.Random(1).shuffle(cases)
    yield from cases[::every]


def others(scripts: Mapping[str, Script], every: int) -> Iterator[Case]:
    characters = itertools.cycle(scripts)
    cases = [
        Case(next(characters), language, manner, sentence)
        for language, sentences in OTHER.items()
        for sentence in sentences
        for manner in (*ESPEAK_MANNERS, *([OWN_VOICE] if language == "ja" else []))
    ]
    random.Random(1).shuffle(cases)
    yield from cases[:: max(1, every // 3)]


def noises(scripts: Mapping[str, Script]) -> Iterator[tuple[Case, bytes]]:
    characters = itertools.cycle(scripts)
    for seed in range(20):
        level_db = -20.0 - seed
        for kind, pcm in (
            ("steady noise", noise(1.0 + seed % 3, level_db, color=("white", "pink")[seed % 2], seed=seed)),
            ("cough", cough(level_db, seed=seed)),
            ("keys", keys(1.0 + seed % 3, level_db, seed=seed)),
            ("music", melody(1.0 + seed % 3, level_db, seed=seed)),
            ("tone", tone(0.5 + 0.1 * seed, 200.0 * 1.15**seed, level_db)),
        ):
            yield Case(next(characters), kind, "", str(seed)), in_room(pcm)


class Speaker:
    """Says cases; of Japanese what is read, by the characters' own table of names."""

    def __init__(self, characters: CharacterManager, tts: TTS) -> None:
        self._readings = {
            reading: written for each in characters.all() for reading, written in each.pronunciation.items()
        }
        self._tts = tts

    async def say(self, case: Case) -> bytes:
        if case.kind != "ja":
            return in_room(say(case.said, case.kind, **ESPEAK_MANNERS[case.manner]))
        text = case.said
        for written in sorted(self._readings, key=len, reverse=True):
            text = text.replace(written, self._readings[written])
        if case.manner != OWN_VOICE:
            return in_room(
                say(
                    str(pyopenjtalk.g2p(text, kana=True, use_sudachi_kanji_yomi=False)),
                    "ja",
                    **ESPEAK_MANNERS[case.manner],
                )
            )
        async with (
            self._tts.open_synthesis(Voice()) as speech,
            aclosing(speech.synthesize(text, "auto")) as pieces,
        ):
            return in_room(b"".join([piece async for piece in pieces]))


def in_room(pcm: bytes) -> bytes:
    """Which of the rooms: by chance, and always the same for the same sound."""
    sound = silence(0.3) + pcm + silence(0.3)
    room_db = ROOMS_DB[zlib.crc32(pcm) % len(ROOMS_DB)]
    return mix(sound, noise(round(seconds_of(sound) + 0.05, 1), room_db, color="pink"))


# What comes of it -------------------------------------------------------------------------------------------------


async def hear(asr: ASR, case: Case, pcm: bytes) -> str:
    async with asr.open_recognition(RecognitionHints(case.character), whole=True) as recognition:
        await recognition.send(pcm)
        await recognition.finish()
        async with aclosing(recognition.transcripts()) as transcripts:
            return [transcript async for transcript in transcripts][-1].text


async def topic_of(llm: LLM, character: str, script: Script, said: str) -> str:
    """Where it leads the scripted LLM, by the first line of its answer."""
    first = {answer[0].jp: topic.name for topic in script.topics for answer in topic.answers}
    async with aclosing(llm.stream(Prompt(character, (Message("user", said),)))) as stream:
        reply = "".join([delta async for delta in stream])
    return first.get(json.loads(reply.splitlines()[0])["jp"], "")


class Tally:
    """Of one kind and manner."""

    def __init__(self) -> None:
        self.count: Counter[str] = Counter()

    def share(self, what: str) -> str:
        return f"{100 * self.count[what] / self.count['all']:.0f} %"


async def measure(scripts: Mapping[str, Script], speaker: Speaker, every: int) -> None:
    tallies: defaultdict[tuple[str, str], Tally] = defaultdict(Tally)
    false: defaultdict[str, Tally] = defaultdict(Tally)
    missed: list[str] = []

    async with open_asr(ASRSettings(scripts=scripts)) as asr, open_llm(LLMSettings(scripts=scripts)) as llm:

        async def take(case: Case, pcm: bytes) -> None:
            heard = await hear(asr, case, pcm)
            if not case.topic:
                false[case.kind].count.update(["all", *(["heard"] if heard else [])])
                return
            topic = await topic_of(llm, case.character, scripts[case.character], heard) if heard else ""
            what = "right" if topic == case.topic else "other" if heard else "nothing"
            found = ["all", what, *(["exact"] if heard == case.said else [])]
            tallies[case.kind, case.manner].count.update(found)
            if what != "right":
                missed.append(f"{case.character} {case.manner}: {case.said} -> {heard or '-'}")

        async with anyio.create_task_group() as tasks:
            limit = anyio.CapacityLimiter(AT_ONCE)
            for case in [*phrases(scripts, every), *others(scripts, every)]:
                pcm = await speaker.say(case)
                await limit.acquire_on_behalf_of(case)
                tasks.start_soon(_freeing, limit, case, take, pcm)
            for case, pcm in noises(scripts):
                await limit.acquire_on_behalf_of(case)
                tasks.start_soon(_freeing, limit, case, take, pcm)
    report(tallies, false)
    print("\n".join(["", "Not right:", *sorted(missed)]))


async def _freeing(limit: anyio.CapacityLimiter, case: Case, take: Any, pcm: bytes) -> None:
    try:
        await take(case, pcm)
    finally:
        limit.release_on_behalf_of(case)


def report(tallies: Mapping[tuple[str, str], Tally], false: Mapping[str, Tally]) -> None:
    print("\n| said in | by | phrases | right topic | the very phrase | another topic | not recognised |")
    print("|---|---|---|---|---|---|---|")
    for (kind, manner), tally in sorted(tallies.items()):
        shares = " | ".join(tally.share(what) for what in ("right", "exact", "other", "nothing"))
        print(f"| {kind} | {manner} | {tally.count['all']} | {shares} |")
    print("\n| not of the script | sounds | taken for a phrase |")
    print("|---|---|---|")
    for kind, tally in sorted(false.items()):
        print(f"| {kind} | {tally.count['all']} | {tally.share('heard')} |")


# The weights ------------------------------------------------------------------------------------------------------


async def fit(scripts: Mapping[str, Script], speaker: Speaker, every: int) -> None:
    """Learn from all candidates of all cases which of them were said, and print what embedded_asr_match.py holds."""
    recogniser = Phrases(phrases_by_language(scripts))
    topics = {
        (name, phrase): topic.name
        for name, script in scripts.items()
        for topic in script.topics
        for phrase in itertools.chain(*topic.phrases.values())
    }
    features: list[tuple[float, ...]] = []
    right: list[bool] = []
    cases = [(case, await speaker.say(case)) for case in [*phrases(scripts, every), *others(scripts, 1)]]
    for case, pcm in [*cases, *noises(scripts)]:
        utterance = Utterance()
        utterance.add(pcm)
        for stretch in utterance.stretches(whole=True):
            for slower in STRETCHES:
                for candidate in recogniser.nearest(case.character, utterance.speech(stretch), slower):
                    features.append(candidate.features)
                    right.append(bool(case.topic) and topics[case.character, candidate.phrase] == case.topic)
    bias, weights = regress(np.array(features), np.array(right))
    print(f"BIAS = {bias:.2f}\nWEIGHTS = ({', '.join(f'{weight:.2f}' for weight in weights)})")


def regress(features: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Logistic regression by Newton's method, on features of equal spread, with a little ridge."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    rows = np.column_stack([(features - mean) / spread, np.ones(len(features))])
    ridge = 1e-3 * len(rows) * np.diag([1.0] * features.shape[1] + [0.0])
    weights = np.zeros(rows.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (chance - right) + ridge @ weights
        weights -= np.linalg.solve((rows * (chance * (1 - chance))[:, None]).T @ rows + ridge, slope)
    plain = weights[:-1] / spread
    return float(weights[-1] - plain @ mean), plain


async def run(every: int, fitting: bool) -> None:
    characters = CharacterManager.load(PROMPTS, "anon")
    scripts = {each.name: each.script for each in characters.all() if each.script}
    async with open_tts(TTSSettings()) as tts:
        await (fit if fitting else measure)(scripts, Speaker(characters, tts), every)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    anyio.run(run, options.every, options.fit)


if __name__ == "__main__":
    main()
