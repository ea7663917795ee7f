"""Pure: the first bytes of some audio in; which file format they are the beginning of, or None for raw samples, out.

Only what samples can hardly be counts as a sign: four bytes that are rare in sound, or a chain of several headers.
"""

import re
from collections.abc import Callable

SIGNS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a WAV file", re.compile(rb"RIFF....WAVE", re.DOTALL)),
    ("a big-endian WAV file", re.compile(rb"RIFX....WAVE", re.DOTALL)),
    ("an RF64 file", re.compile(rb"RF64....WAVE", re.DOTALL)),
    ("an AVI file", re.compile(rb"RIFF....AVI ", re.DOTALL)),
    ("a W64 file", re.compile(rb"riff\x2e\x91\xcf\x11")),
    ("an MP3 file", re.compile(rb"ID3[\x02-\x04][^\xff].[\x00-\x7f]{4}", re.DOTALL)),
    ("an Ogg file", re.compile(rb"OggS\x00[\x00-\x07]")),
    ("a FLAC file", re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")),
    ("a WebM file", re.compile(rb"\x1aE\xdf\xa3.{0,60}?webm|\x1fC\xb6u", re.DOTALL)),  # or a cluster in one
    ("a Matroska file", re.compile(rb"\x1aE\xdf\xa3")),
    ("an M4A file", re.compile(rb"\x00...ftypM4[ABP]", re.DOTALL)),
    ("an MP4 file", re.compile(rb"\x00...(ftyp|moof|styp)", re.DOTALL)),
    ("an AMR file", re.compile(rb"#!AMR")),
    ("an AIFF file", re.compile(rb"FORM....AIF[FC]", re.DOTALL)),
    ("a CAF file", re.compile(rb"caff\x00\x01")),
    ("a WMA file", re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11")),
    ("an AU file", re.compile(rb"\.snd\x00\x00")),
)


def name_of_format(data: bytes) -> str | None:
    """With its article, e.g. "an MP3 file"."""
    for name, sign in SIGNS:
        if sign.match(data):
            return name
    if _is_chain(data, _mp3_frame_bytes):
        return "an MP3 file"
    return "an AAC file" if _is_chain(data, _adts_frame_bytes) else None


# Streams without a header of the whole file ----------------------------------------------------------------------

FRAMES_IN_A_CHAIN = 3  # each of them says where the next begins: no sound does that by chance
MP3_KBIT_PER_S = {  # by version (3 = MPEG-1, the others are 2 and 2.5), layer III; ISO 11172-3 2.4.2.3, 13818-3
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
    0: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
MP3_RATE_HZ = {3: (44_100, 48_000, 32_000, 0), 2: (22_050, 24_000, 16_000, 0), 0: (11_025, 12_000, 8_000, 0)}


def _is_chain(data: bytes, frame_bytes: Callable[[bytes], int]) -> bool:
    at = 0
    for _ in range(FRAMES_IN_A_CHAIN):
        length = frame_bytes(data[at : at + 6]) if data[at : at + 2] == data[:2] else 0
        if length == 0:
            return False
        at += length
    return True


def _mp3_frame_bytes(header: bytes) -> int:
    """0 where it is no header of an MP3 frame."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version = header[1] >> 3 & 3
    kbit_per_s = MP3_KBIT_PER_S.get(version, (0,) * 16)[header[2] >> 4]
    rate_hz = MP3_RATE_HZ.get(version, (0,) * 4)[header[2] >> 2 & 3]
    if not kbit_per_s or not rate_hz:
        return 0
    return (144_000 if version == 3 else 72_000) * kbit_per_s // rate_hz + (header[2] >> 1 & 1)


def _adts_frame_bytes(header: bytes) -> int:
    """0 where it is no header of an AAC frame (ISO 13818-7 6.2)."""
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0
