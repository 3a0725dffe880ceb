"""Log lines, the same for every program."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from tocsin.telemetry import tracing
from tocsin.telemetry.logstream import LogStream

REPEAT_EVERY_S = 10.0
_LINES_MAX = 1_000
_NUMBERS = re.compile(r"[0-9]+")
_PLAIN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def configure_logging(program: str, log_format: Literal["console", "json"], level: str) -> None:
    """Send log lines to stderr, as text for people or as JSON for machines."""
    handler = LogStream(sys.stderr)
    handler.addFilter(_Sparing())
    handler.setFormatter(_Json(program) if log_format == "json" else _Console(program))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx", "httpx2", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _Sparing(logging.Filter):
    """Lets the same line through once in a while: a client that reconnects says the same thing many times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            line = _NUMBERS.sub("", f"{record.name} {record.getMessage()}")[:200]
        except Exception:
            return True  # the handler tells what is wrong with it
        if (
            record.levelno < logging.WARNING
            or record.created - self._said_at_s.get(line, 0.0) >= REPEAT_EVERY_S
        ):
            if len(self._said_at_s) > _LINES_MAX:
                self._said_at_s.clear()
            self._said_at_s[line] = record.created
            return True
        return False


class _Console(logging.Formatter):
    def __init__(self, program: str) -> None:
        super().__init__(f"%(asctime)s {program:<9} %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line; what somebody else wrote into it can neither end it nor move the cursor."""
        record.message = legible(record.message)
        at = tracing.current()
        return super().formatMessage(record) + (f" trace={at.trace_id}" if at is not None else "")


def legible(text: str) -> str:
    """Return a text with everything that is not printable as an escape."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class _Json(logging.Formatter):
    def __init__(self, program: str) -> None:
        super().__init__()
        self._program = program

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "program": self._program,
            "logger": record.name,
            "message": record.getMessage(),
        }
        at = tracing.current()
        if at is not None:
            line |= {"trace_id": at.trace_id, "span_id": at.span_id}
        line |= {key: value for key, value in vars(record).items() if key not in _PLAIN_FIELDS}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
