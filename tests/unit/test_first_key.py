"""The key that `make up` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import environment, stack
from deploy.local import settings as local_settings
from deploy.local.errors import StackError
from deploy.local.first_key import first_key
from deploy.local.settings import LocalSettings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSettings:
    """Settings with a home of their own."""
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path))
    return local_settings.load()


def test_key_that_was_made_before_is_shown_again(settings: LocalSettings) -> None:
    (settings.home / "first.key").write_text("toc_known\n")
    assert first_key(settings) == "toc_known"


def test_first_key_goes_when_what_it_stood_in_is_deleted(settings: LocalSettings) -> None:
    settings.first_key.write_text("toc_known\n")
    stack.reset(settings)
    assert not settings.first_key.exists()


def test_reason_is_told_and_nothing_kept_when_no_key_can_be_made(settings: LocalSettings) -> None:
    environment.remember(settings.environment_file, {"TOCSIN_PARTITIONS": "many"})
    with pytest.raises(StackError, match=r"`tocsin keys create` made no key: .*TOCSIN_PARTITIONS"):
        first_key(settings)
    assert not (settings.home / "first.key").exists()
