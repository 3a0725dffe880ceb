"""What a publisher refuses before anything is sent: each error names the field."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.unit.budget.edges import Shelf
from tocsin import Publisher, events
from tocsin import publisher as module
from tocsin.errors import ConfigurationError, EventInvalid, NotAcknowledged, RegistryUnavailable
from tocsin.settings import Settings

GOOD: dict[str, Any] = {
    "system_name": "bot",
    "drift_score": 0.87,
    "decision": "ESCALATE",
    "ledger_hash": "sha256:a1",
}

NOBODY_LISTENS = Settings(
    _env_file=None,  # type: ignore[call-arg]
    kafka="127.0.0.1:1",
    registry="http://127.0.0.1:1/apis/ccompat/v7",
)


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    """A publisher without anybody to talk to: what is refused here was refused before it was sent."""
    with Publisher("governlayer", source="/test", settings=NOBODY_LISTENS, timeout_s=0.5) as made:
        yield made


@pytest.mark.parametrize(
    ("data", "field", "reason"),
    [
        ({**GOOD, "drift_score": "high"}, "data.drift_score", "must be a number, not a string"),
        ({**GOOD, "system_name": None}, "data.system_name", "not null"),
        ({key: GOOD[key] for key in GOOD if key != "decision"}, "data.decision", "required"),
        ({**GOOD, "drift_scor": 1.0}, "data.drift_scor", "did you mean drift_score"),
        ("text", "data", "must be an object"),
    ],
)
def test_data_that_does_not_fit_is_refused_naming_the_field(
    publisher: Publisher, data: Any, field: str, reason: str
) -> None:
    with pytest.raises(EventInvalid, match=reason) as caught:
        publisher.publish("drift.alert", data, organization="acme")
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"organization": ""}, "organization"),
        ({"organization": "a\nb"}, "organization"),
        ({"id": ""}, "id"),
        ({"id": "x" * (events.ATTRIBUTE_MAX_BYTES + 1)}, "id"),
        ({"subject": "\x00"}, "subject"),
        ({"time": datetime(2026, 1, 1)}, "time"),
        ({"time": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))}, "time"),
        ({"time": datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))}, "time"),
        ({"extensions": {"Upper": "x"}}, "Upper"),
        ({"extensions": {"source": "x"}}, "source"),
    ],
)
def test_attribute_that_could_not_travel_is_refused_naming_it(
    publisher: Publisher, attributes: dict[str, Any], field: str
) -> None:
    with pytest.raises(EventInvalid) as caught:
        publisher.publish("drift.alert", GOOD, **({"organization": "acme"} | attributes))
    assert caught.value.field == field


def test_unknown_event_type_is_refused_with_the_nearest_one(publisher: Publisher) -> None:
    with pytest.raises(EventInvalid, match=r"did you mean 'drift\.alert'"):
        publisher.publish("drift.alerts", GOOD, organization="acme")


def test_unknown_system_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="governlayer"):
        Publisher("nobody", source="/test", settings=NOBODY_LISTENS)


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A publisher whose registry answers; its broker does not, so that each event fails after half a second."""
    monkeypatch.setattr(module, "Registry", lambda *_, **__: Shelf())
    with Publisher("governlayer", source="/test", settings=NOBODY_LISTENS, timeout_s=0.5) as made:
        yield made


def test_caller_who_has_given_up_takes_no_answer_from_others(unheard: Publisher) -> None:
    """A task that is cancelled in `publish_async` cancels its future; then the delivery report arrives."""
    assert unheard.send("drift.alert", GOOD, organization="acme").cancel()
    for _ in range(2):
        with pytest.raises(NotAcknowledged):
            unheard.send("drift.alert", GOOD, organization="acme").result(10.0)


def test_closed_publisher_says_so_instead_of_waiting_for_ever(unheard: Publisher) -> None:
    unheard.close()
    with pytest.raises(RuntimeError, match="closed"):
        unheard.send("drift.alert", GOOD, organization="acme")


def test_registry_that_does_not_answer_is_told_apart_from_bad_data(publisher: Publisher) -> None:
    with pytest.raises(RegistryUnavailable):
        publisher.publish("drift.alert", GOOD, organization="acme")
