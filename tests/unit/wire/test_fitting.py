"""Data that does not fit is refused, and the field is named."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.errors import EventInvalid
from tocsin.wire.fitting import compile_check
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
DRIFT: dict[str, Any] = dict(SYSTEMS["governlayer"].event_types["drift.alert"].example)
DETECTED: dict[str, Any] = dict(SYSTEMS["truthvouch"].event_types["alert.detected"].example)
REVIEW: dict[str, Any] = dict(SYSTEMS["governlayer"].event_types["governance.escalation"].example)
SCAN: dict[str, Any] = dict(SYSTEMS["compliancelayer"].event_types["scan.completed"].example)
CHECK: dict[str, Any] = dict(SYSTEMS["driftguard"].event_types["breaking"].example)
CHANGE: dict[str, Any] = CHECK["changes"][0]

MISFITS: list[tuple[str, str, Any, str, str]] = [
    ("governlayer", "drift.alert", [], "data", "must be an object, not a list"),
    ("governlayer", "drift.alert", None, "data", "must be an object, not null"),
    ("governlayer", "drift.alert", {**DRIFT, "drift_score": "0.9"}, "data.drift_score", "must be a number, not a string"),
    ("governlayer", "drift.alert", {**DRIFT, "drift_score": True}, "data.drift_score", "must be a number, not true or false"),
    ("governlayer", "drift.alert", {**DRIFT, "drift_score": None}, "data.drift_score", "must be a number, not null"),
    ("governlayer", "drift.alert", {**DRIFT, "drift_score": math.nan}, "data.drift_score", "must be a finite number: JSON has no other"),
    ("governlayer", "drift.alert", {**DRIFT, "drift_score": 10**400}, "data.drift_score", "must be a finite number: JSON has no other"),
    ("governlayer", "drift.alert", {**DRIFT, "system_name": 7}, "data.system_name", "must be a string, not a whole number"),
    ("governlayer", "drift.alert", {**DRIFT, "system_name": "\ud800"}, "data.system_name", "holds half a surrogate pair, which is no text"),
    ("governlayer", "drift.alert", {k: v for k, v in DRIFT.items() if k != "decision"}, "data.decision", "is required"),
    ("governlayer", "drift.alert", {**DRIFT, "drift_scor": 1}, "data.drift_scor", "is no field of this event; did you mean drift_score?"),
    ("governlayer", "drift.alert", {**DRIFT, "zzz": 1}, "data.zzz", "is no field of this event"),
    ("governlayer", "governance.escalation", {**REVIEW, "requires_human_review": 1}, "data.requires_human_review", "must be true or false, not a whole number"),
    ("compliancelayer", "scan.completed", {**SCAN, "score": True}, "data.score", "must be a whole number, not true or false"),
    ("compliancelayer", "scan.completed", {**SCAN, "score": 85.0}, "data.score", "must be a whole number, not a number"),
    ("compliancelayer", "scan.completed", {**SCAN, "score": 2**31}, "data.score", "must lie between -2147483648 and 2147483647"),
    ("compliancelayer", "scan.completed", {**SCAN, "scan_id": 2**63}, "data.scan_id", "must lie between -9223372036854775808 and 9223372036854775807"),
    ("truthvouch", "alert.detected", {**DETECTED, "source": "here"}, "data.source", "must be an object, not a string"),
    ("truthvouch", "alert.detected", {**DETECTED, "source": {"user_id": 5}}, "data.source.user_id", "must be a string, not a whole number"),
    ("truthvouch", "alert.detected", {**DETECTED, "source": {"user": "u"}}, "data.source.user", "is no field of this event; did you mean user_id?"),
    ("truthvouch", "alert.detected", {**DETECTED, "details": {"a": {"b": {"c": 1}}}}, "data.details.a.b", "must be null, true or false, a whole number, a number or a string, not an object"),
    ("truthvouch", "alert.detected", {**DETECTED, "details": {"a": math.inf}}, "data.details.a", "must be a finite number: JSON has no other"),
    ("truthvouch", "alert.detected", {**DETECTED, "details": {"a": ("string", "b")}}, "data.details.a", "must be null, true or false, a whole number, a number, a string, a list or an object, not tuple"),
    ("truthvouch", "alert.detected", {**DETECTED, "details": {1: "b"}}, "data.details", "must be a string, not a whole number"),
    ("driftguard", "breaking", {**CHECK, "changes": {}}, "data.changes", "must be a list, not an object"),
    ("driftguard", "breaking", {**CHECK, "changes": [CHANGE, {**CHANGE, "expected": 1}]}, "data.changes.1.expected", "must be a string, not a whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("system", "type", "data", "field", "reason"), MISFITS)
def test_misfit_names_its_field_and_says_why(
    system: str, type: str, data: Any, field: str, reason: str
) -> None:
    """The path leads to the value at fault, through records, lists and maps."""
    with pytest.raises(EventInvalid) as raised:
        SYSTEMS[system].event_types[type].check(data)
    assert (raised.value.field, raised.value.reason) == (field, reason)


def test_absent_null_and_whole_values_fit_where_they_may() -> None:
    """An optional field may be absent or null, a number whole, a record any mapping."""
    SYSTEMS["governlayer"].event_types["drift.alert"].check({**DRIFT, "drift_score": 1})
    alert = SYSTEMS["truthvouch"].event_types["alert.detected"]
    alert.check({**DETECTED, "source": {}, "details": {"a": None, "b": [1, None, "x"], "c": {"d": 1.5}}})
    alert.check({**DETECTED, "source": {"user_id": None}})


@pytest.mark.parametrize("details", [{"-type": "x"}, {"a": {"-type": "x"}}, {"a": {}, "b": []}])
def test_free_form_key_that_avros_writer_reads_as_a_hint_is_data(details: dict[str, Any]) -> None:
    """fastavro takes the key `-type` of a value in a union for the name of a branch."""
    event_type = SYSTEMS["truthvouch"].event_types["alert.detected"]
    data = {**DETECTED, "details": details}
    event_type.check(data)
    stored = io.BytesIO()
    fastavro.schemaless_writer(stored, event_type.parsed, data)
    read = fastavro.schemaless_reader(io.BytesIO(stored.getvalue()), event_type.parsed, None)
    assert isinstance(read, dict)
    assert read["details"] == details


def test_enum_and_named_types_are_checked_too() -> None:
    """Nothing here uses them, but a system may."""
    level = {"type": "enum", "name": "Level", "symbols": ["low", "high"]}
    fields = [{"name": "a", "type": level}, {"name": "b", "type": ["null", "Level"]}, {"name": "c", "type": ["double", "Level"]}]  # fmt: skip
    check = compile_check({"type": "record", "name": "R", "fields": fields})
    check({"a": "low", "b": "high", "c": "low"})
    check({"a": "low", "b": None, "c": 1})
    for changed, field in (({"a": "mid"}, "data.a"), ({"b": "mid"}, "data.b"), ({"c": "mid"}, "data.c")):
        data = {"a": "low", "b": "low", "c": 0.5, **changed}
        with pytest.raises(EventInvalid, match="must be one of low, high") as raised:
            check(data)
        assert raised.value.field == field


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.sampled_from(sorted(SYSTEMS)), st.data())
def test_what_fits_can_always_be_written_and_read_back(system: str, drawn: st.DataObject) -> None:
    """A publisher that passes the check never fails in Avro's writer, whatever it was given for a field."""
    event_type = SYSTEMS[system].event_types[drawn.draw(st.sampled_from(sorted(SYSTEMS[system].event_types)))]
    field = drawn.draw(st.sampled_from(sorted(event_type.field_names())))
    data: Mapping[str, Any] = {**event_type.example, field: drawn.draw(_VALUES)}
    try:
        event_type.check(data)
    except EventInvalid:
        return
    stored = io.BytesIO()
    fastavro.schemaless_writer(stored, event_type.parsed, data)
    read: Any = fastavro.schemaless_reader(io.BytesIO(stored.getvalue()), event_type.parsed, None)
    assert event_type.payload(read) == event_type.payload(data)
