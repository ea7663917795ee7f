"""Transcripts of one utterance in; the messages that its user gets of them out."""

from typing import Protocol

from msgspec import UNSET

from server.protocol import wire
from server.session.client import Client
from server.session.request_queue import Place
from server.session.turn_delivery import NotTranscribed
from server.session.turn_messages import TurnId


class Telling:
    """Of an utterance that is recognised within its turn: everything."""

    def __init__(self, client: Client, turn_id: TurnId = UNSET) -> None:
        self._client = client
        self.turn_id = turn_id
        self._begun = False

    async def begin(self) -> None:
        """It goes to the ASR."""
        await self._start()

    async def partial(self, text: str) -> None:
        """So much was understood until now."""
        await self._start()
        await self._client.send(wire.Transcription(text, True, self.turn_id))

    async def final(self, text: str) -> None:
        """This was said.

        Raises:
            NotTranscribed: but not to the character.
        """
        await self._start()
        await self._client.send(wire.Transcription(text, False, self.turn_id))
        if "stages" in self._client.extensions:
            await self._client.send(wire.AsrEnd(text, self.turn_id))

    async def _start(self) -> None:
        if "stages" in self._client.extensions and not self._begun:
            await self._client.send(wire.AsrStart(self.turn_id))
        self._begun = True


class OverReply(Protocol):
    """Whether what is said while a reply is spoken is said to the character: interruptions.py."""

    @property
    def pending(self) -> bool:
        """Nobody knows yet."""
        ...

    async def recognises(self, text: str, *, final: bool) -> bool:
        """This is what the ASR makes of it so far, or in the end. Whether it is."""
        ...


class TellingInOrder(Telling):
    """Of one that is recognised while a turn may still run: nothing before its place, or that is not for the user."""

    def __init__(self, client: Client, over: OverReply, place: Place) -> None:
        super().__init__(client)
        self._over = over
        self._place = place

    async def begin(self) -> None:
        if not self._over.pending:
            await self._start()

    async def partial(self, text: str) -> None:
        if await self._over.recognises(text, final=False) and self._place.is_reached:
            await super().partial(text)

    async def final(self, text: str) -> None:
        if not (await self._over.recognises(text, final=True) and await self._place.reached()):
            raise NotTranscribed(None)
        await super().final(text)
