"""The table of security's rules names tests that exist, and the tests' receivers verify."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

TESTS: Final = Path(__file__).parents[1]
TABLE: Final = TESTS.parent / "docs" / "security.md"
ROOMS: Final = {"u": "unit", "i": "integration", "e": "e2e"}
_NAMED = re.compile(r"`([uie])/([a-z_/]+\.py)::(test_\w+)`")


def test_every_test_that_the_table_names_exists() -> None:
    named = _NAMED.findall(TABLE.read_text())
    assert len(named) > 90
    missing = [
        f"{room}/{file}::{name}"
        for room, file, name in named
        if name not in _tests(TESTS / ROOMS[room] / file)
    ]
    assert missing == []


def test_every_rule_has_a_test() -> None:
    rows = [line for line in TABLE.read_text().splitlines() if line.startswith("| ") and "---" not in line]
    rules = [line for line in rows if line != "| rule | test |"]
    assert [line for line in rules if not _NAMED.search(line)] == []


def test_every_receiver_of_the_tests_verifies() -> None:
    """That of the harness fails whom it leaves unverified; the soak's endpoints judge each request themselves."""
    imports = [
        str(path.relative_to(TESTS))
        for path in TESTS.rglob("*.py")
        if re.search(r"from deploy\.local\.demo\.receiver import [^\n]*\bReceiver\b", path.read_text())
    ]
    assert imports == ["soak/endpoints.py"]


def _tests(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
