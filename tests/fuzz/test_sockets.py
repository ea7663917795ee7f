"""A small and always equal share of what `make fuzz` sends by sockets."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.fuzz.fuzzed_server import TOKENS, FuzzedServer, fuzzed_server
from tests.fuzz.sockets import Findings, fuzz
from tests.protocol_client import ProtocolClient

pytestmark = pytest.mark.slow

INPUTS = 2000


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """A server behind it, somebody who was there all the time, and what came of the inputs."""

    server: FuzzedServer
    friend: ProtocolClient
    before: tuple[int, ...]
    findings: Findings


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    with fuzzed_server(tmp_path_factory.mktemp("fuzzed")) as server:
        friend = ProtocolClient(server.process.url)
        friend.connect(api_token=TOKENS[0])
        before = server.count()
        yield Fuzzed(server, friend, before, asyncio.run(fuzz(server.process.port, TOKENS[1:], INPUTS)))
        friend.close()


def test_whatever_is_sent_is_answered_by_what_is_listed(fuzzed: Fuzzed) -> None:
    assert fuzzed.findings.wrong == {}
    assert fuzzed.findings.inputs.total() >= INPUTS and len(fuzzed.findings.inputs) == 3
    fuzzed.friend.ping()


def test_whoever_is_gone_leaves_no_task_and_no_descriptor(fuzzed: Fuzzed) -> None:
    fuzzed.server.wait_until_no_more_than(fuzzed.before)


def test_nothing_that_is_sent_is_a_defect_of_ours(fuzzed: Fuzzed) -> None:
    assert fuzzed.server.process.events("incident") == []


def test_whatever_is_sent_the_log_is_json(fuzzed: Fuzzed) -> None:
    assert [line for line in fuzzed.server.process.log if not line.startswith("{")] == []
