"""Following a topic, where nobody is to be followed."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from tocsin.cli import feed
from tocsin.errors import KafkaUnavailable
from tocsin.settings import Settings


def test_follower_hears_that_kafka_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look like quiet for ever."""
    monkeypatch.setattr(feed, "_QUIET_S", 0.0)
    monkeypatch.setattr(feed, "_ANSWER_S", 0.5)
    nobody = Settings(_env_file=None, kafka="127.0.0.1:1")  # type: ignore[call-arg]
    cluster: Any = SimpleNamespace(settings=nobody)
    with pytest.raises(KafkaUnavailable, match="t: "):
        list(itertools.islice(feed._coming(cluster, "t", {0: 0}), 10))
