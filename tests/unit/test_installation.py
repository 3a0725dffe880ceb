"""The installation of a test, as far as it goes without Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.programs import Fleet
from tests.harness.installation import Installation
from tocsin.kafka.writer import Outgoing
from tocsin.settings import Settings


def test_record_that_is_refused_for_good_is_not_taken_for_a_written_one(tmp_path: Path) -> None:
    """The client refuses what is too large before it asks any broker."""
    settings = Settings(_env_file=None, kafka="127.0.0.1:1", topic_prefix="test")  # type: ignore[call-arg]
    made = Installation(settings, Fleet(tmp_path, {}), "", "")
    try:
        with pytest.raises(AssertionError, match=r"1 of 1 not written: .*Message size too large"):
            made.write(Outgoing("test.deliveries", b"key", bytes(2_000_000)))
    finally:
        made.close()
