"""What a command prints: tables and colours for a terminal, plain lines for a pipe, JSON for machines."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
"""The `--json` option of every command that shows something."""

T = TypeVar("T")

_GAP: Final = 2
_LAST_COLUMN_MIN: Final = 10


def console() -> Console:
    """Return the terminal, for what the command was asked for."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True, emoji=False)


def is_terminal() -> bool:
    """Return whether somebody looks at standard output."""
    return sys.stdout.isatty()


def styled(text: str, style: str = "") -> Text:
    """Return text that is shown as it is, markup characters and all."""
    from rich.text import Text

    return Text(printable(text), style=style)


def printable(text: str) -> str:
    """Return text without control characters: what strangers send must not drive the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def json_line(document: Any) -> None:
    """Print one JSON document on one line, and let a reader at the other end of a pipe see it at once."""
    import orjson

    sys.stdout.write(orjson.dumps(document, default=_plain).decode() + "\n")
    sys.stdout.flush()


def json_document(document: Any) -> None:
    """Print one JSON document, indented."""
    import orjson

    sys.stdout.write(orjson.dumps(document, default=_plain, option=orjson.OPT_INDENT_2).decode() + "\n")


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, empty: str, cut_last: bool = False
) -> None:
    """Print rows under headings; in a pipe as aligned plain columns, which never cut a value.

    Args:
        empty: What is said when there are no rows.
        cut_last: On a terminal, cut the last column rather than let a row take several lines.
    """
    filled = [[styled(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    if not filled:
        notice(empty)
    elif is_terminal():
        _grid(columns, filled, cut_last)
    else:
        _plain_columns(columns, [[cell.plain for cell in row] for row in filled])


def fields(pairs: Iterable[tuple[str, str | Text]]) -> None:
    """Print names and values, one a line."""
    known = list(pairs)
    width = max((len(name) for name, _ in known), default=0)
    out = console()
    for name, value in known:
        out.print(
            styled(f"{name:<{width}}  ", "dim"),
            value if not isinstance(value, str) else styled(value),
            sep="",
        )


def notice(text: str) -> None:
    """Say something beside the result: on stderr, so that a pipe gets only what was asked for."""
    from rich.console import Console

    beside = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
    with beside.capture() as said:
        beside.print(styled(text, "dim"))
    # Through sys.stderr, which a progress bar takes over while it is shown: a line goes above it, not into it.
    sys.stderr.write(said.get())
    sys.stderr.flush()


def interrupted() -> None:
    """Write the next line over the `^C` that the terminal shows."""
    if sys.stderr.isatty():
        sys.stderr.write("\r")


def progress(items: Iterable[T], what: str, count: int, *, shown: bool) -> Iterator[T]:
    """Yield items, under a progress bar where somebody looks at it."""
    if not (shown and is_terminal()):
        yield from items
        return
    from rich.progress import track

    yield from track(items, what, total=count, console=console(), transient=True)


def deliveries(count: int) -> str:
    """Return a number of deliveries in words."""
    return f"{count} {'delivery' if count == 1 else 'deliveries'}"


def pretty_body(body: bytes) -> str:
    """Return a body for people: JSON indented, other text as it is, bytes as base64."""
    import orjson

    with suppress(orjson.JSONDecodeError):
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    return text_or_base64(body)


def text_or_base64(data: bytes) -> str:
    """Return bytes as text where they are UTF-8, else as `base64:…`."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()


def _grid(columns: Sequence[str], rows: Sequence[Sequence[Text]], cut_last: bool) -> None:
    from rich import box
    from rich.table import Table

    out = console()
    widths = [_width(columns, rows, index) for index in range(len(columns))]
    left = out.width - sum(widths[:-1]) - _GAP * (len(widths) - 1)
    # An id that is broken cannot be copied: columns are broken only when there is no other way.
    whole = left >= min(widths[-1], _LAST_COLUMN_MIN)
    cut = whole and cut_last
    grid = Table(
        box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    for column in columns[:-1]:
        grid.add_column(column, overflow="fold", no_wrap=whole)
    last_width = min(left, widths[-1]) if whole else None
    grid.add_column(columns[-1], overflow="ellipsis" if cut else "fold", no_wrap=cut, max_width=last_width)
    for row in rows:
        grid.add_row(*row)
    out.print(grid, soft_wrap=False)


def _width(columns: Sequence[str], rows: Sequence[Sequence[Text]], index: int) -> int:
    return max(len(columns[index]), *(row[index].cell_len for row in rows))


def _plain_columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [[column.upper() for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return text_or_base64(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
