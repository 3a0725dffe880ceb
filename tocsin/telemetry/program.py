"""The telemetry of one program: what it counts, whether it is ready, and where it tells so.

A program that nobody asks, because neither `TOCSIN_PROBES` nor an OTLP endpoint is set, counts all the same, which
costs next to nothing, and imports nothing of the SDK.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import orjson

from tocsin.telemetry import exporting, exposition, metrics
from tocsin.telemetry.meter import Meter
from tocsin.telemetry.pulse import Movement, Pulse
from tocsin.telemetry.readiness import Standing, faults
from tocsin.telemetry.tracing import Tracer

ROUND_S: Final = 0.25
"""Every loop comes round in less than this when it has nothing to do, and in a little more when it has much."""
_JSON: Final = "application/json"
_STATM: Final = Path("/proc/self/statm")

_log = logging.getLogger("tocsin.telemetry")

Answer = tuple[int, str, bytes]
"""As of `probes`, which is not imported where nobody asks."""


class Writes(Protocol):
    """What is known of writes: `Writer` has it."""

    @property
    def outstanding(self) -> int: ...

    @property
    def ended(self) -> int: ...


class Member(Protocol):
    """What is known of a member of a group: `Reader` has it, and others."""

    @property
    def joined(self) -> bool: ...

    @property
    def leads(self) -> bool: ...


class Reads(Member, Protocol):
    """What is known of what a member reads: `Reader` has it."""

    @property
    def parts(self) -> Sequence[object]: ...

    def unfinished(self) -> int: ...

    def fills(self) -> Mapping[str, float]: ...


class Telemetry:
    """What a program tells of itself.

    Args:
        program: Its name.
        tracer: Where its spans begin.
        clock_s: The monotonic clock.

    Attributes:
        meter: Where it counts.
        pulse: Its loop tells it that it came round.
        probes_url: Where its probes answer, if they do.
    """

    def __init__(
        self, program: str, tracer: Tracer | None = None, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.program = program
        self.tracer = tracer or Tracer()
        self.meter = Meter(program)
        self.pulse = Pulse(ROUND_S, clock_s())
        self.probes_url: str | None = None
        self._clock_s = clock_s
        self._closing = ExitStack()
        self._started = False
        self._member: Member | None = None
        self._table_age_s: Callable[[], float] = lambda: 0.0
        self._still_s: Callable[[], float] = lambda: 0.0
        self._silence_s: Callable[[], float] = lambda: 0.0
        self._watch_process()

    @classmethod
    def begin(cls, program: str, address: str | None) -> Self:
        """Return a program's telemetry, its probes answering.

        Args:
            address: Of the probes, `host:port`; None for no probes.

        Raises:
            ConfigurationError: The address is none or is taken, or a variable makes no sense.
        """
        sampling = exporting.sampling(os.environ)
        if not exporting.wanted(os.environ, "traces"):
            made = cls(program)
        else:
            from tocsin.telemetry import otlp

            traces = otlp.Traces(otlp.resource(program))
            made = cls(program, Tracer(traces.spans, sampling))
            made._closing.callback(traces.close)
        if address:
            made.answer_probes(address)
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def watch_writes(self, writes: Writes) -> None:
        """Tell how much is owed, and be ready only while Kafka acknowledges."""
        movement = Movement()
        self._silence_s = lambda: movement.still_s(writes.ended, writes.outstanding, self._clock_s())
        self.gauge(metrics.PRODUCER_OWED, lambda: writes.outstanding)
        self.gauge(metrics.PRODUCER_SILENCE, self._silence_s)

    def watch_member(self, member: Member) -> None:
        """Be ready only while it is in its group."""
        self._member = member

    def watch_reads(self, reads: Reads) -> None:
        """Tell what it has of its topics, and be ready only while it is in its group."""
        self.watch_member(reads)
        self.gauge(metrics.PARTITIONS, lambda: len(reads.parts))
        self.gauge(metrics.UNFINISHED, reads.unfinished)
        self.meter.observe(
            metrics.WINDOW_FILL, lambda: {(topic,): fill for topic, fill in reads.fills().items()}
        )

    def watch_tables(self, age_s: Callable[[], float]) -> None:
        """Be ready only while the oldest of its tables is current."""
        self._table_age_s = age_s
        self.gauge(metrics.TABLE_AGE, age_s)

    def watch_work(self, ended: Callable[[], int], open_: Callable[[], int]) -> None:
        """Be ready only while what is open comes to an end.

        Args:
            ended: How much has ended since the start.
            open_: How much is open now; never what only waits until it is due.
        """
        movement = Movement()
        self._still_s = lambda: movement.still_s(ended(), open_(), self._clock_s())

    def gauge(self, metric: metrics.Metric, read: Callable[[], float]) -> None:
        """Tell a metric without labels of its own."""
        self.meter.observe(metric, lambda: {(): float(read())})

    def start(self) -> None:
        """Note that all is put together: from now on it is ready while it makes progress, and exports what it counts."""
        self.pulse.begin(self._clock_s())
        self._started = True
        if exporting.wanted(os.environ, "metrics"):
            from tocsin.telemetry import otlp

            self._closing.callback(otlp.Metrics(otlp.resource(self.program), self.meter).close)

    def faults(self) -> list[str]:
        """Return why it is not ready; none if it is."""
        return faults(self._standing() if self._started else None)

    def _standing(self) -> Standing:
        member = self._member
        return Standing(
            tick_age_s=self.pulse.age_s(self._clock_s()),
            table_age_s=self._table_age_s(),
            joined=member is None or member.joined,
            leads=member is None or member.leads,
            still_s=self._still_s(),
            silence_s=self._silence_s(),
        )

    def _watch_process(self) -> None:
        self.gauge(metrics.READY, lambda: not self.faults())
        self.gauge(metrics.LOOP_DELAY, lambda: self.pulse.late_s(self._clock_s()))
        self.gauge(metrics.CPU_TIME, _cpu_s)
        self.gauge(metrics.MEMORY, _resident_bytes)

    def answer_probes(self, address: str) -> None:
        """Answer probes at an address until the end; raises ConfigurationError as `begin`."""
        from tocsin.telemetry.probes import Probes, listen

        found = Probes(
            listen(address),
            {"/livez": _alive, "/readyz": self._ready, "/metrics": self._metrics},
        )
        self._closing.callback(found.close)
        self.probes_url = found.url
        _log.info("probes and metrics at %s", found.url)

    def _ready(self) -> Answer:
        found = self.faults()
        body = {"status": "not ready", "reasons": found} if found else {"status": "ready"}
        return 503 if found else 200, _JSON, orjson.dumps(body)

    def _metrics(self) -> Answer:
        return 200, exposition.CONTENT_TYPE, exposition.text(self.meter.collect()).encode()


def _alive() -> Answer:
    """A process that answers lives. A restart mends nothing that it waits for, and what fails for good ends by itself."""
    return 200, _JSON, b'{"status":"alive"}'


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _resident_bytes() -> float:
    try:
        return int(_STATM.read_text().split()[1]) * float(resource.getpagesize())
    except (OSError, IndexError, ValueError):
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024
