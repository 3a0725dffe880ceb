"""Log lines that never hold up the program: whoever reads them may be slow, or not there.

A pipe that nobody reads is full after 64 KiB, and the next write to it lasts for ever, in an event loop as well. So a
thread of its own writes; lines that it cannot take are dropped, and how many is said as soon as there is room again.
"""

from __future__ import annotations

import atexit
import logging
import queue
import threading
from typing import Final, TextIO

WAITING_MOST: Final = 10_000
"""Lines; some 2 MB."""
END_S: Final = 1.0
"""How long the end of the program waits for what is not written yet."""


class LogStream(logging.Handler):
    """Writes to a stream from a thread of its own.

    Args:
        stream: Where lines go.
        most: How many may wait.
    """

    def __init__(self, stream: TextIO, most: int = WAITING_MOST) -> None:
        super().__init__()
        self._stream = stream
        self._waiting: queue.Queue[str | None] = queue.Queue(most)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def emit(self, record: logging.LogRecord) -> None:
        """Put a line in the queue, or drop it."""
        try:
            line = self.format(record)
        except Exception as error:  # arguments that do not fit the text: no reason to end who logs
            line = f"{record.name}: a line that cannot be told, {record.msg!r}: {error!r}"
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits, for `END_S` at most."""
        try:
            self._waiting.put(None, timeout=END_S)
        except queue.Full:
            return  # nobody reads
        self._thread.join(END_S)
        super().close()

    def _run(self) -> None:
        while (line := self._waiting.get()) is not None:
            self._write(line)
            if self._dropped and self._waiting.qsize() < self._waiting.maxsize // 2:
                dropped, self._dropped = self._dropped, 0
                self._write(self.format(_told(dropped)))

    def _write(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._dropped += 1  # closed, or its disk is full: the program goes on without


def _told(dropped: int) -> logging.LogRecord:
    words = "%d log lines were dropped: nobody took them in time"
    return logging.LogRecord("tocsin", logging.WARNING, __file__, 0, words, (dropped,), None)
