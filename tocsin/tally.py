"""How many dead letters a selection means at this moment, and some of them: what is shown before anything is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from tocsin import deadletters, purges
from tocsin.deadletters import DeadLetter
from tocsin.kafka import partitioner, snapshot
from tocsin.kafka.topics import Topics
from tocsin.purges import Purge
from tocsin.selection import Selection, matches
from tocsin.settings import Settings

SAMPLES: Final = 10

_Extent = tuple[dict[int, int], dict[int, int]]


@dataclass(frozen=True, slots=True)
class Tally:
    """What a selection means at this moment.

    Attributes:
        letters: How many dead letters.
        deliveries: How many deliveries they are of: one may have died more than once.
        reasons: Reason to number of dead letters.
        faults: Whose fault to number of dead letters; empty for nobody's.
        samples: The first few.
        newest_ms: When the broker took the newest of them, milliseconds since the epoch; 0 of none.
        ends: Partition to the offset before which it was counted; the others can hold none.
    """

    letters: int
    deliveries: int
    reasons: Mapping[str, int]
    faults: Mapping[str, int]
    samples: tuple[DeadLetter, ...]
    newest_ms: int
    ends: Mapping[int, int]


def count(
    settings: Settings, selection: Selection, struck: Collection[Purge], check: Callable[[], None]
) -> Tally:
    """Count the dead letters that a selection means; all as `meant`."""
    extent = _extent(settings, selection)
    return tally(_within(settings, extent, selection, struck, check), extent[0])


def tally(letters: Iterator[DeadLetter], ends: Mapping[int, int] | None = None) -> Tally:
    """Count dead letters, which were read up to `ends`; None where nobody asks for these."""
    ids, samples = set[str](), list[DeadLetter]()
    reasons, faults = Counter[str](), Counter[str]()
    newest_ms = 0
    for letter in letters:
        ids.add(letter.delivery_id)
        reasons[letter.reason] += 1
        faults[letter.fault or ""] += 1
        newest_ms = max(newest_ms, letter.timestamp_ms)
        if len(samples) < SAMPLES:
            samples.append(letter)
    return Tally(
        reasons.total(), len(ids), dict(reasons), dict(faults), tuple(samples), newest_ms, ends or {}
    )


def meant(
    settings: Settings,
    selection: Selection,
    struck: Collection[Purge],
    check: Callable[[], None] = lambda: None,
) -> Iterator[DeadLetter]:
    """Yield the dead letters that a selection means and no purge has struck off, as they stand at this moment.

    Args:
        struck: The purges that are done.
        check: Called again and again while the topic is read; what it raises ends that.

    Raises:
        KafkaUnavailable: No answer, or no dead-letter topic.
    """
    yield from _within(settings, _extent(settings, selection), selection, struck, check)


def _within(
    settings: Settings,
    extent: _Extent,
    selection: Selection,
    struck: Collection[Purge],
    check: Callable[[], None],
) -> Iterator[DeadLetter]:
    ends, starts = extent
    for letter in deadletters.scan(settings, end_offsets=ends, start_offsets=starts, idle=check):
        check()
        if matches(selection, letter) and not purges.purged(letter, struck):
            yield letter


def _extent(settings: Settings, selection: Selection) -> _Extent:
    """Return where what a selection can mean ends and begins, by partition: the key is the subscription."""
    topic = Topics(settings.topic_prefix).dlq
    ends = snapshot.ends(settings, topic)
    if selection.subscription_id is not None:
        key = selection.subscription_id.encode()
        ends = {own: ends[own] for own in partitioner.homes(key, len(ends), settings.partitions_earlier)}
    if selection.since is None:
        return ends, {}
    starts = snapshot.since(settings, topic, selection.since)
    # A partition that has nothing since then is not read at all.
    return {partition: end for partition, end in ends.items() if partition in starts}, starts
