"""Pure: the first bytes of some audio in; which file format they are the beginning of, or None for raw samples, out.

Only what samples can hardly be counts as a sign: four bytes that are rare in sound, or a chain of several headers.
"""

import re
import struct

SIGNS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("a WAV file", re.compile(rb"(RIFF|RIFX|RF64)....WAVE", re.DOTALL)),
    ("an AVI file", re.compile(rb"RIFF....AVI ", re.DOTALL)),
    ("a WAV file of Sony's W64 kind", re.compile(rb"riff\x2e\x91\xcf\x11")),
    ("an MP3 file", re.compile(rb"ID3[\x02-\x04][^\xff].[\x00-\x7f]{4}", re.DOTALL)),
    ("an Ogg file", re.compile(rb"OggS\x00[\x00-\x07]")),
    ("a FLAC file", re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")),
    ("a WebM file", re.compile(rb"\x1aE\xdf\xa3.{0,60}?webm|\x1fC\xb6u", re.DOTALL)),  # or a cluster in one
    ("a Matroska file", re.compile(rb"\x1aE\xdf\xa3")),
    ("an M4A file", re.compile(rb"\x00..\xffftypM4[ABP]|\x00...ftypM4[ABP]", re.DOTALL)),
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
