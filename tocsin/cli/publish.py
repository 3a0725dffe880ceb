"""`tocsin publish`: say that something happened."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import output, times
from tocsin.cli.failure import Failure, usage
from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.publisher import Acknowledged

OUTSTANDING: Final = 1_000
"""Events sent ahead of their acknowledgements: enough for full batches, far below the client's queue."""

_SHOWN_ONE_BY_ONE: Final = 10


def publish(
    system: Annotated[
        str, typer.Argument(metavar="SYSTEM", help="Whose event it is; `tocsin events` lists them.")
    ],
    event_type: Annotated[str, typer.Argument(metavar="TYPE", help="Event type, such as drift.alert.")],
    organization: Annotated[
        str, typer.Option(metavar="NAME", help="The tenant whose subscriptions are asked.")
    ],
    data: Annotated[str | None, typer.Option(metavar="JSON", help="The event's data.")] = None,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="A file with the data; - is standard input.")
    ] = None,
    example: Annotated[bool, typer.Option("--example", help="The documented example as data.")] = False,
    event_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="Else a random one. Publishing an id again is harmless."),
    ] = None,
    source: Annotated[str, typer.Option(metavar="URI", help="Who says so: a URI reference.")] = "/tocsin-cli",
    subject: Annotated[str | None, typer.Option(metavar="TEXT", help="What it happened to.")] = None,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A further CloudEvents attribute, NAME=VALUE, such as environment=staging.",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, help="Publish it so often, each with an id of its own.")
    ] = 1,
    as_json: output.AsJson = False,
) -> None:
    """Publish an event and show where the broker stored it.

    The data is checked against the event type's schema first; what does not fit names the field, and nothing is sent.
    """
    if event_id is not None and count > 1:
        raise usage("--id names one event: it goes not together with --count")
    from tocsin.cli.cluster import Cluster
    from tocsin.cli.contracts import known_system, known_type
    from tocsin.cli.endpoints import pairs
    from tocsin.publisher import Publisher

    chosen = known_type(known_system(system), event_type)
    content = chosen.example if example and data is None and file is None else _data(data, file, example)
    extensions = pairs("--attribute", attribute or ())
    cluster = Cluster()
    cluster.partitions(cluster.topics.events(system))
    with Publisher(system, source=source, settings=cluster.settings) as publisher:

        def send() -> Future[Acknowledged]:
            return publisher.send(
                event_type,
                content,
                organization=organization,
                id=event_id,
                subject=subject,
                extensions=extensions,
            )

        _show(acknowledged(send, count), count, as_json)


def acknowledged(send: Callable[[], Future[Acknowledged]], count: int) -> Iterator[Acknowledged]:
    """Send `count` events, a bounded number ahead of the acknowledgements, and yield those in order."""
    waiting: deque[Future[Acknowledged]] = deque()
    for _ in range(count):
        waiting.append(send())
        if len(waiting) >= OUTSTANDING:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _data(data: str | None, file: str | None, example: bool) -> Mapping[str, Any]:
    import orjson

    if (data is not None) + (file is not None) + example != 1:
        raise usage("give the data once: --data, --file or --example")
    where, text = ("--data", data) if data is not None else (f"--file {file}", _read(str(file)))
    try:
        content = orjson.loads(text or "")
    except orjson.JSONDecodeError as error:
        raise usage(f"{where}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise usage(f"{where}: the data must be a JSON object")
    return content


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise usage(f"--file {file}: not UTF-8") from None
    except OSError as error:
        raise usage(f"--file {file}: {error.strerror}") from None


def _show(stored: Iterator[Acknowledged], count: int, as_json: bool) -> None:
    began, done, last = time.monotonic(), 0, None
    try:
        for last in output.progress(
            stored, "publishing", count, shown=count > _SHOWN_ONE_BY_ONE and not as_json
        ):
            done += 1
            if as_json:
                output.json_line(document(last))
            elif count <= _SHOWN_ONE_BY_ONE:
                output.console().print(
                    output.styled("✓ ", "green"),
                    output.styled(last.event_id, "bold"),
                    output.styled(f"  {last.topic}  partition {last.partition}  offset {last.offset}"),
                    sep="",
                )
    except TocsinError as error:
        if done:
            raise Failure(f"{done} of {count} events are acknowledged, then: {error}") from error
        raise
    if last is not None and count > _SHOWN_ONE_BY_ONE and not as_json:
        took = time.monotonic() - began
        said = f"✓ {count} events acknowledged on {last.topic} in {times.duration_text(took * 1000)}"
        output.console().print(output.styled(f"{said}, {count / took:.0f} a second", "green"))


def document(stored: Acknowledged) -> dict[str, Any]:
    """Return where an event was stored, for machines."""
    return {
        "event_id": stored.event_id,
        "topic": stored.topic,
        "partition": stored.partition,
        "offset": stored.offset,
    }
