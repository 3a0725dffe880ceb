"""Every body that the systems' documents show is what is sent, key order included."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import orjson
import pytest

from tests.unit.wire.samples import DELIVERY, Documented, documented
from tocsin.wire.rendering import render
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
EXAMPLES = [each for each in documented() if not each.data.get("test")]
TESTS = [each for each in documented() if each.data.get("test")]


def _through_avro(example: Documented) -> Any:
    parsed = SYSTEMS[example.system].event_types[example.type].parsed
    stored = io.BytesIO()
    fastavro.schemaless_writer(stored, parsed, example.data)
    return fastavro.schemaless_reader(io.BytesIO(stored.getvalue()), parsed, None)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each.system}-{each.name}")
def test_body_equals_the_documented_one_after_its_way_through_avro(example: Documented) -> None:
    """Normalised JSON, same bytes: same values, same types, same key order. Only GovernLayer's short id differs."""
    expected = dict(example.body)
    if example.system == "governlayer":
        expected["id"] = f"wh_{DELIVERY.id.hex}"
    wire = SYSTEMS[example.system].wire
    rendered = render(wire, example.event(), _through_avro(example), DELIVERY)
    assert rendered.body.decode() == json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
    assert rendered.content_type == "application/json"


def test_documents_show_twenty_bodies() -> None:
    """So that a lost fixture is not a passed test."""
    assert [len([each for each in EXAMPLES if each.system == name]) for name in sorted(SYSTEMS)] == [
        2,
        0,
        2,
        1,
        15,
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each.system}-{each.name}")
def test_schema_carries_the_documented_data_as_its_example(example: Documented) -> None:
    """`--example` publishes what the document shows."""
    event_type = SYSTEMS[example.system].event_types[example.type]
    assert orjson.dumps(dict(event_type.example)) == orjson.dumps(example.data)
    assert event_type.example_source == "documentation"


@pytest.mark.parametrize("example", TESTS, ids=lambda each: each.system)
def test_test_event_equals_the_documented_one(example: Documented) -> None:
    """It carries `test: true` and not the fields of a real event."""
    system = SYSTEMS[example.system]
    assert system.test.event_type == example.type
    assert system.test.data is not None
    rendered = render(system.wire, example.event(), system.test.data, DELIVERY)
    assert orjson.loads(rendered.body) == example.body
    assert list(orjson.loads(rendered.body)["data"]) == list(example.data)


ALERTS: list[dict[str, Any]] = [
    {
        "alert_type": "score_drop",
        "severity": "high",
        "old_value": "92",
        "new_value": "78",
        "score": 78,
        "grade": "C+",
    },
    {"alert_type": "critical_issue", "severity": "critical", "score": 41, "grade": "F"},
    {"alert_type": "cert_expired", "severity": "critical"},
    {"alert_type": "cert_expiring_soon", "severity": "medium", "new_value": "7"},
    {"alert_type": "config_change", "severity": "low", "old_value": "TLS 1.2", "new_value": "TLS 1.3"},
]


@pytest.mark.parametrize("fields", ALERTS, ids=lambda each: each["alert_type"])
def test_each_of_the_five_alert_types_is_rendered_without_the_fields_it_lacks(fields: dict[str, Any]) -> None:
    """An alert about a certificate has no score; it is absent, not null."""
    system = SYSTEMS["compliancelayer"]
    about = {
        "alert_id": 1,
        "domain": "example.com",
        "title": "t",
        "message": "m",
        "created_at": "2026-03-08T12:34:56.789Z",
    }
    data = {**about, **fields}
    example = Documented(
        "compliancelayer",
        "alert",
        {"type": "alert.triggered", "data": data, "timestamp": "2026-01-01T00:00:00Z"},
    )
    body = orjson.loads(render(system.wire, example.event(), _through_avro(example), DELIVERY).body)
    assert body["data"] == data
