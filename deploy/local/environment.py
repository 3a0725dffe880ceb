"""The file that lets every command work in a checkout without settings: `.tocsin/local.env`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.local import private


def remember(file: Path, values: Mapping[str, str]) -> None:
    """Set variables in the file; the others in it stay. Its owner alone may read it, since it may hold a key.

    Args:
        file: A file of `NAME=value` lines; made if need be.
        values: What to set.
    """
    text = "".join(f"{name}={value}\n" for name, value in {**read(file), **values}.items())
    private.write(file, text.encode())


def read(file: Path) -> dict[str, str]:
    """Return the variables in the file; none if there is no file."""
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line)
