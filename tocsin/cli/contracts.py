"""Systems, event types and formats by name: a wrong name is answered with the nearest right one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tocsin.cli.failure import Failure, usage

if TYPE_CHECKING:
    from tocsin.wire.systems import EventType, System


def known_system(name: str) -> System:
    """Return a system; a usage failure if there is none of this name."""
    from tocsin.wire.systems import load_systems

    systems = load_systems()
    if name not in systems:
        raise unknown("system", name, systems)
    return systems[name]


def known_type(system: System, name: str) -> EventType:
    """Return an event type of a system; a usage failure if it has none of this name."""
    if name not in system.event_types:
        raise unknown(f"event of {system.name}", name, system.event_types)
    return system.event_types[name]


def unknown(what: str, name: str, there_are: Iterable[str]) -> Failure:
    """Return the failure of a name that is none of those there are."""
    names = sorted(there_are)
    near = difflib.get_close_matches(name, names, n=1)
    return usage(
        f"{name!r} is no {what}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}")
    )
