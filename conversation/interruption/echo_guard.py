"""Sans-IO: the audio that was sent and the audio that is heard in; whether somebody else speaks in the latter, out.

What a microphone hears of our own voice is that voice, later, softer, coloured and drawn out by a room. Its waveform
can be predicted only by a long filter that is slow to learn; its loudness in some bands of pitch, every 16 ms, by one
delay and one gain for each band. What is louder than that in many bands is somebody else's, for two voices are seldom
loud in the same band at the same time. Acoustic echo suppressors judge so what a filter leaves over.

While nothing of ours can be heard it computes nothing.
"""

from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from services.base import RECOGNITION_RATE_HZ

Floats = npt.NDArray[np.floating[Any]]

HOP_MS = 16
WINDOW_MS = 32
HOP = RECOGNITION_RATE_HZ * HOP_MS // 1000
BANDS = 24
LOWEST_HZ, HIGHEST_HZ = 200.0, 7400.0
SILENT_DB = -30.0  # of one sample's unit: nothing at all

DELAYS = 40  # hops: the echo is late by less than that
WINDOW = 24  # hops that are compared when the delay is looked for
RECENT = 8  # hops that are judged
# A room goes on sounding. Of all rooms from 0.2 to 0.6 s this is near enough.
TAIL, TAIL_S = 0.3, 0.6
LEARNT = 6  # times that it was heard as our own: from then on delay and gains are known
LOOK_AGAIN = 6  # times, once the delay is known
ALIKE = 0.6  # correlation of what was sent and heard
THE_SAME, MOST_TURNED_UP_DB = 0.8, 12.0  # so much alike it is ours, be the loudspeaker louder than before
RANGE_DB = 25.0  # below its loudest, what was sent is not heard
FOREIGN_DB = (4.3, 6.3)  # louder than our own voice by so much, on average over the bands: not at all, certainly
NOISE_OVER_LEAST_DB, NOISE_RISES_DB = 2.0, 0.05  # of a few hops; with each hop
UNSURE_DB = 1.5  # so much louder must be who speaks before the room is known
UNHEARD, QUIET_DB = 50, 3.0  # so many frames: whoever speaks then may be softer by this
HARDLY = 0.1  # what a detector says of frames without speech: these are not looked into
TOGETHER = 3  # frames, for a call of numpy costs as much for three as for one
LONGEST_WAIT = 15  # frames: older ones are older than all hops that are compared
LEAST_STEP = 0.03  # with which a gain follows each hop
EVEN_HZ = 125  # rates of which a hop is so many whole samples
GAP_MS = 400.0  # without audio from the microphone: its clock begins anew


# What of each of some hops sounds on in each of those after it, and what of those before them.
_DECAY: Floats = 10 ** (-6 * HOP_MS / 1000 / TAIL_S * np.arange(65))
_TAILS: Floats = np.tril(_DECAY[np.abs(np.subtract.outer(np.arange(64), np.arange(64)))], -1)
_NOTHING: Floats = np.zeros(0, np.float32)


class EchoGuard:
    """One user: a loudspeaker, a microphone, one room. Times are milliseconds of any one clock."""

    def __init__(self) -> None:
        self._sent = _Sent()
        self._clock = _MicrophoneClock()
        self._heard: _Heard | None = None
        self._path = _Path()
        self._share = 0.0
        self._unheard = 0  # frames without speech while ours sounded, as with headphones

    def played(self, pcm: bytes, at_ms: float, rate_hz: int = RECOGNITION_RATE_HZ) -> None:
        """Audio of ours (s16le mono) begins to sound at the user's at about that time: never later than given.

        Pieces come in order. One that begins where the one before ends may be late by the jitter of its clock.
        """
        self._sent.add(pcm, at_ms, rate_hz)

    def stopped(self, at_ms: float) -> None:
        """What was to be played after that will not be."""
        self._sent.forget_after(at_ms)

    def heard(self, frame: bytes, at_ms: float, speech: float) -> float:
        """The probability that somebody else than we speaks in this frame, given that of any speech in it.

        A frame of the microphone (s16le mono, 16 kHz), heard about then; the next one must follow it.
        """
        until_ms = self._clock.count(at_ms, len(frame) // 2)
        hop = _last_hop(until_ms)
        if not self._sent.sounds_at(hop):
            self._heard = None
            return speech
        if self._heard is None:
            self._heard, self._share = _Heard(), 0.0
        self._heard.add(frame)
        if self._sent.has_sounded_for(hop, DELAYS):
            self._unheard = min(UNHEARD, max(0, self._unheard + (1 if speech <= HARDLY else -2)))
        if speech > HARDLY and self._heard.waiting >= TOGETHER:
            self._heard.measure()
            sent = self._sent.before(_last_hop(until_ms - self._heard.rest_ms), WINDOW + DELAYS)
            foreign_db = self._path.foreign_db(sent, self._heard)
            foreign_db += QUIET_DB * self._unheard / UNHEARD
            low, high = FOREIGN_DB
            self._share = min(1.0, max(0.0, (foreign_db - low) / (high - low)))
        return speech * self._share


class _MicrophoneClock:
    """Frames are counted; times only say where counting begins, and the earliest of them is nearest to the truth."""

    def __init__(self) -> None:
        self._counted_ms = 0.0
        self._offset_ms: float | None = None

    def count(self, at_ms: float, samples: int) -> float:
        """When a frame of so many samples ends."""
        offset = at_ms - self._counted_ms
        if self._offset_ms is None or offset > self._offset_ms + GAP_MS:
            self._offset_ms = offset
        self._offset_ms = min(self._offset_ms + 0.01, offset)
        self._counted_ms += 1000 * samples / RECOGNITION_RATE_HZ
        return self._offset_ms + self._counted_ms


def _last_hop(until_ms: float) -> int:
    """The number of the last whole one before that time."""
    return round((until_ms - WINDOW_MS) / HOP_MS)


class _Sent:
    """What was sent: its loudness in each band by the hop at which it sounds, in dB."""

    def __init__(self) -> None:
        self._first = 0  # hop of the first row
        self._rows: Floats = np.empty((0, BANDS))
        self._wave: Floats = _NOTHING  # no rows yet
        self._rate_hz = RECOGNITION_RATE_HZ
        self._ends_ms = 0.0
        self._since = 0  # the hop at which it began, after a silence
        self._pieces: list[bytes] = []
        self._tail: Floats = np.zeros(BANDS)

    def add(self, pcm: bytes, at_ms: float, rate_hz: int) -> None:
        if rate_hz % EVEN_HZ:  # 22,050: a sample in some hundreds is left out, so that a hop is whole
            pcm, rate_hz = _thinned(pcm, rate_hz), rate_hz - rate_hz % EVEN_HZ
        goes_on = abs(at_ms - self._ends_ms) <= WINDOW_MS and rate_hz == self._rate_hz
        if not (goes_on and self._sounding and self._end <= self._ends_ms / HOP_MS):
            self._begin(at_ms, rate_hz)
        self._pieces.append(pcm)
        self._ends_ms += 500 * len(pcm) / rate_hz

    @property
    def _sounding(self) -> bool:
        return bool(len(self._rows) or self._pieces)

    def _begin(self, at_ms: float, rate_hz: int) -> None:
        self._measure()
        at = int(at_ms // HOP_MS)
        if at > self._ends_ms / HOP_MS + DELAYS:
            self._since = at
        if not len(self._rows) or at - self._end > 2 * (WINDOW + DELAYS):
            self._first, self._rows, self._tail = at, np.empty((0, BANDS)), np.zeros(BANDS)
        self._fade_until(at)
        self._rows = self._rows[: at - self._first]
        self._wave = np.zeros(int((at_ms - at * HOP_MS) * rate_hz / 1000), np.float32)
        self._rate_hz, self._ends_ms = rate_hz, at_ms

    @property
    def _end(self) -> int:
        return self._first + len(self._rows)

    def _fade_until(self, hop: int) -> None:
        """What was sent is over: the room alone goes on."""
        if hop > self._end and len(self._wave):
            self._measure(np.zeros(self._rate_hz * WINDOW_MS // 1000))
            self._wave = _NOTHING
        if hop > self._end:
            self._append(np.zeros((hop - self._end, BANDS)))

    def forget_after(self, at_ms: float) -> None:
        self._measure()
        self._rows = self._rows[: max(0, int(at_ms // HOP_MS) - self._first)]
        self._wave, self._ends_ms = _NOTHING, at_ms

    def sounds_at(self, hop: int) -> bool:
        """Whether any of it may be heard in the hops that are looked at."""
        if not self._sounding:
            return False
        return self._first <= hop and hop - WINDOW - DELAYS < max(self._ends_ms / HOP_MS, self._first)

    def has_sounded_for(self, hop: int, hops: int) -> bool:
        """Whether it goes on since so long that it has been heard, where it can be."""
        return self._since + hops <= hop < self._ends_ms / HOP_MS

    def before(self, hop: int, count: int) -> Floats:
        """So many rows up to this hop."""
        if self._end <= hop:
            self._measure()
            self._fade_until(hop + 1)
        begin = hop + 1 - count
        if begin > self._first + 4 * count:
            self._rows, self._first = self._rows[begin - self._first :], begin
        rows = self._rows[max(0, begin - self._first) : max(0, hop + 1 - self._first)]
        before = min(count, max(0, self._first - begin))
        found = np.full((count, BANDS), SILENT_DB)
        found[before : before + len(rows)] = rows
        return found

    def _measure(self, silence: Floats = _NOTHING) -> None:
        """Rows of all whole hops; with silence behind it, of all."""
        new = np.frombuffer(b"".join(self._pieces), "<i2").astype(np.float32)
        self._pieces.clear()
        self._wave = np.concatenate((self._wave, new, silence))
        hop = self._rate_hz * HOP_MS // 1000
        power = _power(self._wave, self._rate_hz)
        self._wave = self._wave[len(power) * hop :]
        self._append(power)

    def _append(self, power: Floats) -> None:
        for begin in range(0, len(power), len(_TAILS)):
            dry = power[begin : begin + len(_TAILS)]
            tails = _TAILS[: len(dry), : len(dry)] @ dry + _DECAY[: len(dry), None] * self._tail
            self._tail = (tails[-1] + dry[-1]) * _DECAY[0]
            self._rows = np.concatenate((self._rows, _db(dry + TAIL * tails)))


class _Heard:
    """The last hops of the microphone, in dB, and its noise."""

    def __init__(self) -> None:
        self.rows: Floats = np.empty((0, BANDS))
        self.noise: Floats = np.empty(0)
        self.new = 0  # rows, at the last measurement
        self._wave = _NOTHING
        self._frames: deque[bytes] = deque(maxlen=LONGEST_WAIT)

    @property
    def waiting(self) -> int:
        """Frames that were not measured."""
        return len(self._frames)

    @property
    def rest_ms(self) -> float:
        """So much of the last frames is not yet a hop."""
        return 1000 * (len(self._wave) - HOP) / RECOGNITION_RATE_HZ

    def add(self, frame: bytes) -> None:
        self._frames.append(frame)

    def measure(self) -> None:
        new = np.frombuffer(b"".join(self._frames), "<i2")
        self._frames.clear()
        self._wave = np.concatenate((self._wave, new.astype(np.float32)))
        rows = _db(_power(self._wave, RECOGNITION_RATE_HZ))
        self._wave = self._wave[len(rows) * HOP :]
        self.new = len(rows)
        if not len(self.rows):
            self.noise = rows.min(axis=0)
            self.rows = np.tile(self.noise, (WINDOW, 1))
        lowest = rows.reshape(-1, BANDS).min(axis=0) + NOISE_OVER_LEAST_DB
        risen = self.noise + NOISE_RISES_DB * len(rows)
        self.noise = np.where(lowest < self.noise, (lowest + self.noise) / 2, np.minimum(risen, lowest))
        self.rows = np.concatenate((self.rows, rows))[-WINDOW:]


class _Path:
    """From the loudspeaker to the microphone: the delay in hops, a gain in dB for each band."""

    def __init__(self) -> None:
        self._evidence: Floats = np.zeros(DELAYS)  # for each delay
        self._delay = 0
        self._likeness = 0.0
        self._gains: Floats = np.zeros(BANDS)
        self._known: Floats = np.zeros(BANDS)  # hops that each gain was learnt from
        self._learnt = 0
        self._looked = 0

    def foreign_db(self, sent: Floats, heard: _Heard) -> float:
        """How much louder the last hops are than our own voice can be."""
        floor = heard.noise + 3.0
        rows = np.maximum(heard.rows, floor)
        if self._learnt < LEARNT or self._looked >= LOOK_AGAIN:
            self._looked = 0
            self._look_for_delay(sent, rows, floor)
        self._looked += 1
        foreign_db = self._louder_db(sent, heard, rows, self._delay, learn=self._likeness > ALIKE)
        if self._learnt < LEARNT:
            return foreign_db - UNSURE_DB
        if foreign_db > FOREIGN_DB[0]:  # unless the delay is another than before, or the volume
            self._looked = 0
            now, likeness = self._look_for_delay(sent, rows, floor)
            foreign_db = min(foreign_db, self._louder_db(sent, heard, rows, now, turned_up=likeness > THE_SAME))
        return foreign_db

    def _louder_db(
        self, sent: Floats, heard: _Heard, rows: Floats, delay: int, *, learn: bool = False, turned_up: bool = False
    ) -> float:
        floor = heard.noise + 3.0
        begin = DELAYS - delay
        own = sent[begin : begin + WINDOW]
        ratio = rows - own
        sounds = own > np.maximum(sent.max(axis=0), 10.0) - RANGE_DB
        sounds &= heard.rows > floor
        gains = self._gains if self._learnt >= LEARNT else _fitted(ratio, sounds)
        if turned_up and sounds.any():
            gains = gains + min(MOST_TURNED_UP_DB, max(0.0, float(np.median((ratio - gains)[sounds]))))
        expected = np.maximum(own[-RECENT:] + gains, floor)
        audible = heard.rows[-RECENT:] > floor + 3.0
        excess = np.clip(rows[-RECENT:] - expected, 0.0, 20.0)[audible]
        if learn:
            self._learn(ratio[-heard.new :], sounds[-heard.new :])
        return float(excess.sum()) / max(len(excess), 4 * BANDS // 3)

    def _look_for_delay(self, sent: Floats, rows: Floats, floor: Floats) -> tuple[int, float]:
        """That of this window alone, and how alike both are then; over time the evidence of all windows counts."""
        spread = np.maximum(rows.max(axis=0) - floor, 6.0)
        own = np.maximum(sent, sent.max(axis=0) - spread)
        windows = np.lib.stride_tricks.sliding_window_view(own, WINDOW, axis=0)[1:]
        own_moves = windows - windows.mean(axis=2, keepdims=True)
        moves = (rows - rows.mean(axis=0)).T
        power = float((moves**2).sum())
        like = np.einsum("dbt,bt->d", own_moves, moves)
        like /= np.sqrt(np.einsum("dbt,dbt->d", own_moves, own_moves) * power + 1e-9)
        like = like[::-1].clip(0.0)
        self._evidence = 0.97 * self._evidence + like**4 * min(1.0, power / moves.size / 20.0)
        self._delay = int(self._evidence.argmax())
        self._likeness = float(like[self._delay])
        return int(like.argmax()), float(like.max())

    def _learn(self, ratio: Floats, sounds: npt.NDArray[np.bool_]) -> None:
        sure = sounds.sum(axis=0)
        self._known += sure
        step = sure / np.maximum(self._known, 1.0)
        move = np.where(sounds, ratio - self._gains, 0.0).sum(axis=0) / np.maximum(sure, 1)
        if self._learnt >= LEARNT:
            step, move = np.maximum(step, LEAST_STEP * sure), move.clip(-8.0, 8.0)
        self._gains += step * move
        if sure.any():
            self._learnt += 1
            if self._learnt == LEARNT:
                seldom = self._known < 3
                self._gains[seldom] = np.median(self._gains[~seldom]) if (~seldom).any() else 0.0


def _fitted(ratio: Floats, sounds: npt.NDArray[np.bool_]) -> Floats:
    """Gains by this window alone."""
    counted = np.where(sounds, ratio, np.nan)
    known = sounds.sum(axis=0) >= 3
    if not known.any():
        return np.zeros(BANDS)
    gains = np.full(BANDS, np.nanmedian(counted))
    gains[known] = np.nanmedian(counted[:, known], axis=0)
    return gains


@dataclass(frozen=True, slots=True)
class _Bank:
    """Bands, and the window before them, at one rate."""

    window: Floats
    bands: Floats


@cache
def _bank(rate_hz: int) -> _Bank:
    window = np.hanning(rate_hz * WINDOW_MS // 1000).astype(np.float32)
    mel = np.linspace(np.log1p(LOWEST_HZ / 700), np.log1p(HIGHEST_HZ / 700), BANDS + 1)
    edges = 700 * np.expm1(mel)
    hz = np.fft.rfftfreq(len(window), 1 / rate_hz)
    inside = (hz[:, None] >= edges[:-1]) & (hz[:, None] < edges[1:])
    return _Bank(window, (inside / np.square(window).sum() / len(window)).astype(np.float32))


def _thinned(pcm: bytes, rate_hz: int) -> bytes:
    samples = np.frombuffer(pcm, "<i2")
    kept = round(len(samples) * (1 - rate_hz % EVEN_HZ / rate_hz))
    return samples[np.arange(kept) * len(samples) // max(kept, 1)].tobytes()


def _power(wave: Floats, rate_hz: int) -> Floats:
    """Of each whole hop, in each band."""
    bank, hop = _bank(rate_hz), rate_hz * HOP_MS // 1000
    blocks = wave[: len(wave) // hop * hop].reshape(-1, hop)
    if len(blocks) < 2:
        return np.empty((0, BANDS))
    windows = np.concatenate((blocks[:-1], blocks[1:]), axis=1)
    spectra = np.fft.rfft(windows * bank.window)
    power: Floats = (spectra.real**2 + spectra.imag**2) @ bank.bands
    return power


def _db(power: Floats) -> Floats:
    db: Floats = 10.0 * np.log10(power + 1e-3)
    return db
