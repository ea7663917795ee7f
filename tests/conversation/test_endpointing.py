"""Where utterances begin and end: any probabilities in any pieces, and real speech between the sounds of a room."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.endpointing import (
    SURE,
    VOICED,
    Endpointer,
    EndpointingSettings,
    Event,
    SpeechStarted,
    SpeechStopped,
    UtteranceAudio,
)
from conversation.timbre import Timbre
from services.vendors.silero.vad import SileroVAD, load_network
from tests.endpointed import find_utterances, score
from tests.labelled_speech import Recording, noises, talks
from tests.speech import chunks, click, cough, mix, noise, say, seconds_of, silence

FRAME = 512
SETTINGS = EndpointingSettings()
YES, NO = 0.9, 0.1


@pytest.fixture(scope="module")
def vad() -> SileroVAD:
    return SileroVAD(load_network())


# ---------------------------------------------------------------- any probabilities


@dataclass
class Utterance:
    """In samples; the audio is numbered, so that its place is seen in it."""

    started: int
    audio: list[int] = field(default_factory=list)
    stopped: SpeechStopped | None = None
    stop_told: int = 0


def numbered(frames: int) -> bytes:
    """Every sample another: its own number."""
    return np.arange(frames * FRAME, dtype="<u2").tobytes()


def as_voices(frames: Sequence[bytes], voiced: Sequence[bool]) -> Timbre:
    """What numbers for samples sound like is no matter here."""
    return Timbre(steady=False, pitched=sum(voiced))


def utterances(events: Sequence[tuple[int, Event]]) -> list[Utterance]:
    """What the events say, each with the clock at which it came; that they come in their order is asserted here."""
    found: list[Utterance] = []
    for clock, event in events:
        going_on = bool(found) and found[-1].stopped is None
        match event:
            case SpeechStarted(at_sample):
                assert not going_on
                found.append(Utterance(at_sample))
            case UtteranceAudio(pcm):
                assert going_on and pcm
                found[-1].audio += np.frombuffer(pcm, "<u2").tolist()
            case SpeechStopped():
                assert going_on and found[-1].audio
                found[-1].stopped, found[-1].stop_told = event, clock
    return found


def run(
    settings: EndpointingSettings, probabilities: Sequence[float | None], pieces: Sequence[int] = ()
) -> list[tuple[int, Event]]:
    """Numbered audio with these probabilities, None where a frame is skipped; handed over in such pieces."""
    endpointer = Endpointer(settings, FRAME, as_voices)
    pcm = numbered(len(probabilities))
    likely = iter(probabilities)
    events: list[tuple[int, Event]] = []
    clock = received = 0
    for piece in cut(pcm, pieces):
        received += len(piece) // 2
        for frame in endpointer.frames(piece):
            clock += FRAME
            probability = next(likely)
            if probability is None:
                endpointer.skip(frame)
            else:
                events += [(clock, event) for event in endpointer.receive(frame, probability)]
        assert endpointer.received_samples == received
    assert clock == received
    return events


def cut(pcm: bytes, pieces: Sequence[int]) -> Iterator[bytes]:
    for samples in pieces:
        yield pcm[: 2 * samples]
        pcm = pcm[2 * samples :]
    yield pcm


any_settings = st.builds(
    EndpointingSettings,
    end_of_speech_ms=st.integers(100, 700),
    pre_roll_ms=st.integers(0, 500),
    shortest_utterance_ms=st.integers(32, 300),
    longest_utterance_ms=st.integers(500, 3000),
)
# Stretches of speech and of silence are what makes something happen; single probabilities are in between.
stretch = st.tuples(st.sampled_from([0.0, 0.2, 0.34, 0.35, 0.44, SURE, VOICED, 0.8, 1.0]), st.integers(1, 30))
any_probabilities = st.lists(stretch, max_size=12).map(
    lambda all: [each for each, times in all for _ in range(times)][:120]
)


@given(any_settings, any_probabilities)
def test_audio_of_an_utterance_is_one_piece_of_what_was_received(
    settings: EndpointingSettings, probabilities: list[float]
) -> None:
    for each in utterances(run(settings, probabilities)):
        assert each.audio == list(range(each.audio[0], each.audio[0] + len(each.audio)))
        assert each.started - settings.pre_roll_ms * 16 <= each.audio[0] <= each.started
        if each.stopped is not None:
            assert each.audio[-1] == each.stop_told - 1
            assert each.started <= each.stopped.at_sample <= each.stop_told


@pytest.mark.slow
@given(any_settings, any_probabilities)
def test_nothing_is_said_twice_and_only_silence_lies_between(
    settings: EndpointingSettings, probabilities: list[float]
) -> None:
    for before, after in pairwise(utterances(run(settings, probabilities))):
        assert before.stopped is not None
        assert before.stop_told <= after.started
        assert before.stopped.at_sample <= after.audio[0]
        if before.stopped.cut:
            assert before.stop_told <= after.audio[0]


@given(any_settings, any_probabilities)
def test_an_utterance_ends_after_its_silence_window_or_when_it_is_too_long(
    settings: EndpointingSettings, probabilities: list[float]
) -> None:
    for each in utterances(run(settings, probabilities)):
        if each.stopped is None:
            continue
        assert each.stopped.at_sample + each.stopped.silence_samples == each.stop_told
        if each.stopped.cut:
            assert len(each.audio) > settings.longest_utterance_ms * 16 - FRAME
        else:
            assert each.stopped.silence_samples >= settings.end_of_speech_ms * 16


@given(any_settings, any_probabilities, st.lists(st.integers(0, 3000), max_size=40))
def test_the_pieces_that_audio_comes_in_make_no_difference(
    settings: EndpointingSettings, probabilities: list[float], pieces: list[int]
) -> None:
    assert run(settings, probabilities, pieces) == run(settings, probabilities)


@given(any_settings, st.lists(st.floats(0, 1) | st.none(), max_size=120))
def test_skipped_audio_is_in_no_utterance_and_moves_the_clock(
    settings: EndpointingSettings, probabilities: list[float | None]
) -> None:
    skipped = {at for at, each in enumerate(probabilities) if each is None}
    endpointer = Endpointer(settings, FRAME, as_voices)
    clock = 0
    begins: int | None = None
    for at, frame in enumerate(endpointer.frames(numbered(len(probabilities)))):
        clock += FRAME
        probability = probabilities[at]
        if probability is None:
            endpointer.skip(frame)
            continue
        for event in endpointer.receive(frame, probability):
            if isinstance(event, SpeechStarted):
                begins = event.at_sample
            elif isinstance(event, UtteranceAudio):
                samples = np.frombuffer(event.pcm, "<u2")
                assert not skipped & set((samples // FRAME).tolist())
                assert samples[-1] == clock - 1
            else:
                assert begins is not None and begins <= event.at_sample <= clock


@given(any_settings, st.lists(st.floats(0, SURE, exclude_max=True), max_size=120))
def test_what_no_frame_is_sure_of_starts_nothing(settings: EndpointingSettings, probabilities: list[float]) -> None:
    assert run(settings, probabilities) == []


@given(any_settings, st.integers(0, 60))
def test_as_much_voice_as_the_shortest_utterance_starts_one(settings: EndpointingSettings, before: int) -> None:
    voiced = -(-settings.shortest_utterance_ms * 16 // FRAME)
    assert run(settings, [NO] * before + [YES] * (voiced - 1) + [NO] * 20) == []
    (utterance,) = utterances(run(settings, [NO] * before + [YES] * voiced))
    assert utterance.started == before * FRAME
    assert utterance.audio[0] == max(0, before * FRAME - settings.pre_roll_ms * 16)


# ---------------------------------------------------------------- the rules one by one


def test_pause_within_speech_is_handed_out_as_it_comes() -> None:
    probabilities = [NO] * 20 + [YES] * 10 + [NO] * 14 + [YES] * 10
    events = run(SETTINGS, probabilities)
    assert [clock for clock, event in events if isinstance(event, UtteranceAudio)] == [
        FRAME * count for count in range(24, 55)
    ]
    assert not [event for _, event in events if isinstance(event, SpeechStopped)]


def test_nothing_follows_the_end_of_speech() -> None:
    events = run(SETTINGS, [YES] * 10 + [NO] * 60)
    assert isinstance(events[-1][1], SpeechStopped)
    assert events[-1][0] == events[-1][1].at_sample + events[-1][1].silence_samples


def test_torn_syllable_is_speech() -> None:
    (utterance,) = utterances(run(SETTINGS, [NO] * 20 + [YES, NO, YES, NO, YES, YES]))
    assert utterance.started == 20 * FRAME


def test_short_sound_before_a_sentence_belongs_to_it() -> None:
    probabilities = [NO] * 20 + [YES] * 2 + [NO] * 14 + [YES] * 10
    (utterance,) = utterances(run(SETTINGS, probabilities))
    assert utterance.started == 20 * FRAME
    assert utterance.audio[0] == 20 * FRAME - SETTINGS.pre_roll_ms * 16


def test_voice_far_apart_is_none() -> None:
    assert run(SETTINGS, ([YES] + [NO] * 5) * 20) == []


def test_single_voiced_frame_in_the_silence_does_not_hold_the_end_up() -> None:
    alone = run(SETTINGS, [YES] * 10 + [NO] * 10 + [YES] + [NO] * 30)
    assert alone[-1] == run(SETTINGS, [YES] * 10 + [NO] * 41)[-1]


def test_word_that_begins_as_the_window_ends_belongs_to_the_utterance() -> None:
    whole_window = utterances(run(SETTINGS, [YES] * 10 + [NO] * 40))[0].stop_told // FRAME - 10
    events = run(SETTINGS, [YES] * 10 + [NO] * (whole_window - 1) + [YES] * 20)
    assert len(utterances(events)) == 1
    assert not [event for _, event in events if isinstance(event, SpeechStopped)]


def test_person_who_goes_on_after_too_long_an_utterance_loses_no_sample() -> None:
    settings = EndpointingSettings(longest_utterance_ms=1000)
    found = utterances(run(settings, [NO] * 20 + [YES] * 100))
    assert len(found) > 2
    for before, after in pairwise(found):
        assert before.stopped is not None and before.stopped.cut
        assert after.audio[0] == before.audio[-1] + 1


def test_after_a_reset_nothing_from_before_is_handed_out() -> None:
    endpointer = Endpointer(SETTINGS, FRAME, as_voices)
    frames = endpointer.frames(numbered(40))
    for frame in frames[:10]:
        endpointer.receive(frame, YES)
    endpointer.reset()
    events = [event for frame in frames[10:] for event in endpointer.receive(frame, YES)]
    assert events[0] == SpeechStarted(10 * FRAME)
    assert isinstance(events[1], UtteranceAudio)
    assert np.frombuffer(events[1].pcm, "<u2")[0] == 10 * FRAME
    assert endpointer.received_samples == 40 * FRAME


# ---------------------------------------------------------------- real sounds


@pytest.mark.slow
@pytest.mark.parametrize(("count", "seed"), [(40, 4), (200, 1)])
def test_labelled_utterances_are_found_with_every_sample(vad: SileroVAD, count: int, seed: int) -> None:
    result = score(talks(count, seed=seed), vad, SETTINGS)
    assert result.utterances == count
    assert (result.missed_ends, result.turns_from_noise) == (0, 0)
    assert max(result.missed_starts, result.incomplete) <= count // 100
    assert result.cut_off <= 1 + count // 100
    assert max(result.stop_ms) < 200  # a cough or a key soon after the last word does not hold its end up


@pytest.mark.slow
@pytest.mark.parametrize("under_speech_db", [30, 20, 10, 0])
def test_noise_is_no_turn(vad: SileroVAD, under_speech_db: int) -> None:
    for recording in noises(20, under_speech_db=under_speech_db, seed=7):
        assert find_utterances(recording, vad, SETTINGS) == [], recording.name


@pytest.mark.parametrize("snr_db", [20, None])
@pytest.mark.parametrize(
    ("text", "language"), [("嗯", "zh"), ("好", "zh"), ("はい", "ja"), ("うん", "ja"), ("yes", "en"), ("no", "en")]
)
def test_one_syllable_is_a_turn(vad: SileroVAD, text: str, language: str, snr_db: int | None) -> None:
    for variant in ("", "m3", "f2"):
        word = say(text, language, variant=variant)
        pcm = silence(1.0) + word + silence(1.0)
        if snr_db is not None:
            pcm = mix(pcm, noise(seconds_of(pcm), -23.0 - snr_db, color="pink"))
        (found,) = find_utterances(Recording(text, pcm, ()), vad, SETTINGS)
        assert found.first <= 16000
        assert found.first + found.audio_samples >= 16000 + len(word) // 2
        assert found.stopped is not None


def test_coughs_and_clicks_open_nothing(vad: SileroVAD) -> None:
    pcm = b"".join(silence(0.6) + cough(seed=seed) + silence(0.3) + click(seed=seed) for seed in range(40))
    assert find_utterances(Recording("", pcm, ()), vad, SETTINGS) == []


def test_ten_minutes_of_a_quiet_microphone_run_the_network_for_nothing(vad: SileroVAD) -> None:
    endpointer = Endpointer(SETTINGS, vad.frame_samples)
    detector = vad.open_detector()
    minute = noise(60, -76.0, color="pink")
    for _ in range(5):
        for chunk in (*chunks(minute), silence(60)):
            for frame in endpointer.frames(chunk):
                assert endpointer.receive(frame, detector.probability(frame)) == []
    assert endpointer.received_samples == 600 * 16000
    assert detector.network_runs == 0
