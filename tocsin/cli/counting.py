"""How many dead letters a selection means, and the first few of them: what is shown before anything is done to them."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from tocsin.cli import output
from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from tocsin.cli.cluster import Cluster
    from tocsin.selection import Selection
    from tocsin.tally import Tally


def count(cluster: Cluster, selection: Selection) -> Tally:
    """Count what a selection means; raises as `deadletters.matching`."""
    from tocsin.cli.deadletters import matching
    from tocsin.tally import tally

    return tally(matching(cluster, selection))


def with_tenant(selection: Selection, found: Tally) -> Selection:
    """Return what was counted with its tenant, where it is one endpoint's or one delivery: the audit is told whose it is."""
    is_one = selection.subscription_id is not None or selection.delivery_id is not None
    if not is_one or selection.organization is not None:
        return selection
    return replace(selection, organization=found.samples[0].organization or None)


def show(found: Tally, would_be: str, as_json: bool) -> None:
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
    shown = len(found.samples)
    more = f", the first {shown} above" if found.letters > shown else ""
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(found.reasons.items()))
    print(
        f"{output.deliveries(found.deliveries)} would be {would_be}"
        + (f" ({reasons}{more})" if reasons else "")
    )


def document(found: Tally) -> dict[str, Any]:
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
