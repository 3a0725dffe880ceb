"""Where the contracts lie, and how their files are read: schemas and declarations are data, not code."""

from __future__ import annotations

import json
import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

from tocsin.errors import ConfigurationError

VARIABLE: Final = "TOCSIN_CONTRACTS"
_PACKAGE: Final = Path(__file__).resolve().parents[1]


@cache
def contracts_root() -> Path:
    """Return the folder that holds every system, format and pipeline schema.

    `TOCSIN_CONTRACTS` names one; else a wheel carries it inside the package, and a checkout has it beside the package.

    Raises:
        ConfigurationError: There is none: the variable is wrong or the installation is broken.
    """
    if named := os.environ.get(VARIABLE):
        if not Path(named, "pipeline").is_dir():
            raise ConfigurationError(VARIABLE, "", "is no folder of contracts: it has no `pipeline` in it")
        return Path(named).resolve()
    for root in (_PACKAGE / "schemas", _PACKAGE.parent / "schemas"):
        if root.is_dir():
            return root
    raise ConfigurationError(str(_PACKAGE / "schemas"), "", "the contracts are missing; install tocsin again")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigurationError: It cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(path), "", f"is not TOML: {error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; a key that stands twice in an object is an error, not a choice.

    Raises:
        ConfigurationError: It cannot be read, is not JSON or not an object.
    """
    try:
        found = json.loads(_read(path), object_pairs_hook=_unique)
    except ValueError as error:
        raise ConfigurationError(str(path), "", f"is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(str(path), "", f"must be a JSON object, not {type(found).__name__}")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(str(path), "", f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(path), "", "is not UTF-8") from error
