"""One utterance while it is sent and heard at once; what has become of it, and what the operator is told of that."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import anyio
from structlog.typing import FilteringBoundLogger

from services.base import ASRError, Transcript

Heard = TypeVar("Heard")


class Outcome:
    """What has become of one utterance, for whoever waits for it."""

    def __init__(self) -> None:
        self._news: Transcript | None = None  # a partial one that nobody took is of no use beside the next
        self._last: Transcript | None = None
        self._failed: ASRError | None = None
        self._changed = anyio.Event()

    def tell(self, transcript: Transcript) -> None:
        if transcript != self._last:
            self._news = self._last = transcript
            self._changed.set()

    def fail(self, failed: ASRError) -> None:
        self._failed = failed
        self._changed.set()

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        while True:
            while self._news is None and self._failed is None:
                self._changed = anyio.Event()
                await self._changed.wait()
            news, self._news = self._news, None
            if news is None:
                assert self._failed is not None
                raise self._failed
            yield news
            if news.is_final:
                return


async def send_and_hear(
    send: Callable[[anyio.CancelScope], Coroutine[Any, Any, None]],
    hear: Callable[[anyio.CancelScope], Awaitable[Heard]],
) -> Heard | None:
    """What `hear` gives while `send` is at work, which ends with it and never fails. Both are given what they may set a
    deadline to; None: it has passed.

    Raises:
        ASRError: that of `hear`.
    """
    heard: Heard | None = None
    failed: ASRError | None = None
    with anyio.CancelScope() as waiting:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send, waiting)
            try:
                heard = await hear(waiting)
            except ASRError as error:
                failed = error
            tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return heard


class Reports:
    """What only the operator can mend is an error, said once; anything else a warning each time."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._said: set[int | str] = set()

    def tell(self, code: int | str, why: str, advice: str, **more: str) -> None:
        """`why`: as the person is told; `advice`: "" where there is nothing that the operator could do."""
        if not advice:
            self._log.warning("hearing_failed", code=code, why=why, **more)
        elif code not in self._said:
            self._said.add(code)
            self._log.error("hearing_refused", code=code, advice=advice, **more)
