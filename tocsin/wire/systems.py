"""Systems: a folder of data each, read once and checked whole. No code knows a system's name.

`schemas/<system>/` holds `system.toml` and an Avro schema per event type; a folder more is a system more.
`schemas/notices/` holds the events that Tocsin itself adds to every system.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tocsin.errors import ConfigurationError, RenderError
from tocsin.wire.contracts import contracts_root
from tocsin.wire.declarations import SystemFile, read
from tocsin.wire.event_types import EventType, load_event_types
from tocsin.wire.facts import DeliveryFacts, EventFacts
from tocsin.wire.formats import OpenFormat, WireFormat, compile_format, load_formats
from tocsin.wire.rendering import render

__all__ = ["Api", "EventType", "System", "Systems", "TrialEvent", "WireFormat", "load_systems"]

_NOT_SYSTEMS: Final = frozenset({"formats", "notices", "pipeline"})
_SYSTEM_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,40}\Z")


@dataclass(frozen=True, slots=True)
class Api:
    """What the control API owes a system's clients; see `ApiTable`."""

    paths: tuple[str, ...]
    rate_per_minute: int | None
    scope: tuple[str, ...]
    created: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrialEvent:
    """The documented test event; None where the document leaves it open, then a type's example serves."""

    event_type: str | None
    data: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class System:
    """One documented system.

    Attributes:
        name: Its folder's name.
        title: Its name for people.
        event_types: The documented ones, by name.
        notices: What Tocsin itself tells its subscribers, in the same envelope, by name.
        wire: Its own wire format.
        retries: Tiers; the n-th is waited in after the n-th failed attempt.
        timeout_s: From DNS to the answer's headers.
        https_only: Whether its endpoints must be HTTPS, whatever the installation allows.
        disable_after: Failures in a row after which an endpoint is disabled, or None.
        host_formats: Hosts that understand an open format only, and which.
        api: What the control API owes its clients.
        test: Its test event.
    """

    name: str
    title: str
    event_types: Mapping[str, EventType]
    notices: Mapping[str, EventType]
    wire: WireFormat
    retries: tuple[str, ...]
    timeout_s: float
    https_only: bool
    disable_after: int | None
    host_formats: Mapping[str, str]
    api: Api
    test: TrialEvent

    def event_type(self, name: str) -> EventType | None:
        """Return what may stand on this system's topic under a name: a documented event type or a notice."""
        return self.event_types.get(name) or self.notices.get(name)

    def catalogue(self) -> tuple[EventType, ...]:
        """Return the documented event types, and then the notices."""
        return (*self.event_types.values(), *self.notices.values())


class Systems(Mapping[str, System]):
    """Every system by name, and the open formats; immutable."""

    def __init__(self, systems: Mapping[str, System], formats: Mapping[str, OpenFormat]) -> None:
        self._systems = MappingProxyType(dict(systems))
        self.formats: Mapping[str, WireFormat] = MappingProxyType(
            {name: each.wire for name, each in formats.items()}
        )
        self._bound = {
            (system.name, name): each.bind(system.wire)
            for system in systems.values()
            for name, each in formats.items()
        }

    def __getitem__(self, name: str) -> System:
        return self._systems[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._systems)

    def __len__(self) -> int:
        return len(self._systems)

    def wire_format(self, system: str, format: str | None) -> WireFormat:
        """Return the wire format of a subscription: the same object at every call.

        Args:
            system: The subscription's system.
            format: An open format, or None for the system's own.

        Raises:
            KeyError: No such system or format.
        """
        if format is None or format == system:
            return self._systems[system].wire
        return self._bound[system, format]


def load_systems(root: Path | None = None) -> Systems:
    """Read every system and open format, and check that each works.

    Args:
        root: The folder of contracts; None for this installation's own, which is read once.

    Raises:
        ConfigurationError: Something is malformed; it names file, key and reason, and nothing is half loaded.
    """
    return _installed() if root is None else _load(root)


@cache
def _installed() -> Systems:
    return _load(contracts_root())


def _load(root: Path) -> Systems:
    formats = load_formats(root / "formats")
    notices = load_event_types(root / "notices") if (root / "notices").is_dir() else {}
    folders = [
        path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith((".", "_"))
    ]
    systems = {
        path.name: _system(path, formats, notices) for path in folders if path.name not in _NOT_SYSTEMS
    }
    for name in sorted(systems.keys() & formats.keys()):
        raise ConfigurationError(str(root / "formats" / f"{name}.toml"), "", "a system has this name already")
    return Systems(systems, formats)


def _system(folder: Path, formats: Mapping[str, OpenFormat], notices: Mapping[str, EventType]) -> System:
    if not _SYSTEM_NAME.match(folder.name):
        raise ConfigurationError(
            str(folder), "", "a system's name has lower-case letters, digits and hyphens"
        )
    path = folder / "system.toml"
    declared = read(path, SystemFile)
    event_types = load_event_types(folder)
    for name in sorted(event_types.keys() & notices.keys()):
        raise ConfigurationError(str(folder), name, "is the name of a notice, which every system has")
    payloads = {name: each.payload for name, each in {**event_types, **notices}.items()}
    wire = compile_format(folder.name, path, declared, declared.scheme(declared.signature))
    wire = replace(wire, payloads=MappingProxyType(payloads))
    system = System(
        name=folder.name,
        title=declared.title,
        event_types=MappingProxyType(event_types),
        notices=MappingProxyType(dict(notices)),
        wire=wire,
        retries=tuple(declared.retries),
        timeout_s=declared.timeout_s,
        https_only=declared.endpoint.https_only,
        disable_after=declared.disable.consecutive_failures if declared.disable else None,
        host_formats=MappingProxyType(declared.endpoint.formats),
        api=Api(
            tuple(declared.api.paths),
            declared.api.rate_per_minute,
            tuple(declared.api.scope),
            tuple(declared.api.created),
        ),
        test=TrialEvent(declared.test.event_type, declared.test.data),
    )
    _check(system, path, formats)
    return system


def _check(system: System, path: Path, formats: Mapping[str, OpenFormat]) -> None:
    """Check what one file alone can't show: templates against every example, names against what there is."""
    for host, name in system.host_formats.items():
        if name not in formats:
            raise ConfigurationError(str(path), f"endpoint.formats.{host}", f"no open format {name!r}")
    test = system.test
    if test.event_type is not None and test.event_type not in system.event_types:
        raise ConfigurationError(
            str(path), "test.event_type", f"{test.event_type!r} is no event of {system.name}"
        )
    for event_type in system.event_types.values():
        for scope in system.api.scope:
            if scope not in event_type.field_names():
                raise ConfigurationError(str(path), "api.scope", f"{event_type.name} has no field {scope!r}")
    for event_type in system.catalogue():
        _check_event_type(system, event_type, path)


def _check_event_type(system: System, event_type: EventType, path: Path) -> None:
    twice = sorted(system.wire.flat_keys & event_type.field_names())
    if twice:
        raise ConfigurationError(str(path), "body", f"{twice[0]!r} is a field of {event_type.name} too")
    event = EventFacts(
        "example", "/example", event_type.name, datetime(2026, 1, 1, tzinfo=UTC), "example", None, system.name
    )
    try:
        render(system.wire, event, event_type.example, DeliveryFacts(uuid.UUID(int=0), "example"))
    except RenderError as error:
        raise ConfigurationError(str(path), "body", f"the example of {event_type.name}: {error}") from error
