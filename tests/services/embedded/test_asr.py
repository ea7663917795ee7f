"""The embedded ASR: it hears the demo's phrases in three languages, little else, and survives its process.

All is real: the process, the pipes, pocketsphinx, and speech from a synthesiser.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.abc
import pytest
import structlog

from server.character_manager import CharacterManager
from services.base import ASR, ASRError, Line, RecognitionHints, Script, ScriptTopic, Voice
from services.engine_settings import ASRSettings, TTSSettings
from services.vendors.embedded.asr import MAX_HEARINGS, open_asr
from services.vendors.embedded.tts import open_tts
from tests.speech import chunks, cough, keys, melody, mix, noise, say, seconds_of, silence

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
LINE = Line(jp="はい。", cn="嗯。")

# Two topics each of the demo's, with phrases that a synthesiser says clearly.
TOPICS: dict[str, dict[str, tuple[str, ...]]] = {
    "thanks": {
        "zh": ("太感谢了", "帮大忙了"),
        "ja": ("どうもありがとう", "助かった"),
        "en": ("thank you so much", "i appreciate it"),
    },
    "recommend_song": {
        "zh": ("推荐一首歌", "你喜欢什么音乐", "有什么好听的歌"),
        "ja": ("おすすめの曲", "どんな音楽が好き"),
        "en": ("recommend a song", "what is your favorite music"),
    },
}


def script(topics: dict[str, dict[str, tuple[str, ...]]]) -> Script:
    return Script(tuple(ScriptTopic(name, phrases, ((LINE,),)) for name, phrases in topics.items()), ((LINE,),))


SCRIPTS = {"anon": script(TOPICS), "taki": script({"no": {"zh": ("讨厌你",), "en": ("shut up",)}})}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def asr(anyio_backend: str) -> AsyncGenerator[ASR]:
    async with open_asr(ASRSettings(scripts=SCRIPTS)) as opened:
        yield opened


async def hear(asr: ASR, pcm: bytes, character: str = "anon") -> str:
    async with asr.open_recognition(RecognitionHints(character)) as recognition:
        for chunk in chunks(pcm):
            await recognition.send(chunk)
        await recognition.finish()
        async with aclosing(recognition.transcripts()) as transcripts:
            found = [transcript async for transcript in transcripts]
    assert [transcript.is_final for transcript in found] == [True]
    assert not any(transcript.is_definite for transcript in found)
    return found[0].text


def in_room(pcm: bytes) -> bytes:
    sound = silence(0.3) + pcm + silence(0.3)
    return mix(sound, noise(seconds_of(sound), -55.0))


def workers(of: int) -> list[int]:
    """The ASR processes of a process: it has no other children."""
    return [int(pid) for pid in Path(f"/proc/{of}/task/{of}/children").read_text().split()]


# What is heard --------------------------------------------------------------------------------------------------


async def test_it_says_that_it_knows_phrases_only(asr: ASR) -> None:
    assert asr.phrases_only


@pytest.mark.parametrize("variant", ["", "f2"])
@pytest.mark.parametrize("language", ["zh", "ja", "en"])
async def test_phrases_are_heard_as_they_are_written(asr: ASR, language: str, variant: str) -> None:
    for phrases in TOPICS.values():
        for phrase in phrases[language]:
            assert await hear(asr, in_room(say(phrase, language, variant=variant))) == phrase


async def test_the_embedded_voice_is_understood(asr: ASR) -> None:
    async with open_tts(TTSSettings()) as tts, tts.open_synthesis(Voice()) as speech:
        for phrase in ("どうもありがとう", "おすすめの曲"):
            async with aclosing(speech.synthesize(phrase, "auto")) as pieces:
                assert await hear(asr, in_room(b"".join([piece async for piece in pieces]))) == phrase


@pytest.mark.parametrize("level_db", [-45.0, -12.0])
async def test_a_quiet_microphone_is_as_good_as_a_loud_one(asr: ASR, level_db: float) -> None:
    pcm = silence(0.3) + say("推荐一首歌", "zh", level_db=level_db) + silence(0.3)
    assert await hear(asr, pcm) == "推荐一首歌"


async def test_long_silences_around_a_phrase_do_no_harm(asr: ASR) -> None:
    pcm = silence(20.0) + in_room(say("thank you so much", "en")) + silence(20.0)
    assert await hear(asr, pcm) == "thank you so much"


async def test_two_phrases_with_a_pause_between_are_both_heard(asr: ASR) -> None:
    pcm = in_room(say("太感谢了", "zh") + silence(0.8) + say("推荐一首歌", "zh"))
    assert await hear(asr, pcm) == "太感谢了 推荐一首歌"


async def test_a_phrase_with_a_pause_in_it_is_heard(asr: ASR) -> None:
    pcm = in_room(say("有什么好听的", "zh") + silence(0.35) + say("歌", "zh"))
    assert await hear(asr, pcm) == "有什么好听的歌"


async def test_a_phrase_is_heard_by_whom_it_is_a_phrase_of_alone(asr: ASR) -> None:
    assert await hear(asr, in_room(say("讨厌你", "zh")), "taki") == "讨厌你"
    assert await hear(asr, in_room(say("推荐一首歌", "zh")), "taki") == ""
    assert await hear(asr, in_room(say("推荐一首歌", "zh")), "nobody") == ""


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("zh", "我昨天买了一辆新的自行车"),
        ("zh", "冰箱里还有两个鸡蛋"),
        ("ja", "冷蔵庫に卵が二つあります"),
        ("ja", "となりのいぬがうるさい"),
        ("en", "the train leaves at half past nine"),
        ("en", "please close the window"),
    ],
)
async def test_other_sentences_are_no_phrase(asr: ASR, language: str, sentence: str) -> None:
    assert await hear(asr, in_room(say(sentence, language))) == ""


@pytest.mark.parametrize(
    "pcm",
    [b"", b"\0\0", silence(10.0), noise(3.0, -20.0), keys(2.0), melody(3.0, -20.0), *(cough(seed=n) for n in range(4))],
    ids=["nothing", "a sample", "silence", "noise", "keys", "music", *(f"cough {n}" for n in range(4))],
)
async def test_sounds_are_no_phrase(asr: ASR, pcm: bytes) -> None:
    assert await hear(asr, pcm) == ""


async def test_speech_without_an_end_is_no_phrase(asr: ASR) -> None:
    assert await hear(asr, say("我昨天买了一辆新的自行车", "zh") * 55) == ""


async def test_what_cannot_be_pronounced_is_left_out_and_named_once() -> None:
    odd = script({"odd": {"zh": ("1+1", "好😀", "太感谢了"), "en": ("☃",)}})
    with structlog.testing.capture_logs() as logs:
        async with open_asr(ASRSettings(scripts={"anon": odd})) as asr:
            assert await hear(asr, in_room(say("太感谢了", "zh"))) == "太感谢了"
    assert [entry["phrases"] for entry in logs if "phrases" in entry] == [["1+1", "好😀", "☃"]]


async def test_without_any_script_nothing_is_heard() -> None:
    async with open_asr(ASRSettings()) as asr:
        assert await hear(asr, in_room(say("太感谢了", "zh"))) == ""


async def test_the_shipped_suggestions_are_heard() -> None:
    characters = CharacterManager.load(ROOT / "prompts", "anon").all()
    scripts = {character.name: character.script for character in characters if character.script}
    async with open_asr(ASRSettings(scripts=scripts)) as asr:
        for character in characters:
            for phrase in character.suggestions:
                assert await hear(asr, in_room(say(phrase, "zh")), character.name) == phrase


# Many -----------------------------------------------------------------------------------------------------------


async def test_many_at_once_are_each_heard(asr: ASR) -> None:
    heard: dict[int, str] = {}
    said = [in_room(say(phrase, "zh")) for phrase in ("太感谢了", "推荐一首歌", "有什么好听的歌")]

    async def talk(number: int) -> None:
        heard[number] = await hear(asr, said[number % 3])

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(talk, number)
    assert heard == {number: ("太感谢了", "推荐一首歌", "有什么好听的歌")[number % 3] for number in range(30)}


async def test_one_more_than_there_are_places_waits_for_one(asr: ASR) -> None:
    async with anyio.create_task_group() as tasks:
        held = anyio.Event()

        async def hold(*, task_status: anyio.abc.TaskStatus[None]) -> None:
            async with asr.open_recognition(RecognitionHints("anon")):
                task_status.started()
                await held.wait()

        for _ in range(MAX_HEARINGS):
            await tasks.start(hold)
        with anyio.move_on_after(0.05) as waiting:
            async with asr.open_recognition(RecognitionHints("anon")):
                pass
        assert waiting.cancelled_caught
        held.set()
    assert await hear(asr, in_room(say("太感谢了", "zh"))) == "太感谢了"


async def test_who_leaves_in_the_middle_leaves_nothing_behind(asr: ASR) -> None:
    spoken = in_room(say("推荐一首歌", "zh"))
    for end_by_finish in (False, True) * 3:
        with anyio.CancelScope() as scope:
            async with asr.open_recognition(RecognitionHints("anon")) as recognition:
                await recognition.send(spoken)
                if end_by_finish:
                    await recognition.finish()
                scope.cancel()
                async with aclosing(recognition.transcripts()) as transcripts:
                    await anext(transcripts)
        assert scope.cancelled_caught
    assert await hear(asr, spoken) == "推荐一首歌"


# The process ----------------------------------------------------------------------------------------------------


async def test_a_hearing_fails_when_the_process_dies_and_the_next_one_works() -> None:
    others = workers(os.getpid())
    async with open_asr(ASRSettings(scripts=SCRIPTS)) as asr:
        spoken = in_room(say("太感谢了", "zh"))
        for _ in range(2):
            assert await hear(asr, spoken) == "太感谢了"
            async with asr.open_recognition(RecognitionHints("anon")) as recognition:
                await recognition.send(spoken)
                (worker,) = set(workers(os.getpid())) - set(others)
                os.kill(worker, signal.SIGKILL)
                async with aclosing(recognition.transcripts()) as transcripts:
                    with pytest.raises(ASRError):
                        await anext(transcripts)
                await recognition.send(spoken)
                await recognition.finish()
        assert await hear(asr, spoken) == "太感谢了"
    assert workers(os.getpid()) == others


async def test_it_is_open_before_its_process_is_ready_and_closes_at_once() -> None:
    others = workers(os.getpid())
    async with open_asr(ASRSettings(scripts=SCRIPTS)) as asr:
        async with asr.open_recognition(RecognitionHints("anon")):
            assert len(workers(os.getpid())) == len(others) + 1
    assert workers(os.getpid()) == others


async def test_an_error_of_the_server_leaves_it_as_itself() -> None:
    with pytest.raises(KeyError):
        async with open_asr(ASRSettings()):
            raise KeyError


SERVER = """
import sys, anyio
from services.base import RecognitionHints
from services.engine_settings import ASRSettings
from services.vendors.embedded.asr import open_asr

async def main():
    async with open_asr(ASRSettings()) as asr, asr.open_recognition(RecognitionHints("anon")) as recognition:
        await recognition.finish()
        async for transcript in recognition.transcripts():
            print("heard", flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_a_server_that_is_killed(killed_by: signal.Signals) -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=ROOT, stdout=subprocess.PIPE)
    with server:
        assert server.stdout is not None and server.stdout.readline() == b"heard\n"
        (worker,) = workers(server.pid)
        handle = os.pidfd_open(worker)
        try:
            os.kill(worker, signal.SIGINT)  # is none of its business
            assert select.select([handle], [], [], 0)[0] == []
            server.send_signal(killed_by)
            assert select.select([handle], [], [], 30)[0] == [handle]
        finally:
            os.close(handle)
