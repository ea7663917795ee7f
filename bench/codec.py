"""Microseconds for each message that a talk consists of, in and out.

python -m bench.codec
"""

import argparse
import base64
import timeit
from collections.abc import Callable

from bench.loads import talk
from bench.loads.machine import settings_of_run
from bench.loads.table import table
from server.protocol import codec, wire

ROUNDS = 5  # of which the fastest counts


def cases() -> dict[str, Callable[[], object]]:
    pcm = talk.voice_of(talk.SENTENCES[1].jp)
    heard, said = pcm[: talk.CHUNK_MS * talk.BYTES_PER_MS], pcm[: 80 * talk.BYTES_PER_MS]
    chunk = '{"type":"agent_audio_chunk","audio_base64":"' + base64.b64encode(heard).decode() + '"}'
    binary = b"\x01" + bytes(7) + heard
    audio, audio_frame = wire.AudioChunk(said), wire.AudioFrame(said, 1, 1)
    partial = wire.Transcription(talk.WORDS, True)
    response = wire.Response(talk.SENTENCES[0].cn, talk.SENTENCES[0].jp, talk.EMOTION)
    return {
        "in: 100 ms of a microphone, base64": lambda: codec.decode(chunk),
        "in: 100 ms of a microphone, binary": lambda: codec.decode_audio(binary),
        "in: a message": lambda: codec.decode('{"type":"message","content":"你好"}'),
        "in: a ping": lambda: codec.decode('{"type":"ping"}'),
        "out: 80 ms of a voice, base64": lambda: codec.encode(audio),
        "out: 80 ms of a voice, binary": lambda: codec.encode_audio(audio_frame),
        "out: a transcription": lambda: codec.encode(partial),
        "out: a response": lambda: codec.encode(response),
    }


def us_of(call: Callable[[], object], times: int) -> float:
    return min(timeit.repeat(call, number=times, repeat=ROUNDS)) * 1e6 / times


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20_000)
    parser.add_argument("--quick", action="store_true", help="a thousand times")
    arguments = parser.parse_args()
    times = 1000 if arguments.quick else arguments.times
    print(settings_of_run(times=times), flush=True)
    print(table([{"message": name, "us": us_of(call, times)} for name, call in cases().items()]))


if __name__ == "__main__":
    main()
