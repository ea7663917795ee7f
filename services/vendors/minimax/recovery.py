"""A sentence's failures in, whether and when it is tried again out; all sentences of a turn share one patience."""

import math
from collections import Counter

import anyio
from tenacity import RetryCallState, wait_exponential_jitter, wait_random

from services.vendors.minimax.connection import Failed
from services.vendors.minimax.frames import Fault, Remedy

PATIENCE_S = 5.0  # all waiting and trying again for the voice of one turn

_RETRIES = {Remedy.AGAIN: 1, Remedy.AT_ONCE: 2, Remedy.WAIT: math.inf}


class Patience:
    """The seconds that one turn may spend on waiting and trying again, whichever of its sentences it is for."""

    def __init__(self, whole_s: float) -> None:
        self.busy_wait = wait_exponential_jitter(multiplier=whole_s / 10, max=whole_s * 0.4, jitter=whole_s / 10)
        self.broken_wait = wait_random(0, whole_s / 50)
        self._left_s = whole_s
        self._since = 0.0
        self._waiting = 0  # sentences

    @property
    def left_s(self) -> float:
        return self._left_s - (anyio.current_time() - self._since if self._waiting else 0.0)

    def begin(self) -> None:
        if not self._waiting:
            self._since = anyio.current_time()
        self._waiting += 1

    def end(self) -> None:
        self._left_s = self.left_s
        self._since = anyio.current_time()
        self._waiting -= 1


class Recovery:
    """Whether and when one sentence is tried again."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._failures: Counter[Remedy] = Counter()
        self.fault: Fault | None = None  # the last

    @property
    def left_s(self) -> float:
        """Without limit as long as nothing has failed."""
        return self._patience.left_s if self.fault else math.inf

    def allows(self, error: BaseException) -> bool:
        if not isinstance(error, Failed):
            return False
        if self.fault is None:
            self._patience.begin()
        self.fault = error.fault
        self._failures[self.fault.remedy] += 1
        return self._failures[self.fault.remedy] <= _RETRIES.get(self.fault.remedy, 0)

    def wait_s(self, state: RetryCallState) -> float:
        waits = {Remedy.WAIT: self._patience.busy_wait, Remedy.AGAIN: self._patience.broken_wait}
        return waits[self.fault.remedy](state) if self.fault and self.fault.remedy in waits else 0.0

    def is_hopeless(self, state: RetryCallState) -> bool:
        return state.upcoming_sleep >= self.left_s

    def settle(self) -> None:
        if self.fault is not None:
            self._patience.end()
