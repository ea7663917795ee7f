"""A connected user and their character in; every way in which they can say something, and the order of it, out."""

from dataclasses import dataclass

from conversation.character import Character
from conversation.interruption.echo_guard import EchoGuard
from server.auth import User
from server.backend import Backend
from server.protocol.extensions import Extensions
from server.session.client import Client
from server.session.early_llm import EarlyLLM
from server.session.floor import Floor
from server.session.modes.batch import BatchMode
from server.session.modes.speech_events import SpeechEvents
from server.session.modes.text import TextMode
from server.session.modes.utterances import Utterances
from server.session.modes.voice import VoiceModes
from server.session.requests import Requests
from server.session.turns import Turns
from server.session.user_history import UserHistory
from server.transport.connection import Connection


@dataclass(frozen=True, slots=True)
class Modes:
    """Of one session."""

    text: TextMode
    batch: BatchMode
    voice: VoiceModes
    turns: Turns


def build_modes(
    backend: Backend,
    connection: Connection,
    user: User,
    character: Character,
    extensions: Extensions,
    audio_rate_hz: int,
) -> tuple[Requests, Modes]:
    """Nothing of it runs before the session does."""
    floor = Floor(full_duplex="barge_in" in extensions)
    guarded = floor.full_duplex and backend.config.agent.echo_guard
    client = Client(connection.send, extensions, audio_rate_hz, echo=EchoGuard() if guarded else None)
    requests = Requests(backend, connection, client, user, floor)
    history = UserHistory(backend.history, user.token_hash, connection.send)
    turns = Turns(backend, client, history, character, floor, EarlyLLM(backend.llm))
    floor.turn = turns
    utterances = Utterances(backend, requests, turns)
    events = SpeechEvents(connection.send, extensions)
    return requests, Modes(
        TextMode(backend, requests, turns),
        BatchMode(backend, requests, turns, utterances),
        VoiceModes(backend, requests, utterances, events, floor),
        turns,
    )
