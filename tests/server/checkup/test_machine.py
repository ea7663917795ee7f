"""What this machine has, as the doctor sees it."""

import socket
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from msgspec.structs import replace

from server.checkup import machine
from server.checkup.findings import found
from server.config import Config, LimitsConfig, ServerConfig
from tests.running_server import RunningServer


def _at(port: int, host: str = "127.0.0.1") -> Config:
    return Config(server=ServerConfig(host=host, port=port))


@pytest.mark.slow
def test_port_of_a_server_of_ours(server: RunningServer) -> None:
    finding = machine.look_at_port(_at(server.port))
    assert finding == found("good", "doctor_port_ours", port=server.port, status='{"status":"ready"}')


def test_port_of_another_program() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = other.getsockname()[1]

        def hang_up() -> None:
            other.accept()[0].close()

        thread = Thread(target=hang_up)
        thread.start()
        assert machine.look_at_port(_at(taken)) == found("bad", "doctor_port_taken", port=taken)
        thread.join()


def test_host_that_is_not_this_machine() -> None:
    finding = machine.look_at_port(_at(8765, host="192.0.2.1"))
    assert finding.level == "bad"
    assert "192.0.2.1" in finding.sentence


def test_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = tmp_path / "not" / "yet" / "history.db"
    assert str(tmp_path) in machine.look_at_disk(history).sentence
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 1 << 62)
    assert machine.look_at_disk(history).level == "doubt"


def test_more_connections_than_descriptors() -> None:
    few = Config(limits=replace(LimitsConfig(), connections=10))
    assert [finding.level for finding in machine.look_at_descriptors(few)] == ["good"]
    many = Config(limits=replace(LimitsConfig(), connections=1_000_000_000))
    (finding,) = machine.look_at_descriptors(many)
    assert finding.level == "doubt"
    assert "1000000100" in finding.sentence
