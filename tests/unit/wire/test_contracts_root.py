"""Where the contracts are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.errors import ConfigurationError
from tocsin.wire import contracts

find = contracts.contracts_root.__wrapped__
"""Without its memory: the answer of a process never changes."""


def test_folder_that_the_environment_names_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    monkeypatch.setenv(contracts.VARIABLE, str(tmp_path))
    assert find() == tmp_path.resolve()


def test_folder_without_contracts_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(contracts.VARIABLE, str(tmp_path))
    with pytest.raises(ConfigurationError, match=contracts.VARIABLE):
        find()


def test_own_contracts_are_taken_where_the_environment_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(contracts.VARIABLE, raising=False)
    assert (find() / "governlayer" / "system.toml").exists()
