"""The key that `make up` shows."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from deploy.local import environment, programs, stack
from deploy.local import settings as local_settings
from deploy.local.__main__ import main
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


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("data/kafka/log", False),
        ("first.key", False),
        ("ledger.db", False),
        ("ledger.db-wal", False),
        ("ledger.db-shm", False),
        ("authority/ca.pem", True),
        ("keyring", True),
        ("lib/kafka/kafka.jar", True),
    ],
)
def test_what_stood_in_kafka_goes_when_its_data_is_deleted(
    settings: LocalSettings, name: str, stays: bool
) -> None:
    """A key of the old Kafka admits nobody to the next one; a log of it skips the first records of the next one."""
    file = settings.home / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("known\n")
    stack.reset(settings)
    assert file.exists() == stays


def test_keyring_whose_write_breaks_off_is_made_at_the_next_start(settings: LocalSettings) -> None:
    """An empty one would count as there, and no program starts with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            programs.configure(settings)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    programs.configure(settings)
    keyring = settings.home / "keyring"
    assert keyring.read_text().startswith("local:")
    assert keyring.stat().st_mode & 0o777 == 0o600


def test_nothing_is_deleted_while_a_program_runs(
    settings: LocalSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    (program, *_) = programs.local_fleet(settings).programs
    program.process.start(["/bin/sleep", "600"], {})
    try:
        settings.first_key.write_text("toc_known\n")
        assert main(["reset"]) == 1
        assert "control would go on with what is deleted; run `make down`" in capsys.readouterr().err
        assert settings.first_key.exists()
    finally:
        program.kill()


def test_reason_is_told_and_nothing_kept_when_no_key_can_be_made(settings: LocalSettings) -> None:
    environment.remember(settings.environment_file, {"TOCSIN_PARTITIONS": "many"})
    with pytest.raises(StackError, match=r"`tocsin keys create` made no key: .*TOCSIN_PARTITIONS"):
        first_key(settings)
    assert not (settings.home / "first.key").exists()
