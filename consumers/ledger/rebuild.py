"""`python -m consumers.ledger rebuild`: the log is dropped and projected again, from what Kafka still holds."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tocsin.errors import ConfigurationError
from tocsin.kafka import groups, snapshot
from tocsin.kafka.reader import Part
from tocsin.settings import Settings


def refuse_while_running(settings: Settings, group: str) -> None:
    """Raise unless no ledger runs.

    Raises:
        ConfigurationError: The group has members.
        KafkaUnavailable: The broker does not say.
    """
    members = groups.members(settings, [group])[group]
    if members:
        raise ConfigurationError(
            "rebuild",
            "",
            f"{members} in {group}: stop every ledger first; one that was killed counts until its session has run out",
        )


class Course:
    """How far a rebuild has come: to the ends that the topics had when it began, and no further.

    Args:
        settings: Where Kafka is.
        topics: What is projected.
    """

    def __init__(self, settings: Settings, topics: Sequence[str]) -> None:
        self._ends = {
            Part(topic, partition): end
            for topic in topics
            for partition, end in snapshot.ends(settings, topic).items()
        }
        self._progress = Progress(
            TextColumn("rebuilding the delivery log"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("", total=None)
        self._begin: Mapping[Part, int] | None = None

    def __enter__(self) -> Course:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def reached(self, positions: Mapping[Part, int]) -> bool:
        """Show how far it is and return whether that is the end."""
        if not self._ends.keys() <= positions.keys():
            return False
        if self._begin is None:
            self._begin = dict(positions)
            self._progress.update(self._task, total=self._sum(self._ends) - self._sum(self._begin))
        done = {part: min(positions[part], end) for part, end in self._ends.items()}
        self._progress.update(self._task, completed=self._sum(done) - self._sum(self._begin))
        return all(positions[part] >= end for part, end in self._ends.items())

    def _sum(self, positions: Mapping[Part, int]) -> int:
        return sum(positions[part] for part in self._ends)
