"""A stop reaches whoever has to hear of it, however early it is asked for."""

from __future__ import annotations

import pytest

from tocsin import lifecycle
from tocsin.errors import KafkaUnavailable, RegistryUnavailable
from tocsin.lifecycle import Stop, Stopped


def test_whoever_waits_for_a_stop_is_told_when_it_is_asked_for() -> None:
    told: list[str] = []
    stop = Stop(1.0)
    stop.on_asked(lambda: told.append("early"))
    assert not told
    stop.ask()
    assert told == ["early"]


def test_whoever_begins_to_wait_after_the_stop_was_asked_for_is_told_at_once() -> None:
    """A signal that comes while a program starts would else be swallowed."""
    told: list[str] = []
    stop = Stop(1.0)
    stop.ask()
    stop.on_asked(lambda: told.append("late"))
    assert told == ["late"]


def test_answer_is_waited_for_while_kafka_or_the_registry_are_away_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "AGAIN_S", 0.0)
    errors: list[Exception] = [KafkaUnavailable("no broker"), RegistryUnavailable("no registry")]

    def ask() -> str:
        if errors:
            raise errors.pop(0)
        return "answer"

    assert Stop(1.0).patiently(ask) == "answer"
    assert [record.getMessage() for record in caplog.records] == ["waiting: no broker"]


def test_waiting_for_an_answer_ends_when_a_stop_is_asked_for() -> None:
    stop = Stop(1.0)

    def ask() -> None:
        stop.ask()
        raise KafkaUnavailable("no broker")

    with pytest.raises(Stopped):
        stop.patiently(ask)
    with pytest.raises(Stopped):
        stop.patiently(lambda: None)
