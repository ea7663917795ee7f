"""Speech to the embedded engines, without a key: the demo's phrases are understood, and what is not is said openly."""

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest

from services.base import RECOGNITION_RATE_HZ
from tests import speech
from tests.protocol_client import ProtocolClient, Wire, audio, kinds
from tests.running_server import RunningServer

pytestmark = pytest.mark.slow

Talk = Callable[..., ProtocolClient]
CHUNK_S = 0.04
LONGEST = 250  # chunks: more than a reply of the demo takes
CHUNK = round(CHUNK_S * RECOGNITION_RATE_HZ)
SAID = [("zh", "你叫什么名字"), ("zh", "明天见"), ("en", "what is your name"), ("en", "good morning")]


def base64_of(pcm: bytes) -> str:
    return base64.b64encode(pcm).decode()


def in_a_room(words: bytes) -> bytes:
    """With half a second of a quiet room before it and one and a half after it."""
    pcm = speech.silence(0.5) + words + speech.silence(1.5)
    return speech.mix(pcm, speech.noise(speech.seconds_of(pcm), -65.0))


@pytest.mark.parametrize(("language", "phrase"), SAID)
def test_phrase_of_the_demo_is_understood_and_answered(talk: Talk, language: str, phrase: str) -> None:
    client = talk()
    client.send("audio_message", audio_base64=base64_of(in_a_room(speech.say(phrase, language))))
    messages = client.until("response", "error")
    assert kinds(messages) == ["thinking", "transcription", "audio_chunk", "audio_end", "response"]
    assert messages[1] == {"type": "transcription", "text": phrase, "is_partial": False}
    assert audio(messages)


def test_hands_free_talk_understands_one_phrase_after_the_other(talk: Talk) -> None:
    client = talk()
    client.send("agent_mode_start")
    assert client.receive()["type"] == "agent_listening"
    for language, phrase in SAID[:3]:
        for chunk in speech.chunks(in_a_room(speech.say(phrase, language))):
            client.send("agent_audio_chunk", audio_base64=base64_of(chunk))
        messages = client.until("agent_listening", "error")
        heard = ["transcription", "thinking", "audio_chunk", "audio_end", "response", "agent_listening"]
        assert kinds(messages) == heard, messages[-1]
        assert messages[0]["text"] == phrase


def test_a_reply_of_the_demo_is_interrupted_by_speech_which_is_then_answered(talk: Talk) -> None:
    client = talk(extensions=["barge_in"])
    client.send("agent_mode_start")
    client.receive()

    def speak(phrase: str) -> None:
        for chunk in speech.chunks(in_a_room(speech.say(phrase, "zh"))):
            client.send("agent_audio_chunk", audio_base64=base64_of(chunk))

    speak("你叫什么名字")
    client.until("audio_chunk")
    speak("明天见")
    messages = client.until("agent_listening", "error")
    heard = [
        "interrupted",
        "audio_end",
        "response",
        "transcription",
        "thinking",
        "audio_chunk",
        "audio_end",
        "response",
    ]
    told = kinds(messages)
    assert told[told.index("interrupted") :] == [*heard, "agent_listening"]
    assert "明天见" in [message.get("text") for message in messages]


def test_a_reply_that_comes_back_from_the_loudspeaker_does_not_interrupt_itself(talk: Talk) -> None:
    """A client that plays each piece as it comes, in a room where its microphone hears that."""
    client = talk(extensions=["barge_in", "turns"])
    client.send("agent_mode_start")
    client.receive()
    client.send("message", content="你好")
    messages: list[Wire] = []
    room = Room()
    began = time.monotonic()
    for number in range(1, LONGEST):
        with suppress(TimeoutError):
            while True:  # until the microphone's next piece is due
                due_s = began + number * CHUNK_S - time.monotonic()
                messages.append(json.loads(client.socket.recv(timeout=max(0.0, due_s))))
                room.played += audio(messages[-1:])
        if messages and messages[-1]["type"] == "agent_listening":
            break
        client.send("agent_audio_chunk", audio_base64=base64_of(room.hear()))
    assert "interrupted" not in kinds(messages) and "transcription" not in kinds(messages)
    assert next(message for message in messages if message["type"] == "turn_end")["status"] == "completed"


class Room:
    """What a loudspeaker plays in; what of it comes back, later, softer and drawn out by the walls, out."""

    def __init__(self) -> None:
        self.played = b""
        times = np.arange(CHUNK * 4)
        walls = np.random.default_rng(1).standard_normal(len(times)) * 10 ** (-3 * times / len(times))
        self._walls = np.concatenate([np.zeros(CHUNK), 0.3 * walls / np.linalg.norm(walls)])
        self._sound = np.zeros(len(self._walls) + CHUNK)

    def hear(self) -> bytes:
        """The next CHUNK samples."""
        played, self.played = self.played[: 2 * CHUNK].ljust(2 * CHUNK, b"\0"), self.played[2 * CHUNK :]
        echo = np.convolve(np.frombuffer(played, "<i2"), self._walls)
        self._sound[: len(echo)] += echo
        heard, self._sound = self._sound[:CHUNK], np.concatenate([self._sound[CHUNK:], np.zeros(CHUNK)])
        return heard.astype("<i2").tobytes()


def test_suggested_phrases_are_understood(server: RunningServer, talk: Talk) -> None:
    suggested = {item["name"]: item["suggestions"] for item in server.get("/characters")[1]["characters"]}
    client = talk(character_name="anon")
    for phrase in suggested["anon"]:
        client.send("audio_message", audio_base64=base64_of(in_a_room(speech.say(phrase, "zh"))))
        messages = client.until("response", "error")
        assert messages[1].get("text") == phrase


def test_what_is_no_phrase_of_the_demo_is_answered_with_what_would_be(talk: Talk) -> None:
    client = talk()
    unknown = speech.say("请问下个季度的财务报表什么时候可以提交给董事会", "zh")
    client.send("audio_message", audio_base64=base64_of(in_a_room(unknown)))
    thinking, error = client.until("response", "error")
    assert (thinking["type"], error["type"], error["code"]) == ("thinking", "error", "no_speech")
    assert "only the phrases of the demo" in error["message"] and "明天见" in error["message"]
    client.ping()


def test_hands_free_talk_says_once_that_it_knows_few_phrases_and_listens_on(talk: Talk) -> None:
    client = talk()
    client.send("agent_mode_start")
    client.receive()
    unknown = in_a_room(speech.say("请问下个季度的财务报表什么时候可以提交给董事会", "zh"))
    for chunk in speech.chunks(unknown):
        client.send("agent_audio_chunk", audio_base64=base64_of(chunk))
    error = client.receive()
    assert error["code"] == "no_speech" and "only the phrases of the demo" in error["message"]
    for chunk in speech.chunks(unknown + in_a_room(speech.say("明天见", "zh"))):
        client.send("agent_audio_chunk", audio_base64=base64_of(chunk))
    assert client.receive() == {"type": "transcription", "text": "明天见", "is_partial": False}
    client.until("agent_listening")


def test_silence_and_noise_are_no_speech(talk: Talk) -> None:
    client = talk()
    for pcm in (speech.silence(2), speech.noise(2, -40.0), speech.melody(2, -30.0)):
        client.send("audio_message", audio_base64=base64_of(pcm))
        assert client.until("response", "error")[-1]["code"] == "no_speech"
