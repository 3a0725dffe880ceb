"""Where a line of code may reach: programs import the library, never each other; the library imports no program."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = [
    "control",
    "producers",
    *(
        f"consumers/{path.name}"
        for path in sorted((ROOT / "consumers").iterdir())
        if path.is_dir() and path.name != "__pycache__"
    ),
]
NOT_LIBRARY = ("control", "producers", "consumers", "deploy", "tests", "bench", "examples")


def imported(file: Path) -> Iterator[str]:
    """Yield the dotted names a module imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def breaches(folder: str, allowed: str | None) -> list[str]:
    """Return what modules of a folder import of programs, their own (`allowed`) apart."""
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for name in imported(file)
        if name.split(".")[0] in NOT_LIBRARY and not (allowed and f"{name}.".startswith(f"{allowed}."))
    ]


def test_library_imports_no_program() -> None:
    assert breaches("tocsin", None) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_imports_only_itself_and_the_library(program: str) -> None:
    assert breaches(program, program.replace("/", ".")) == []


def test_no_import_is_relative() -> None:
    relative = [
        str(file.relative_to(ROOT))
        for folder in ("tocsin", "consumers", "control", "producers", "deploy")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_no_test_is_imported_by_another() -> None:
    """What tests share lies beside them, where a reader looks for it."""
    shared = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for name in imported(file)
        if name.startswith("tests.") and name.rpartition(".")[2].startswith("test_")
    ]
    assert shared == []
