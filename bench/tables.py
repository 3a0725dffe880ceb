"""Results as people read them: in a terminal, and in `docs/performance.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

_MARKS: Final = {"met": "[green]✓[/]", "missed": "[red]✗[/]"}
_WORDS: Final = {"met": "yes", "missed": "**no**"}

WIDTH: Final = 120
"""Of what no terminal bounds."""

Section = Mapping[str, Any]


def console() -> Console:
    """Return the console that benchmarks speak to."""
    made = Console()
    return made if made.is_terminal else Console(width=WIDTH)


def shown(sections: Mapping[str, Section]) -> Group:
    """Return tables for the terminal, one for each benchmark, and which goals were missed."""
    width = max((len(title) for title, _ in _figures(sections)), default=0) + 2
    parts: list[RenderableType] = []
    for section in sections.values():
        parts += ["", Text(section["title"], style="bold"), _table(section, width)]
    missed = [*_missed(sections)]
    judged = sum("goal" in figure for _, figure in _figures(sections))
    parts += ["", Text(f"{judged - len(missed)} of {judged} goals met", style="bold"), *missed]
    return Group(*parts)


def _missed(sections: Mapping[str, Section]) -> Iterator[Text]:
    for name, section in sections.items():
        for figure in section["figures"].values():
            if figure.get("goal_is") == "missed":
                told = f"  {name}: {figure['title']}: {number(figure['median'])}, goal {figure['goal']}"
                yield Text(told, style="red")


def _figures(sections: Mapping[str, Section]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for section in sections.values():
        for figure in section["figures"].values():
            yield figure["title"], figure


def _table(section: Section, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", min_width=width, no_wrap=True)
    for heading in ("least", "median", "most"):
        table.add_column(heading, justify="right", min_width=9, no_wrap=True)
    table.add_column("", style="dim", min_width=3, no_wrap=True)
    for heading in ("goal", "aim"):
        table.add_column(heading, min_width=10, no_wrap=True)
    for figure in section["figures"].values():
        table.add_row(*_row(figure))
    return table


def _row(figure: Mapping[str, Any]) -> Iterator[str]:
    style = "bold" if "goal" in figure else "none"
    yield f"  {escape(figure['title'])}"
    yield f"[dim]{number(figure['min'])}[/]"
    yield f"[{style}]{number(figure['median'])}[/]"
    yield f"[dim]{number(figure['max'])}[/]"
    yield figure["unit"]
    for name in ("goal", "aim"):
        yield f"{_MARKS[figure[f'{name}_is']]} {figure[name]}" if name in figure else ""


def markdown(sections: Mapping[str, Section]) -> str:
    """Return the same as Markdown."""
    return "\n".join(_lines(sections))


def _lines(sections: Mapping[str, Section]) -> Iterator[str]:
    for section in sections.values():
        yield f"\n**{section['title']}** ({_runs(section['runs'])}, {section['at'][:10]})\n"
        yield "| | least | median | most | goal | met |"
        yield "|---|---:|---:|---:|---|---|"
        for figure in section["figures"].values():
            values = " | ".join(number(figure[name]) for name in ("min", "median", "max"))
            unit = f", {figure['unit']}" if figure["unit"] else ""
            yield f"| {figure['title']}{unit} | {values} | {_goal(figure)} |"


def _runs(count: int) -> str:
    return "one run" if count == 1 else f"{count} runs"


def _goal(figure: Mapping[str, Any]) -> str:
    named = [name for name in ("goal", "aim") if name in figure]
    texts = (f"aim {figure[name]}" if name == "aim" else figure[name] for name in named)
    return f"{', '.join(texts)} | {', '.join(_WORDS[figure[f'{name}_is']] for name in named)}"


def number(value: float) -> str:
    """Return a number with as many digits as say something."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
