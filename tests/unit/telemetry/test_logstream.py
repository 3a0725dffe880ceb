"""A program goes on, whatever becomes of its log lines."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from typing import TextIO, cast

import pytest

from tocsin.telemetry.logs import _Sparing
from tocsin.telemetry.logstream import LogStream

PIPE_BYTES = 65_536
LINE = "x" * 200


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """The two ends of a pipe: who reads, who writes."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as reader, os.fdopen(writing, "w") as writer:
        yield cast(TextIO, reader), cast(TextIO, writer)


def logger_of(stream: LogStream) -> logging.Logger:
    logger = logging.Logger("test")
    logger.addHandler(stream)
    return logger


def test_line_that_cannot_be_told_hurts_nobody_who_logs_it(pipe: tuple[TextIO, TextIO]) -> None:
    reader, writer = pipe
    stream = LogStream(writer)
    stream.addFilter(_Sparing())
    logger = logger_of(stream)
    logger.warning("%d lines", "no number")
    logger.warning("the next")
    stream.close()
    writer.close()
    told, after = reader.read().splitlines()
    assert "'%d lines'" in told
    assert after == "the next"


def test_lines_arrive_in_order(pipe: tuple[TextIO, TextIO]) -> None:
    reader, writer = pipe
    stream = LogStream(writer)
    logger = logger_of(stream)
    for number in range(100):
        logger.info("line %d", number)
    stream.close()
    writer.close()
    assert reader.read().splitlines() == [f"line {number}" for number in range(100)]


def test_logging_goes_on_though_nobody_reads_and_what_was_dropped_is_counted(
    pipe: tuple[TextIO, TextIO],
) -> None:
    reader, writer = pipe
    stream = LogStream(writer, most=100)
    logger = logger_of(stream)
    count = 3 * PIPE_BYTES // len(LINE)

    def log(lines: int = count) -> None:
        for _ in range(lines):
            logger.info(LINE)

    logging_thread = threading.Thread(target=log, daemon=True)
    logging_thread.start()
    logging_thread.join(5.0)
    assert not logging_thread.is_alive(), "a full pipe holds the program up"
    seen: list[str] = []
    collecting = threading.Thread(target=lambda: seen.extend(reader), daemon=True)
    collecting.start()
    while not any("were dropped" in line for line in list(seen)):
        logger.info(LINE)
        count += 1
        threading.Event().wait(0.01)
    stream.close()
    writer.close()
    collecting.join(5.0)
    written = sum(line.strip() == LINE for line in seen)
    dropped = sum(int(line.split()[0]) for line in seen if "were dropped" in line)
    assert written + dropped == count


def test_stream_that_cannot_be_written_to_does_no_harm() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    writer = cast(TextIO, os.fdopen(writing, "w"))
    stream = LogStream(writer)
    logger_of(stream).info("to nobody")
    stream.close()
    with pytest.raises(BrokenPipeError):
        writer.close()
