"""A page of the documentation, so that a test can do what it says.

A fenced block's info string begins with its language, and says then what the block is to a test:

    sh name=NAME         commands, run in the page's order
    LANGUAGE file=PATH   a file that the commands of the page work with
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HEADING: Final = re.compile(r"^## (.+)$")
_FENCE: Final = re.compile(r"^( *)```(.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        section: The heading above it.
        language: First word of its info string; empty where there is none.
        marks: What else stands there, `name=value` each.
        text: What is inside, without the indentation of a list.
        line: Of the page, where it begins.
    """

    section: str
    language: str
    marks: Mapping[str, str]
    text: str
    line: int

    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
        return self.marks.get("name")


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks in order.

    Raises:
        ValueError: One has no end, or an info string that says nothing to a test.
    """
    found: list[Block] = []
    section, began, inside = "", 0, list[str]()
    info: str | None = None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if fence is None:
            if info is not None:
                inside.append(line)
            elif heading := _HEADING.match(line):
                section = heading[1]
        elif info is None:
            info, began, inside = fence[2], number, []
        else:
            found.append(_block(section, info, inside, began))
            info = None
    if info is not None:
        raise ValueError(f"{page.name}:{began}: the block has no end")
    return found


def write_files(page: list[Block], folder: Path) -> None:
    """Write the blocks that are files into a folder."""
    for block in page:
        if "file" in block.marks:
            path = folder / block.marks["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)


def _block(section: str, info: str, inside: list[str], line: int) -> Block:
    language, *rest = info.split() or [""]
    marks = dict(word.split("=", 1) for word in rest if "=" in word)
    if len(marks) != len(rest) or ("file" in marks) == (language == "sh" and "name" in marks):
        raise ValueError(f"line {line}: a block is `sh name=…` or has a `file=…`, not {info!r}")
    return Block(section, language, marks, textwrap.dedent("\n".join(inside)) + "\n", line)
