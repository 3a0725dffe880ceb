"""What is measured for one endpoint and for ten, beside its limit: the bare POST rate of the same run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from bench import bare
from bench.goal import Figure
from bench.target import Target, target
from bench.world import Measure, World
from tests.harness.installation import Installation

LIMIT: Final = Figure("limit_per_second", "the limit: bare POST, 64 in flight", "/s")
POSTS: Final = 20_000
AT_ONCE: Final = 64

Saturate = Callable[[Installation, Target, World, int], Mapping[str, float]]
"""Measures once in an installation of its own, for so many endpoints; `per_second` is among its figures."""


@contextmanager
def limit(world: World, saturate: Saturate) -> Iterator[Measure]:
    """Give what measures both and the limit. Nothing is kept from one run to the next but the receiver."""
    with target() as receiver:

        def measure() -> dict[str, float]:
            bound = bare.post(f"{receiver.url}/bare/0", world.count(POSTS), AT_ONCE)
            figures = {LIMIT.name: bound.per_second}
            for name, endpoints in (("one", 1), ("ten", 10)):
                with world.installed() as made:
                    measured = saturate(made, receiver, world, endpoints)
                figures |= {f"{name}_{figure}": value for figure, value in measured.items()}
                figures[f"{name}_ratio"] = measured["per_second"] / bound.per_second
            return figures

        yield measure
