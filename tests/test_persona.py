"""The shipped personas, asked what visitors ask: each question finds its topic, in Chinese, Japanese and English."""

import itertools
import json
import shutil
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from functools import cache
from pathlib import Path

import pytest

from server.character_manager import CharacterManager
from services.base import LLM, Message, Prompt, Script
from services.engine_settings import LLMSettings
from services.vendors.embedded.llm import open_llm

pytestmark = pytest.mark.anyio

PROMPTS = Path(__file__).parents[1] / "prompts"
SHIPPED = ("anon", "tomori")

# What both are asked: topic -> questions.
EVERYDAY = {
    "greeting": (
        "你好", "你好，很高兴认识你", "早上好！", "晚上好", "こんにちは", "おはよう！", "こんばんは。", "はじめまして",
        "Hello!", "hi there", "Good evening",
    ),
    "farewell": ("再见", "拜拜", "またね", "さようなら", "bye", "see you later"),
    "thanks": ("谢谢你", "ありがとう！", "Thank you so much!"),
    "how_are_you": ("最近怎么样？", "今天怎么样", "你好吗", "元気？", "お元気ですか", "How are you?"),
    "goodnight": ("晚安", "おやすみ", "good night"),
    "self_introduction": (
        "你是谁？", "名字叫什么", "你名字叫什么？", "你叫什么名字", "名前はなん？", "名前はなんですか", "お名前は？",
        "What's your name?", "who are you",
    ),
    "who_are_you_really": (
        "这是演示吗？", "你是真人吗", "你是机器人吗？", "你是AI吗", "これはデモですか？", "本物の人間？",
        "本物の人間ですか", "AIなの？", "Is this a demo?", "are you a real person", "are you a robot?",
        "你是人类吗", "デモなの？",
    ),
    "instrument": (
        "你弹什么乐器？", "会弹吉他吗", "你会弹吉他吗？", "你会什么乐器", "どんな楽器を弾くの？", "楽器は何ができる？",
        "ギター弾ける？", "What instrument do you play?", "Can you play the guitar?",
    ),
    "members": ("乐队成员有谁？", "メンバーを教えて", "Who are the other members?"),
    "soyo": (
        "爽世呢？", "素世呢", "爽世是谁", "爽世最近怎么样", "そよさんは？", "そよはどんな人？", "そよって誰",
        "who is Soyo?",
    ),
    "taki": ("立希呢？", "立希是谁", "立希怎么样", "立希と仲いい？", "立希って誰？", "Do you get along with Taki?"),
    "raana": (
        "乐奈呢？", "乐奈是谁", "楽奈は？", "楽奈ってどんな子？", "楽奈は何が好き", "who is Raana?", "What about Rana?",
    ),
    "likes": ("你喜欢什么？", "何が好き？", "好きなものは？", "What do you like?"),
    "meal": (
        "吃饭了吗？", "你吃饭了吗", "吃了吗", "ご飯食べた？", "ごはん食べた？", "もうご飯は食べた？", "Have you eaten?",
        "have you eaten dinner yet",
    ),
    "food": ("你喜欢吃什么？", "好きな食べ物は？", "What's your favorite food?", "what do you like to eat"),
    "weekend": (
        "周末做什么？", "你周末一般做什么", "周末在干嘛", "週末は何してる？", "週末の予定は？", "休みの日は何してるの",
        "What do you do on weekends?", "What are you doing this weekend?",
    ),
    "colour": (
        "喜欢什么颜色？", "你喜欢什么颜色", "你最喜欢的颜色是什么", "好きな色は？", "何色が好き？",
        "What's your favourite colour?", "favorite color", "What color do you like?",
    ),
    "fear": (
        "你怕什么？", "你最怕什么", "你害怕什么", "怖いものは？", "怖いものはある？", "何が怖い？",
        "What are you afraid of?",
    ),
    "recommend_song": (
        "推荐一首歌", "给我推荐一首歌吧", "喜欢什么歌？", "你喜欢什么歌", "おすすめの曲は？", "おすすめの曲を教えて",
        "好きな歌は？", "Recommend a song", "can you recommend me a song?", "What music do you like?",
    ),
    "england": ("伦敦怎么样？", "ロンドンはどうだった？", "How was London?"),
    "weather": ("今天天气怎么样", "いい天気だね", "そよ風が気持ちいい", "How is the weather?"),
    "sing": ("唱首歌吧", "歌って！", "sing a song for me"),
    "what_can_you_do": ("你能做什么", "何ができる？", "what can you do"),
}  # fmt: skip

# What one of them is asked, or what means another thing to each.
OWN = {
    "anon": {
        "self_introduction": ("爱音是谁？", "愛音ちゃんってどんな子？", "who is Anon?"),
        "tomori": (
            "灯是谁？", "灯怎么样？", "灯呢", "高松灯是谁", "燈ってどんな子？", "燈は？", "ともりんって誰？",
            "燈ちゃんは何が好き？", "who is Tomori?", "what do you like about Tomori?",
        ),
        "guitar": ("弹吉他难吗", "ギターの練習してる？", "guitar practice"),
        "hobby": ("你有什么爱好", "趣味は？", "what are your hobbies"),
    },
    "tomori": {
        "self_introduction": (
            "灯是谁？", "灯是什么样的人", "燈ちゃんってどんな子？", "燈ってどんな子？", "燈って誰", "who is Tomori?",
            "tell me about Tomori",
        ),
        "anon": (
            "爱音呢？", "爱音是谁", "愛音ちゃんは？", "愛音ってどんな子？", "who is Anon?",
            "爱音最近怎么样", "what do you like about Anon?",
        ),
        "stones": ("你有什么爱好", "石が好き？", "do you collect stones"),
        "penguins": ("你喜欢什么动物", "好きな動物は？", "do you like penguins"),
    },
}  # fmt: skip

NEUTRAL = {
    "greeting": ("你好", "こんにちは", "hello"),
    "who_are_you_really": (
        "这是演示吗？", "你是真人吗", "你是机器人吗", "你名字叫什么", "これはデモですか？", "本物の人間？",
        "名前はなん", "Is this a demo?", "are you a real person",
    ),
}  # fmt: skip

# By which names each is known; a topic of this name is about the person.
NAMES = {
    "anon": ("愛音", "あのん"),
    "tomori": ("燈", "ともり"),
    "soyo": ("そよ",),
    "taki": ("立希", "りっきー"),
    "raana": ("楽奈",),
}

NOT_KNOWN = (
    "1+1等于几",
    "你喜欢周杰伦吗",
    "帮我写一段代码",
    "日本の首都はどこ？",
    "株価を教えて",
    "what is the capital of France",
)


@cache
def shipped() -> CharacterManager:
    return CharacterManager.load(PROMPTS, "anon")


@pytest.fixture(scope="module")
def neutral(tmp_path_factory: pytest.TempPathFactory) -> Script:
    """The lines of a character that has none of its own."""
    folder = tmp_path_factory.mktemp("prompts")
    for name in ("reply_format.md", "offline_lines.yaml"):
        shutil.copy(PROMPTS / name, folder)
    (folder / "mei").mkdir()
    (folder / "mei" / "character_manifest.md").write_text("You are Mei.", encoding="utf-8")
    found = CharacterManager.load(folder, "mei").default.script
    assert found is not None
    return found


def script(character: str) -> Script:
    found = shipped().find(character)
    assert found is not None and found.script is not None
    return found.script


@pytest.fixture
async def llm(neutral: Script) -> AsyncGenerator[LLM]:
    scripts = {character.name: script(character.name) for character in shipped().all()}
    async with open_llm(LLMSettings(scripts={**scripts, "neutral": neutral})) as opened:
        yield opened


async def reply(llm: LLM, character: str, messages: Sequence[Message]) -> str:
    async with aclosing(llm.stream(Prompt(character, tuple(messages)))) as stream:
        return "".join([delta async for delta in stream])


def lines(text: str) -> list[str]:
    return [json.loads(line)["jp"] for line in text.splitlines()]


def first_lines(script: Script) -> dict[str, str]:
    """Which topic an answer is of, by its first line."""
    answers = {"fallback": script.fallback, **{topic.name: topic.answers for topic in script.topics}}
    return {answer[0].jp: name for name, several in answers.items() for answer in several}


async def topic_of(llm: LLM, character: str, script: Script, said: str) -> str:
    return first_lines(script)[lines(await reply(llm, character, [Message("user", said)]))[0]]


def questions(character: str) -> Iterator[tuple[str, str]]:
    """Each question to a character, and the topic it is of."""
    for topic, asked in [*EVERYDAY.items(), *OWN[character].items()]:
        yield from ((question, topic) for question in asked)


@pytest.mark.parametrize("character", SHIPPED)
async def test_every_question_finds_its_topic(llm: LLM, character: str) -> None:
    found = {said: await topic_of(llm, character, script(character), said) for said, _ in questions(character)}
    assert found == dict(questions(character))


async def test_every_question_to_a_character_without_lines_finds_its_topic(llm: LLM, neutral: Script) -> None:
    for topic, asked in NEUTRAL.items():
        assert {said: await topic_of(llm, "neutral", neutral, said) for said in asked} == dict.fromkeys(asked, topic)


@pytest.mark.parametrize("character", SHIPPED)
async def test_what_it_knows_nothing_about_gets_the_fallback(llm: LLM, character: str) -> None:
    found = {said: await topic_of(llm, character, script(character), said) for said in NOT_KNOWN}
    assert found == dict.fromkeys(NOT_KNOWN, "fallback")


@pytest.mark.slow
async def test_every_phrase_leads_to_its_own_topic(llm: LLM, neutral: Script) -> None:
    wrong = []
    for name, of in [*((name, script(name)) for name in SHIPPED), ("neutral", neutral)]:
        for topic in of.topics:
            for phrase in itertools.chain(*topic.phrases.values()):
                found = await topic_of(llm, name, of, phrase)
                if found != topic.name:
                    wrong.append((name, phrase, topic.name, found))
    assert wrong == []


@pytest.mark.parametrize("character", SHIPPED)
def test_every_answer_about_a_person_names_the_person(character: str) -> None:
    topics = {topic.name: topic for topic in script(character).topics}
    assert NAMES.keys() - topics.keys() == {character}
    for name, known_as in NAMES.items():
        about = topics["self_introduction" if name == character else name]
        for answer in about.answers:
            assert any(called in line.jp for line in answer for called in known_as), (name, answer)


def test_no_phrase_is_of_two_topics(neutral: Script) -> None:
    for of in (*map(script, SHIPPED), neutral):
        topics: dict[str, set[str]] = {}
        for topic in of.topics:
            for phrase in itertools.chain(*topic.phrases.values()):
                topics.setdefault(phrase.casefold(), set()).add(topic.name)
        assert {phrase: names for phrase, names in topics.items() if len(names) > 1} == {}


def test_no_line_is_there_twice_and_no_answer_is_longer_than_three(neutral: Script) -> None:
    for of in (*map(script, SHIPPED), neutral):
        answers = [*of.fallback, *(answer for topic in of.topics for answer in topic.answers)]
        spoken = [line.jp for answer in answers for line in answer]
        assert sorted(spoken) == sorted(set(spoken))
        assert all(1 <= len(answer) <= 3 for answer in answers)


@pytest.mark.parametrize("character", SHIPPED)
@pytest.mark.parametrize("repeated", ["mixed", "灯是谁？", "これはデモですか？", "1+1"])
async def test_no_answer_in_thirty_begins_as_the_one_before(llm: LLM, character: str, repeated: str) -> None:
    mixed = [said for said, _ in questions(character)][::4]
    talk: list[Message] = []
    for said in (mixed * 2)[:30] if repeated == "mixed" else [repeated] * 30:
        talk.append(Message("user", said))
        talk.append(Message("assistant", await reply(llm, character, talk)))
    spoken = [lines(message.content)[0] for message in talk[1::2]]
    assert len(spoken) == 30
    assert all(one != other for one, other in itertools.pairwise(spoken))


@pytest.mark.parametrize("character", [*SHIPPED, "neutral"])
async def test_asked_what_it_is_it_admits_to_being_a_demo_without_a_model(llm: LLM, character: str) -> None:
    talk: list[Message] = []
    for said in NEUTRAL["who_are_you_really"][:3]:
        talk.append(Message("user", said))
        talk.append(Message("assistant", await reply(llm, character, talk)))
        assert "モデル" in talk[-1].content


def test_the_default_character_has_sixty_answers_over_fifteen_topics() -> None:
    topics = script("anon").topics
    assert len(topics) >= 15
    assert sum(len(topic.answers) for topic in topics) >= 60
    assert all(len(topic.answers) >= 3 for name in SHIPPED for topic in script(name).topics)
