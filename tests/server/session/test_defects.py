"""A defect of ours in one request, and another request behind it: each ends as it should, in its order.

The server is a real one; into one function of it, named here, a defect is put that raises once.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.protocol_client import ProtocolClient, kinds
from tests.server.voice import b64, base_kinds, errors, framed, words
from tests.simulated_cloud import CloudServer, Simulators, simulators
from tests.simulators.ark import Behaviour
from tests.speech import chunks, silence

pytestmark = pytest.mark.slow

PROGRAM = """
import importlib, sys
module, _, place = sys.argv[1].rpartition(":")
owner, name = importlib.import_module(module), place
if "." in place:
    kind, _, name = place.partition(".")
    owner = getattr(owner, kind)
real, defects = getattr(owner, name), iter(["the canary of this test"])

async def defective(*given, **named):
    result = {work}
    for defect in defects:
        raise ZeroDivisionError(defect)
    return result

setattr(owner, name, defective)
from server.main import main
sys.exit(main())
"""
TRANSCRIBE = "server.session.modes.utterances:transcribe"
BEFORE_IT_IS_TRANSCRIBED = "server.session.modes.utterances:Utterances.transcribe"
KEEP = "server.session.user_history:UserHistory.keep"
Serve = Callable[..., AbstractContextManager[CloudServer]]


@pytest.fixture(scope="module")
def vendors() -> Iterator[Simulators]:
    with simulators() as vendors:
        yield vendors


@pytest.fixture
def serve(vendors: Simulators, tmp_path: Path) -> Serve:
    """A server with a defect in one place, after its work or instead of it."""

    @contextmanager
    def defective(place: str, *, instead: bool = False, **environment: str) -> Iterator[CloudServer]:
        vendors.reset()
        program = PROGRAM.replace("{work}", "None" if instead else "await real(*given, **named)")
        server = CloudServer(vendors, tmp_path, sys.executable, "-c", program, place, **environment)
        try:
            yield server
        finally:
            server.process.kill()

    return defective


def speak(client: ProtocolClient, pcm: bytes, kind: str = "agent_audio_chunk") -> None:
    for chunk in chunks(pcm):
        client.send(kind, audio_base64=b64(chunk))


@pytest.mark.parametrize("place", [TRANSCRIBE, KEEP])
def test_a_defect_is_told_before_the_next_request_begins_and_its_turn_is_announced_after(
    serve: Serve, place: str
) -> None:
    with serve(place) as server:
        client = server.client()
        client.send("agent_mode_start")
        client.until("agent_listening")
        speak(client, silence(0.5) + words())
        client.send("message", content="你好")
        speak(client, silence(1.0))
        told = client.until("error")
        assert errors(told) == ["internal"]
        after = client.until("response")
        after += client.until("agent_listening")
        listening = ["agent_listening"] if place is KEEP else []  # the other was announced before the error
        assert kinds(after) == [*listening, "thinking", "audio_chunk", "audio_end", "response", "agent_listening"]
        assert ("agent_listening" in kinds(told)) == (place is TRANSCRIBE)
        client.close()


def test_speech_into_a_reply_is_dropped_also_behind_a_defect(serve: Serve, vendors: Simulators) -> None:
    """Half duplex: nothing that happens to one request lets the microphone hear the loudspeaker of the next."""
    with serve(TRANSCRIBE) as server:
        vendors.answer(then=Behaviour(first_token_s=2.0))
        client = server.client()
        client.send("agent_mode_start")
        client.until("agent_listening")
        speak(client, silence(0.5) + words())
        client.send("message", content="你好")
        speak(client, silence(1.0))
        client.until("thinking")
        speak(client, framed(words()))
        assert base_kinds(client.until("agent_listening"))[-2:] == ["response", "agent_listening"]
        client.ping()
        assert len(vendors.ark.requests) == 1
        client.close()


def test_a_defect_at_the_end_of_a_turn_is_told_before_a_draining_server_says_goodbye(serve: Serve) -> None:
    with serve(KEEP) as server:
        client = server.client()
        client.send("audio_stream_start")
        speak(client, words(), "audio_stream_chunk")
        client.send("audio_stream_end")
        client.until("thinking")
        server.process.signal(signal.SIGTERM)
        code, told = client.closed()
        assert [message["type"] for message in told[-3:]] == ["audio_end", "error", "disconnected"]
        assert errors(told) == ["internal"] and code == 4001


def test_a_user_who_waits_for_room_goes_on_where_the_utterance_never_came_to_the_recogniser(serve: Serve) -> None:
    one_second = {"CHATANON_LIMITS__BUFFERED_AUDIO_SECONDS": "1", "CHATANON_LIMITS__AUDIO_CHUNKS_PER_SECOND": "0"}
    with serve(BEFORE_IT_IS_TRANSCRIBED, instead=True, **one_second) as server:
        client = server.client()
        client.send("audio_stream_start")
        for _ in range(4):
            client.send("audio_stream_chunk", audio_base64=b64(bytes(65536)))
        assert "internal" in errors(client.until("error"))
        client.send("ping")
        client.until("pong")
        client.close()


def test_a_stream_that_waits_for_room_at_its_end_is_forgotten_by_a_draining_server(
    serve: Serve, vendors: Simulators
) -> None:
    """It is not whole yet, though its end was sent: what the resampler held back does not fit into the buffer."""
    limits = {"CHATANON_LIMITS__BUFFERED_AUDIO_SECONDS": "1", "CHATANON_AUDIO__ASR_SAMPLE_RATE": "48000"}
    with serve("server.session.user_history:UserHistory.show", **limits) as server:
        vendors.answer(then=Behaviour(first_token_s=2.0))
        client = server.client()
        client.send("message", content="你好")
        client.until("thinking")
        client.send("audio_stream_start")
        for size in (65536, 96100 - 65536):  # a second of it and 1 ms more
            client.send("audio_stream_chunk", audio_base64=b64(bytes(size)))
        client.send("audio_stream_end")
        client.send("ping")  # is not read before there is room, or nobody wants the stream any more
        server.process.signal(signal.SIGTERM)
        assert kinds(client.until("pong", "response"))[-1] == "pong"
        code, told = client.closed()
        assert code == 4001 and "audio_stream_started" not in kinds(told)
        assert kinds(told)[-2:] == ["response", "disconnected"] and len(vendors.ark.requests) == 1
