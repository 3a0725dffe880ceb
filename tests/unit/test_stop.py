"""A stop reaches whoever has to hear of it, however early it is asked for."""

from __future__ import annotations

from tocsin.lifecycle import Stop


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
