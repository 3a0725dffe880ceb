"""Folders of contracts to change and to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tocsin.wire.contracts import contracts_root


def copied(
    tmp_path: Path, system: str, change: Callable[[str], str] = str, file: str = "system.toml"
) -> Path:
    """Copy one system and the open formats, with one file changed, and return the new root."""
    root = tmp_path / "schemas"
    for name in (system, "formats"):
        shutil.copytree(contracts_root() / name, root / name)
    path = root / system / file if (root / system / file).exists() else root / "formats" / file
    path.write_text(change(path.read_text()))
    return root
