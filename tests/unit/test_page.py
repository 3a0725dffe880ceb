"""Pages of the documentation: what tests take out of them, and what their links lead to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.local.settings import CHECKOUT
from tests.harness import page

PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


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


def _anchors(text: str) -> set[str]:
    """Return what a forge makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
