"""CloudEvents as an independent library reads them: the CNCF's own for Python."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import fastavro
import orjson
import pytest
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.v1.event import CloudEvent

from tests.unit.wire.samples import DELIVERY, TIME, an_event
from tocsin.errors import EventInvalid, RenderError
from tocsin.events import ATTRIBUTE_MAX_BYTES, EXTENSIONS_MAX, Event, check
from tocsin.fanout import facts
from tocsin.wire import carried_headers
from tocsin.wire.rendering import render
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
MODES = ["cloudevents-binary", "cloudevents-structured"]
EVERY_EVENT = [(name, known.name) for name in sorted(SYSTEMS) for known in SYSTEMS[name].catalogue()]
ATTRIBUTES = {"environment": "staging", "partitionkey": 'é "quoted" 100%'}


def received(mode: str, system: str, type: str, data: Mapping[str, Any], **changes: Any) -> BaseCloudEvent:
    """Return an event as a receiver's library reads the request."""
    rendered = render(SYSTEMS.wire_format(system, mode), an_event(system, type, **changes), data, DELIVERY)
    headers = {name.lower(): value for name, value in rendered.headers}
    return from_http_event(HTTPMessage({**headers, "content-type": rendered.content_type}, rendered.body))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("system", "type"), EVERY_EVENT)
def test_library_reads_every_event_as_it_was_published(system: str, type: str, mode: str) -> None:
    """Every attribute, extensions among them, and the data after its way through Avro."""
    known = SYSTEMS[system].event_type(type)
    assert known is not None
    stored = io.BytesIO()
    fastavro.schemaless_writer(stored, known.parsed, known.example)
    data = fastavro.schemaless_reader(io.BytesIO(stored.getvalue()), known.parsed, None)
    assert isinstance(data, dict)
    event = received(mode, system, type, data, subject="a/b ✓", attributes=ATTRIBUTES)
    assert isinstance(event, CloudEvent)
    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "/source",
        "type": type,
        "time": TIME,
        "subject": "a/b ✓",
        "organization": "acme",
        "datacontenttype": "application/json",
        **ATTRIBUTES,
    }
    assert orjson.dumps(event.get_data()) == orjson.dumps(known.payload(data))


def test_event_with_all_the_extensions_it_may_have_fits_a_request_and_no_more_do() -> None:
    """What a publisher may send, delivery can: else it would be acknowledged and set aside."""
    example = SYSTEMS["governlayer"].event_types["drift.alert"].example
    most = {f"e{number}": "x" * ATTRIBUTE_MAX_BYTES for number in range(EXTENSIONS_MAX)}
    sound = Event("evt-1", "/source", "drift.alert", TIME, "acme", "subject", most)
    check(sound)
    for name in SYSTEMS.formats:
        wire = SYSTEMS.wire_format("governlayer", name)
        rendered = render(wire, facts(sound, "governlayer"), example, DELIVERY)
        assert carried_headers.fault(rendered.headers) is None
    more = replace(sound, extensions={**most, "more": "x"})
    with pytest.raises(EventInvalid, match="extensions"):
        check(more)
    binary = SYSTEMS.wire_format("governlayer", "cloudevents-binary")
    with pytest.raises(RenderError, match="over 64 headers"):
        render(binary, facts(more, "governlayer"), example, DELIVERY)


@pytest.mark.parametrize("mode", MODES)
def test_library_misses_nothing_but_the_subject_that_an_event_does_not_have(mode: str) -> None:
    example = SYSTEMS["governlayer"].event_types["drift.alert"].example
    event = received(mode, "governlayer", "drift.alert", example)
    assert event.get_subject() is None
    assert event.get_extension("organization") == "acme"
