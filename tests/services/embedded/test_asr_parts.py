"""The ASR's parts: phrases to phones, frames of its pipe, and which stretches of an utterance may be speech."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.asr_process.frames import Frame, FrameReader, Kind
from services.vendors.embedded.asr_phones import MAX_VARIANTS, pronounce, read_dictionary
from services.vendors.embedded.asr_utterance import FRAME, MAX_S, Utterance
from tests.speech import cough, keys, mix, noise, say, seconds_of, silence, tone

DICTIONARY = read_dictionary(["hello HH AH L OW", "hello(2) HH EH L OW", "chat CH AE T", "my M AY", "go G OW"])
PHONES = set(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)

# Phones ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "phrase", "first"),
    [
        ("zh", "你好", "N IY HH AW"),
        ("zh", "是", "SH ER"),
        ("zh", "女儿", "N Y UW AA R"),
        ("zh", "你是AI吗？", "N IY SH ER EY AY M AA"),
        ("ja", "ありがとう", "AA R IY G AA T OW OW"),
        ("ja", "がんばって", "G AA M B AA T EH"),
        ("en", "Hello, hello!", "HH AH L OW HH AH L OW"),
        ("en", "chatgpt", "CH AE T JH IY P IY T IY"),
        ("en", "mygo", "M AY G OW"),
        ("en", "tomorin", "T OW M OW R IY N"),
        ("en", "SNS", "EH S EH N EH S"),
    ],
)
def test_first_pronunciation_is_the_one_on_paper(language: str, phrase: str, first: str) -> None:
    assert pronounce(language, phrase, DICTIONARY)[0] == first


@pytest.mark.parametrize(
    ("language", "phrase"),
    [
        ("zh", "1+1"),
        ("zh", "好😀"),
        ("zh", "……"),
        ("zh", "か"),
        ("ja", "😀"),
        ("ja", "。"),
        ("en", "xylophones"),
        ("en", ""),
    ],
)
def test_what_cannot_be_pronounced_has_no_pronunciation(language: str, phrase: str) -> None:
    assert pronounce(language, phrase, DICTIONARY) == ()


@pytest.mark.filterwarnings("ignore:Dictionary.create:DeprecationWarning")  # of a library, for rare characters
@given(st.sampled_from(("zh", "ja", "en")), st.text(max_size=12))
def test_any_text_gives_phones_of_the_model_or_nothing(language: str, phrase: str) -> None:
    variants = pronounce(language, phrase, DICTIONARY)
    assert len(set(variants)) == len(variants) <= MAX_VARIANTS
    for variant in variants:
        assert variant and set(variant.split()) <= PHONES


# Frames ---------------------------------------------------------------------------------------------------------

frames = st.builds(Frame, st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=300))


@given(st.lists(frames, max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_frames_come_out_as_they_went_in_however_the_pipe_cuts_them(sent: list[Frame], cuts: list[int]) -> None:
    data = b"".join(frame.encode() for frame in sent)
    got: list[Frame] = []
    reader, at = FrameReader(), 0
    while at < len(data):
        for cut in cuts:
            got += reader.feed(data[at : at + cut])
            at += cut
    assert got == sent


# Stretches ------------------------------------------------------------------------------------------------------


def heard(pcm: bytes, *, whole: bool = True, piece: int = 3200) -> Utterance:
    utterance = Utterance()
    for start in range(0, len(pcm), piece):
        utterance.add(pcm[start : start + piece])
    return utterance


def seconds(pcm: bytes, *, whole: bool = True) -> list[tuple[float, float]]:
    return [(each.start / 100, each.end / 100) for each in heard(pcm).stretches(whole=whole)]


ROOM_DB = -55.0


@pytest.mark.parametrize("level_db", [-13.0, -23.0, -40.0])
def test_speech_is_found_between_silences_of_any_length(level_db: float) -> None:
    spoken = say("你叫什么名字", "zh", level_db=level_db)
    for before, after in ((0.3, 0.3), (5.0, 60.0), (0.0, 0.0)):
        ((start, end),) = seconds(silence(before) + spoken + silence(after))
        assert abs(start - before) < 0.1
        assert abs(end - before - seconds_of(spoken)) < 0.2


def test_speech_is_found_in_a_noisy_room() -> None:
    pcm = silence(1.0) + say("what is your name", "en", level_db=-23.0) + silence(1.0)
    ((start, end),) = seconds(mix(pcm, noise(seconds_of(pcm), -41.0, color="pink")))
    assert 0.8 < start < 1.2 and end < seconds_of(pcm) - 0.7


def test_a_pause_parts_two_stretches_and_a_short_one_does_not() -> None:
    one, other = say("你好", "zh"), say("再见", "zh")
    assert len(seconds(one + silence(0.6) + other)) == 2
    assert len(seconds(one + silence(0.15) + other)) == 1


def test_a_stretch_has_ended_only_when_a_pause_came_or_the_utterance_is_whole() -> None:
    spoken = silence(0.3) + say("你好", "zh")
    assert seconds(spoken, whole=False) == []
    assert len(seconds(spoken, whole=True)) == 1
    assert len(seconds(spoken + silence(0.5), whole=False)) == 1


@pytest.mark.parametrize(
    "pcm",
    [
        b"",
        b"\0",
        silence(0.005),
        silence(20.0),
        noise(3.0, -20.0),
        noise(3.0, -20.0, color="pink"),
        noise(3.0, -60.0),
        tone(2.0, 440.0, -20.0),
    ],
    ids=["nothing", "a byte", "a blink", "silence", "white", "pink", "quiet", "tone"],
)
def test_steady_sounds_are_no_speech(pcm: bytes) -> None:
    assert seconds(pcm) == []


def test_what_is_kept_is_bounded() -> None:
    utterance = Utterance()
    for _ in range(200):
        utterance.add(say("你好", "zh") * 2)
    kept = utterance.stretches(whole=True)[-1].end
    assert kept <= MAX_S * 100
    assert utterance.speech(utterance.stretches(whole=True)[0]).size <= MAX_S * 100 * FRAME


@pytest.mark.parametrize("pcm", [cough(seed=1), keys(1.0)], ids=["cough", "keys"])
def test_short_sounds_do_not_break_it(pcm: bytes) -> None:
    assert all(start < end for start, end in seconds(pcm))
