"""How many dead letters a selection means, and the first few of them: what is shown before anything is done to them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import typer

from tocsin.cli import output
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from tocsin.cli.cluster import Cluster
    from tocsin.deadletters import DeadLetter
    from tocsin.selection import Selection

SAMPLES: Final = 10


@dataclass(frozen=True, slots=True)
class Count:
    """What a selection means at this moment.

    Attributes:
        letters: How many dead letters.
        deliveries: How many deliveries they are of: one may have died more than once.
        reasons: Reason to number of dead letters.
        faults: Whose fault to number of dead letters; empty for nobody's.
        samples: The first few.
    """

    letters: int
    deliveries: int
    reasons: dict[str, int]
    faults: dict[str, int]
    samples: tuple[DeadLetter, ...]


def count(cluster: Cluster, selection: Selection) -> Count:
    """Count what a selection means; raises as `deadletters.matching`."""
    from tocsin.cli.deadletters import matching

    ids, samples = set[str](), list[Any]()
    reasons, faults = Counter[str](), Counter[str]()
    for letter in matching(cluster, selection):
        ids.add(letter.delivery_id)
        reasons[letter.reason] += 1
        faults[letter.fault or ""] += 1
        if len(samples) < SAMPLES:
            samples.append(letter)
    return Count(reasons.total(), len(ids), dict(reasons), dict(faults), tuple(samples))


def show(found: Count, would_be: str, as_json: bool) -> None:
    """Print a count with its samples.

    Args:
        would_be: What would become of the deliveries, such as `replayed`.
    """
    from tocsin.cli import deadletters

    if as_json:
        output.json_document(document(found))
        return
    if found.letters:
        deadletters.table(list(found.samples), round(time.time() * 1000))
    more = f", the first {SAMPLES} above" if found.letters > SAMPLES else ""
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(found.reasons.items()))
    print(
        f"{output.deliveries(found.deliveries)} would be {would_be}"
        + (f" ({reasons}{more})" if reasons else "")
    )


def document(found: Count) -> dict[str, Any]:
    """Return a count for machines."""
    from tocsin.cli import deadletters

    return {
        "dead_letters": found.letters,
        "deliveries": found.deliveries,
        "reasons": found.reasons,
        "faults": found.faults,
        "samples": [deadletters.document(letter) for letter in found.samples],
    }


def agree(question: str, without_terminal: str, yes: bool) -> None:
    """Return if somebody agrees.

    Args:
        question: Asked on a terminal.
        without_terminal: What is said when nobody can be asked.
        yes: Somebody has agreed already.

    Raises:
        Failure: Nobody agrees, or can be asked.
    """
    if yes:
        return
    if not can_ask():
        raise usage(without_terminal)
    if not typer.confirm(question, err=True):
        raise Failure("nothing was done")


def can_ask() -> bool:
    """Return whether somebody sits at the terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()
