"""The marks of a turn and the milliseconds to them."""

from conversation.timeline import Timeline


def test_milliseconds_are_counted_from_the_beginning() -> None:
    timeline = Timeline(10.0)
    timeline.mark("first_token", 10.25)
    timeline.mark("first_audio", 10.5004)
    timeline.mark("audio_end", 10.5006)
    assert timeline.began_at == 10.0
    assert timeline.timings_ms() == {"first_token": 250, "first_audio": 500, "audio_end": 501}


def test_only_the_first_time_counts() -> None:
    timeline = Timeline(0)
    timeline.mark("first_token", 1)
    timeline.mark("first_token", 2)
    assert timeline.timings_ms() == {"first_token": 1000}


def test_what_did_not_happen_is_absent() -> None:
    timeline = Timeline(0)
    assert timeline.timings_ms() == {}
    assert not timeline.has("first_audio")
    timeline.mark("first_audio", 0)
    assert timeline.has("first_audio")
    assert timeline.timings_ms() == {"first_audio": 0}


def test_marks_come_in_the_order_in_which_they_happened() -> None:
    timeline = Timeline(0)
    timeline.mark("final_transcript", 1)
    timeline.mark("end_of_speech", 2)
    timeline.mark("first_sentence", 3)
    timeline.mark("first_token", 3)
    assert list(timeline.timings_ms()) == ["final_transcript", "end_of_speech", "first_sentence", "first_token"]
