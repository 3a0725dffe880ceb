"""Prometheus' text format, version 0.0.4. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from tocsin.telemetry.meter import Reading, Spread

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def text(readings: Iterable[Reading]) -> str:
    """Return what `/metrics` answers."""
    return "".join(f"{line}\n" for reading in readings for line in _lines(reading))


def _lines(reading: Reading) -> Iterator[str]:
    metric = reading.metric
    yield f"# HELP {metric.exposed} {_escaped(metric.meaning)}"
    yield f"# TYPE {metric.exposed} {metric.kind}"
    for labels, point in sorted(reading.points.items()):
        pairs = list(zip(metric.exposed_labels, labels, strict=True))
        if isinstance(point, Spread):
            yield from _histogram(metric.exposed, pairs, metric.bounds, point)
        else:
            yield f"{metric.exposed}{_labels(pairs)} {_number(point)}"


def _histogram(
    name: str, pairs: Sequence[tuple[str, str]], bounds: Sequence[float], spread: Spread
) -> Iterator[str]:
    up_to = list(accumulate(spread.counts))
    for bound, count in zip((*bounds, math.inf), up_to, strict=True):
        yield f"{name}_bucket{_labels([*pairs, ('le', _number(bound))])} {count}"
    yield f"{name}_sum{_labels(pairs)} {_number(spread.total)}"
    yield f"{name}_count{_labels(pairs)} {up_to[-1]}"


def _labels(pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return ""
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in pairs) + "}"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(round(value, 9))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(value: str) -> str:
    return _escaped(value).replace('"', r"\"")
