"""Pages of the documentation: what tests take out of them, and what their links lead to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from deploy.local.settings import CHECKOUT
from tests.harness import page
from tocsin.cli import app

COMMAND = get_command(app)
PAGES = [*sorted(CHECKOUT.glob("*.md")), *sorted((CHECKOUT / "docs").glob("*.md"))]


def written(tmp_path: Path, text: str) -> Path:
    """Write a page and return its path."""
    path = tmp_path / "page.md"
    path.write_text(text)
    return path


def test_blocks_are_taken_in_order_with_their_section_and_without_indentation(tmp_path: Path) -> None:
    text = "## One\n\n```sh name=first\necho 1\n```\n\n## Two\n\n1. A list\n\n   ```toml file=a/b.toml\n   a = 1\n\n   ## not a heading\n   ```\n"
    first, second = page.blocks(written(tmp_path, text))
    assert (first.section, first.language, first.name, first.text, first.line) == (
        "One", "sh", "first", "echo 1\n", 3,
    )  # fmt: skip
    assert (second.section, second.marks, second.text) == (
        "Two", {"file": "a/b.toml"}, "a = 1\n\n## not a heading\n",
    )  # fmt: skip
    page.write_files([first, second], tmp_path)
    assert (tmp_path / "a" / "b.toml").read_text() == second.text


@pytest.mark.parametrize("info", ["", "sh", "sh first", "python", "python name=a", "sh name=a file=b"])
def test_block_that_no_test_would_run_is_refused(tmp_path: Path, info: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        page.blocks(written(tmp_path, f"```{info}\na\n```\n"))


def test_block_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no end"):
        page.blocks(written(tmp_path, "```sh name=a\na\n"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings_that_are_there(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:\s]+)(?:#([^)]*))?\)", path.read_text())
    assert [link for link, _ in links if not (path.parent / link).exists()] == []
    missing = [
        anchor
        for link, anchor in links
        if anchor and anchor not in _anchors((path.parent / link).read_text())
    ]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_exist_with_their_options(path: Path) -> None:
    unknown = [
        f"tocsin {words}{rest}"
        for words, rest in _commands(path.read_text())
        if (names := _options(words)) is None or set(re.findall(r"(?<= )--[a-z][a-z-]*", rest)) - names
    ]
    assert unknown == []


def test_pages_name_commands() -> None:
    assert sum(len(_commands(path.read_text())) for path in PAGES) > 50


def _commands(text: str) -> list[tuple[str, str]]:
    """Return each `tocsin …` in a page's code: its first one or two words, and the rest of the line."""
    blocks = re.findall(r"```[^\n]*\n(.*?)```", text, re.DOTALL)
    words = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    code = "\n".join([*blocks, *words]).replace("\\\n", " ")
    return re.findall(r"(?:^|[/(|] ?)tocsin ([a-z]+(?: [a-z]+\b(?!\.))?)([^\n|#)]*)", code, re.MULTILINE)


def _options(words: str) -> set[str] | None:
    """Return the options of a command; None if there is no such command."""
    command = COMMAND
    for word in words.split():
        if hasattr(command, "commands"):
            if word not in command.commands:
                return None
            command = command.commands[word]
    if hasattr(command, "commands") and not getattr(command, "invoke_without_command", False):
        return None
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def _anchors(text: str) -> set[str]:
    """Return what a forge makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
