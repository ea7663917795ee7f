"""Whisper on this machine, all but the model: the process, its pipes and its ways are real, the library is a stand-in.

tests/foreign/test_whisper.py hears with the real one.
"""

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from services.base import ASR, ASRError, RecognitionHints, Transcript
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.vendors.whisper import asr as whisper_asr
from services.vendors.whisper.asr import WHERE_FROM, open_asr
from tests.services.whisper.stand_in import LIBRARY, install, write_model

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HINTS = RecognitionHints("anon", hotwords=("爱音", "Anon", "爱音"))


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)


def asked(folder: Path) -> list[dict[str, Any]]:
    path = folder / "asked.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


async def until_asked(folder: Path, times: int) -> None:
    while len(asked(folder)) < times:  # noqa: ASYNC110 - another process writes it
        await anyio.sleep(0.01)


@asynccontextmanager
async def whisper(folder: Path, **told: Any) -> AsyncIterator[ASR]:
    with anyio.fail_after(60):
        async with open_asr(ASRSettings(model_dir=str(write_model(folder, **told)))) as asr:
            yield asr


async def hear(asr: ASR, seconds: float, hints: RecognitionHints = HINTS) -> str:
    async with asr.open_recognition(hints) as recognition:
        pcm = b"\1\2" * round(16000 * seconds)
        for at in range(0, len(pcm), 6400):
            await recognition.send(pcm[at : at + 6400])
        await recognition.finish()
        async with aclosing(recognition.transcripts()) as transcripts:
            found = [transcript async for transcript in transcripts]
    assert found == [Transcript(found[0].text, is_final=True)]
    return found[0].text


def worker() -> int:
    me = os.getpid()
    children = [pid for task in Path(f"/proc/{me}/task").iterdir() for pid in (task / "children").read_text().split()]
    (found,) = [int(pid) for pid in children if b"whisper.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


async def test_an_utterance_is_heard_as_a_whole_with_what_is_known_of_it(tmp_path: Path) -> None:
    async with whisper(tmp_path) as asr:
        assert await hear(asr, 3.0) == "3.0秒"
        assert await hear(asr, 40.0, RecognitionHints("anon", language="ja")) == "40.0秒"
    first, second = asked(tmp_path)
    assert first["hotwords"] == "爱音、Anon" and second["hotwords"] is None
    assert first["language"] is None and second["language"] == "ja"
    assert first["max_new_tokens"] == 72 and second["max_new_tokens"] == 220
    assert first["without_timestamps"] and not second["without_timestamps"]
    assert first["temperature"] == 0.0


async def test_inventions_and_traditional_characters_do_not_come_out(tmp_path: Path) -> None:
    segments = [["今天天氣不錯", 0.02, -0.2], [" you", 0.8, -1.2]]
    async with whisper(tmp_path, segments=segments) as asr:
        assert await hear(asr, 2.0, RecognitionHints("anon", language="zh")) == "今天天气不错"
    async with whisper(tmp_path, segments=[["ご視聴ありがとうございました", 0.5, -0.9]]) as asr:
        assert await hear(asr, 2.0) == ""


async def test_nothing_is_nothing(tmp_path: Path) -> None:
    async with whisper(tmp_path, segments=[]) as asr:
        assert await hear(asr, 0.0) == ""


async def test_many_at_once_are_each_heard(tmp_path: Path) -> None:
    heard: dict[int, str] = {}
    async with whisper(tmp_path) as asr, anyio.create_task_group() as tasks:

        async def talk(number: int) -> None:
            heard[number] = await hear(asr, 1 + number / 10)

        for number in range(20):
            tasks.start_soon(talk, number)
    assert heard == {number: f"{1 + number / 10:.1f}秒" for number in range(20)}


async def test_who_leaves_is_not_heard_and_does_not_hold_up_others(tmp_path: Path) -> None:
    segments = [[f"{number} ", 0.02, -0.2] for number in range(1000)]
    async with whisper(tmp_path, segments=segments, seconds_each=0.02) as asr:
        async with asr.open_recognition(HINTS) as waiting, asr.open_recognition(HINTS) as running:
            await running.send(b"\1\2" * 16000)
            await running.finish()
            await until_asked(tmp_path, 1)
            await waiting.send(b"\1\2" * 32000)
            await waiting.finish()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hear, asr, 3.0)
            await until_asked(tmp_path, 2)  # all of the first would take 20 s
            tasks.cancel_scope.cancel()
        seconds = [each["seconds"] for each in asked(tmp_path)]
        assert seconds == [1.0, 3.0]


async def test_a_failure_is_that_of_one_utterance(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with whisper(tmp_path, fails=True) as asr:
            pid = worker()
            for _ in range(2):
                with pytest.raises(ASRError) as raised:
                    await hear(asr, 1.0)
                assert raised.value.retryable and "CUDA" not in str(raised.value)
            assert worker() == pid
    assert any("out of memory" in str(entry.get("why")) for entry in logs)


@pytest.mark.parametrize("how", ["by itself", "killed", "stuck"])
async def test_a_process_that_dies_loses_one_utterance_and_is_started_again(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accidents: dict[str, dict[str, Any]] = {"by itself": {"dies": True}, "killed": {}, "stuck": {"seconds_each": 100}}
    told = accidents[how]
    if how == "stuck":
        monkeypatch.setattr(whisper_asr, "STUCK_S", -1.5)  # and twice the second that is said
    async with whisper(tmp_path, **told) as asr:
        pid = worker()
        if how == "killed":
            async with asr.open_recognition(HINTS) as recognition:
                os.kill(pid, signal.SIGKILL)
                await recognition.finish()
                with pytest.raises(ASRError):
                    async with aclosing(recognition.transcripts()) as transcripts:
                        await anext(transcripts)
        else:
            (tmp_path / "config.json").write_text(json.dumps({}), "utf-8")
            with pytest.raises(ASRError):
                await hear(asr, 1.0)
        (tmp_path / "once").touch()
        assert await hear(asr, 2.0) == "2.0秒"
        assert worker() != pid


async def test_a_gpu_is_used_and_one_that_does_not_work_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_GPUS", "1")
    async with whisper(tmp_path) as asr:
        await hear(asr, 1.0)
    with capture_logs() as logs:
        async with whisper(tmp_path, no_cublas=True) as asr:
            await hear(asr, 1.0)
    assert [each["device"] for each in asked(tmp_path)] == ["cuda", "cpu"]
    assert any("libcublas" in str(entry.get("why")) for entry in logs)


async def test_nothing_is_left_when_the_engine_is_closed(tmp_path: Path) -> None:
    async with (
        whisper(tmp_path, segments=[["x", 0.0, 0.0]], seconds_each=30) as asr,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(hear, asr, 1.0)
        await until_asked(tmp_path, 1)
        pid = worker()
        tasks.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def refused(model_dir: Path | str) -> str:
    with pytest.raises(EngineUnavailable) as error:
        async with open_asr(ASRSettings(model_dir=str(model_dir))):
            pass
    return str(error.value)


async def test_a_directory_without_a_model_is_refused_with_what_is_missing_and_where_to_get_it(tmp_path: Path) -> None:
    assert "whisper.model_dir is empty" in await refused("")
    assert f"{tmp_path / 'none'} does not exist; {WHERE_FROM}" in await refused(tmp_path / "none")
    (tmp_path / "file").touch()
    assert "is no directory" in await refused(tmp_path / "file")
    folder = write_model(tmp_path / "model")
    for name in ("tokenizer.json", "vocabulary.txt"):
        (folder / name).unlink()
    assert "has no tokenizer.json and no vocabulary.txt or vocabulary.json" in await refused(folder)
    write_model(folder)
    (folder / "model.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "pointer of Git LFS" in await refused(folder)


async def test_a_model_that_cannot_be_loaded_is_refused_in_the_librarys_words(tmp_path: Path) -> None:
    with capture_logs():
        said = await refused(write_model(tmp_path, broken=True))
    assert "cannot be loaded: RuntimeError: File model.bin is incomplete" in said


async def test_without_the_library_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [path for path in __import__("sys").path if path != str(LIBRARY)])
    if __import__("importlib.util").util.find_spec("faster_whisper"):
        pytest.skip("it is installed")
    assert "pip install '.[local]'" in await refused(write_model(tmp_path))
