"""A server that has too much to do says so to whoever comes or begins something; what it has begun, it ends as ever."""

from collections.abc import Iterator

import pytest

from tests.protocol_client import ProtocolClient, Wire, kinds
from tests.server.voice import AGENT, REPLY_KINDS, STREAM, Guest, b64, base_kinds, cloud_server, framed, words
from tests.simulated_cloud import CloudServer, until
from tests.speech import chunks

pytestmark = pytest.mark.slow

SPOKEN = chunks(words("zh"), 100)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    """One user who does something is more than it bears: whatever is computed is too much, on time or not."""
    with cloud_server(
        tmp_path_factory.mktemp("overloaded"),
        CHATANON_LIMITS__BUSY_CPU_PERCENT="0.0001",
        CHATANON_LIMITS__BUSY_LAG_MS="0",
        CHATANON_LIMITS__BUSY_TURNS="1",
    ) as server:
        yield server


def wait_until(cloud: CloudServer, status: str) -> None:
    until(lambda: cloud.process.get("/ready")[:2] == (200, {"status": status}), f"it is {status}")


def check_refused(error: Wire, code: str) -> None:
    assert (error["type"], error["code"], error["retryable"]) == ("error", code, True)
    assert error["retry_after_ms"] > 0


def speak(client: ProtocolClient) -> None:
    for piece in chunks(framed(words("zh")), 100):
        client.send("agent_audio_chunk", audio_base64=b64(piece))


def test_what_runs_goes_on_while_all_else_is_refused_until_there_is_room_again(cloud: CloudServer) -> None:
    cloud.vendors.reset()
    wait_until(cloud, "ready")  # it was warmed up
    guest, other = Guest(cloud, "turns"), cloud.client()
    busy, busy_no_more = (len(cloud.process.events(name)) for name in ("busy", "busy_no_more"))
    guest.client.send("audio_stream_start")
    guest.push(SPOKEN[:2])
    wait_until(cloud, "busy")

    code, said = ProtocolClient(cloud.process.url).closed()
    check_refused(said[-1], "server_busy")
    assert (code, len(said)) == (4010, 1)

    check_refused(other.turn("你好")[-1], "busy")
    other.send("audio_message", audio_base64=b64(b"".join(SPOKEN)))
    check_refused(other.receive(), "busy")
    other.send("audio_stream_start")
    check_refused(other.receive(), "busy")
    other.send("agent_mode_start")
    assert other.receive()["type"] == "agent_listening"
    speak(other)
    check_refused(other.receive(), "busy")

    guest.push(SPOKEN[2:])
    guest.client.send("audio_stream_end")
    assert base_kinds(guest.client.until("turn_end")) == STREAM
    assert [said for role, said, _ in guest.kept()].count("你好") == 0 and len(guest.kept()) == 2

    speak(other)
    assert kinds(other.until("agent_listening")) == AGENT
    wait_until(cloud, "ready")
    assert kinds(cloud.client().turn("你好")) == REPLY_KINDS
    cloud.process.wait_for("busy_no_more", busy_no_more + 1)
    assert len(cloud.process.events("busy")) - busy <= 3, "once for each time, and not for each refusal"
