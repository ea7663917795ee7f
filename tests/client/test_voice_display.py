"""The live line, final transcripts and latency, without a server."""

from typing import Any

import anyio
import numpy as np
import pytest

from chatanon_client.wire import read_frame
from client.terminal import Style, cut_to_width, never
from client.voice.voice_display import VoiceDisplay

pytestmark = pytest.mark.anyio


class Paper:
    """A terminal that keeps everything."""

    interactive = True

    def __init__(self) -> None:
        self.interrupt = never
        self.lines: list[str] = []
        self.statuses: list[str] = []

    def show(self, text: str, style: Style = Style.PLAIN) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(text)

    def show_status(self, text: str) -> None:
        if not self.statuses or self.statuses[-1] != text:
            self.statuses.append(text)

    async def read_line(self) -> str | None:
        return None

    def leave(self) -> bool:
        return False


def heard(display: VoiceDisplay, kind: str, **fields: Any) -> None:
    display.receive(read_frame({"type": kind, "audio_base64": "AAA=", **fields}))


async def test_partial_transcripts_replace_each_other_and_the_final_one_stays() -> None:
    paper = Paper()
    display = VoiceDisplay(paper)
    display.show_level(np.full(1600, 32767, "<i2").tobytes())
    heard(display, "transcription", text="今天", is_partial=True)
    heard(display, "transcription", text="今天天气", is_partial=True)
    display.show_level(bytes(3200), muted=True)
    heard(display, "transcription", text="今天天气不错", is_partial=False)
    display.close_meter()
    full = "● " + "▮" * 8
    assert paper.statuses == [full, f"{full} 今天", f"{full} 今天天气", "○ 等角色说完 今天天气", "○ 等角色说完", ""]
    assert paper.lines == ["你：今天天气不错"]


async def test_latency_is_shown_once_per_turn_with_what_is_known() -> None:
    paper = Paper()
    display = VoiceDisplay(paper)
    heard(display, "connected", extensions=["turns"])
    asked_at = anyio.current_time() - 0.4
    display.latency.start(asked_at)
    for kind in ("thinking", "audio_chunk", "audio_chunk", "response"):
        heard(display, kind)
    heard(display, "turn_end", timings_ms={"first_audio": 380})
    heard(display, "turn_end", timings_ms={"first_audio": 12})
    heard(display, "turn_end", timings_ms="soon")
    heard(display, "turn_end")
    first, second = paper.lines
    assert first.startswith("  （首音 4") and first.endswith(" 毫秒，服务器计 380 毫秒）")
    assert second == "  （服务器计 12 毫秒）"


async def test_without_turns_the_response_shows_it_and_an_error_forgets_it() -> None:
    paper = Paper()
    display = VoiceDisplay(paper)
    heard(display, "connected")
    display.latency.start()
    heard(display, "audio_chunk")
    heard(display, "response")
    display.latency.start()
    heard(display, "error", code="no_speech")
    heard(display, "audio_chunk")
    heard(display, "response")
    (line,) = paper.lines
    assert line.startswith("  （首音 ") and "服务器" not in line


def test_a_status_longer_than_the_line_shows_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert cut_to_width("short") == "short"
    assert cut_to_width("一二三四五六七八九") == "一二三四五六七八九"
    assert cut_to_width("一二三四五六七八九十") == "…二三四五六七八九十"
    assert cut_to_width("abc" * 9) == "…" + ("abc" * 9)[-18:]
