"""The options that say which dead letters are meant: the same for a list, a replay and a purge."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import times
from tocsin.cli.failure import usage

if TYPE_CHECKING:
    from tocsin.selection import Selection

Subscription = Annotated[
    str | None, typer.Option("--subscription", metavar="ID", help="Only this subscription's, by its id.")
]
System = Annotated[
    str | None, typer.Option("--system", metavar="NAME", help="Only those of this system's events.")
]
Organization = Annotated[
    str | None, typer.Option("--organization", metavar="NAME", help="Only this tenant's.")
]
EventType = Annotated[
    str | None,
    typer.Option("--type", metavar="NAME", help="Only this event type's; `drift.*` names several."),
]
Reason = Annotated[
    str | None,
    typer.Option(
        "--reason", metavar="NAME", help="Only those with this reason, such as exhausted, gone or disabled."
    ),
]
Fault = Annotated[
    str | None,
    typer.Option("--fault", metavar="WHOSE", help="Only those that are the subscriber's fault, or tocsin's."),
]
Status = Annotated[
    int | None,
    typer.Option(
        "--status", metavar="CODE", min=100, max=599, help="Only those last answered with this HTTP status."
    ),
]
ErrorText = Annotated[
    str | None, typer.Option("--error", metavar="TEXT", help="Only those with this text in the last error.")
]
DeliveryId = Annotated[str | None, typer.Option("--delivery", metavar="ID", help="Only this delivery.")]
SinceTime = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="Only those dead since: 10m, 2h, 3d ago, or an RFC 3339 time."
    ),
]
UntilTime = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Only those dead before; likewise.")
]

FAULTS: Final = ("subscriber", "tocsin")


def selection(**given: Any) -> Selection:
    """Return the selection that the options name.

    Args:
        given: The fields of a selection, `since` and `until` as they were typed.

    Raises:
        Failure: Reason, fault, system or a time are none.
    """
    from tocsin.cli.contracts import known_system, unknown
    from tocsin.deliveries import REASONS
    from tocsin.selection import Selection

    now_ms = round(time.time() * 1000)
    if given.get("reason") is not None and given["reason"] not in REASONS:
        raise unknown("reason", given["reason"], REASONS)
    if given.get("fault") is not None and given["fault"] not in FAULTS:
        raise usage(f"--fault: {given['fault']!r} is none; there are {' and '.join(FAULTS)}")
    if given.get("system") is not None:
        given["system"] = known_system(given["system"]).name
    for name in ("since", "until"):
        if given.get(name) is not None:
            given[name] = times.option_ms(f"--{name}", given[name], now_ms)
    return Selection(**given)
