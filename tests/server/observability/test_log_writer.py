"""Lines are written in order, and a stream that takes nothing stops nobody."""

import io
import os

from server.observability.log_writer import LogWriter


def test_lines_come_out_in_order() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream)
    for number in range(1000):
        writer.write(str(number))
    assert writer.flush(10)
    assert stream.getvalue() == "".join(f"{number}\n" for number in range(1000))


def test_stream_that_nobody_reads_holds_nobody_up_and_what_was_dropped_is_counted() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading) as reader:
        writer = LogWriter(stream, max_waiting=10)
        count = 0
        while writer.flush(0.05):  # until the pipe is full
            writer.write("x" * 1000)
            count += 1
        for _ in range(100):  # returns all the same
            writer.write("x" * 1000)
        lines: list[str] = []
        while not lines or "dropped" not in lines[-1]:
            lines.append(reader.readline())
        assert lines[0] == "x" * 1000 + "\n"
        assert int("".join(filter(str.isdigit, lines[-1]))) + len(lines) - 1 <= count + 100
        while not writer.flush(0.01):
            reader.readline()


def test_stream_that_is_closed_is_no_error() -> None:
    stream = io.StringIO()
    stream.close()
    writer = LogWriter(stream)
    writer.write("into the void")
    writer.flush(0.1)
    writer.write("again")
