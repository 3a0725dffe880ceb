"""What every benchmark stands on: the real stack, and installations of real processes in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from bench.goal import Figure
from bench.target import Target
from deploy.local.programs import Program
from deploy.local.stack import Stack
from tests.harness.installation import Installation, installation

PARTITIONS: Final = 12

Measure = Callable[[], Mapping[str, float]]
"""Measures once, and returns figure to value."""


class Benchmark(Protocol):
    """A module that measures: what is prepared once serves all of its runs."""

    TITLE: str
    FIGURES: Sequence[Figure]

    @staticmethod
    def prepared(world: World) -> AbstractContextManager[Measure]: ...


@dataclass(slots=True)
class World:
    """The stack that benchmarks run on.

    Attributes:
        collector: Takes what programs tell of themselves.
        quick: Few records: to see that everything works. The figures say nothing then.
        found: What was measured so far: benchmark to its runs.
    """

    running: Stack
    collector: Target
    quick: bool = False
    found: dict[str, list[Mapping[str, float]]] = field(default_factory=dict)

    @property
    def broker_pid(self) -> int:
        """The broker's process, whose CPU counts: it must run on this machine."""
        pid = self.running.broker.process.pid()
        assert pid is not None, "the broker's CPU is read from its process: it must run on this machine"
        return pid

    def count(self, full: int) -> int:
        """Return how many records to use in the place of `full`."""
        return max(full // 50, 200) if self.quick else full

    def seconds(self, full: float) -> float:
        """Return how long to measure in the place of `full` seconds."""
        return min(full, 2.0) if self.quick else full

    @property
    def observed(self) -> Mapping[str, str]:
        """The settings of every program: measured is what is run, probes open, one trace in a hundred kept."""
        return {
            "TOCSIN_PROBES": "127.0.0.1:0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.01",
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        }

    @contextmanager
    def installed(self) -> Iterator[Installation]:
        """Make an installation without programs."""
        with (
            tempfile.TemporaryDirectory(prefix="tocsin-bench-") as home,
            installation(self.running, Path(home), partitions=PARTITIONS) as made,
        ):
            made.fleet.environment = {**made.fleet.environment, **self.observed}
            yield made


def pid_of(program: Program) -> int:
    """Return the process of a program that runs."""
    pid = program.process.pid()
    assert pid is not None, f"{program.name} does not run"
    return pid
