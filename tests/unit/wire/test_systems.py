"""Loading: the five systems are whole, a sixth is a folder, and a malformed one names file, key and reason."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.unit.wire.folders import copied
from tests.unit.wire.samples import DELIVERY, an_event
from tocsin.errors import ConfigurationError
from tocsin.wire.contracts import contracts_root
from tocsin.wire.rendering import render
from tocsin.wire.signing import new_secret, sign
from tocsin.wire.systems import EventType, load_systems
from tocsin.wire.verify import verify

SYSTEMS = load_systems()
EVENT_TYPES = [
    pytest.param(event_type, id=f"{name}-{event_type.name}")
    for name in sorted(SYSTEMS)
    for event_type in SYSTEMS[name].event_types.values()
] + [pytest.param(notice, id=f"notice-{notice.name}") for notice in SYSTEMS["tork"].notices.values()]

DOCUMENTED_TYPES = {
    "governlayer": "drift.alert drift.resolved governance.escalation governance.decision compliance.status_change "
    "compliance.control_update audit.completed ledger.entry",
    "driftguard": "breaking warning pass",
    "compliancelayer": "scan.completed alert.triggered score.changed domain.added domain.removed",
    "tork": "policy.violation policy.warning approval.requested approval.decided approval.expired "
    "budget.threshold_reached budget.exceeded circuit_breaker.triggered circuit_breaker.reset jailbreak.detected "
    "agent.registered agent.updated",
    "truthvouch": "alert.detected alert.resolved alert.escalated certification.issued certification.revoked "
    "certification.expiring compliance.scan_completed compliance.violation_detected compliance.report_generated "
    "sentinel.online sentinel.offline sentinel.policy_sync_failed sentinel.threat_detected policy.updated "
    "policy.deployment_status",
}


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_system_has_exactly_the_documented_events(name: str) -> None:
    """None forgotten, none made up."""
    assert sorted(SYSTEMS[name].event_types) == sorted(DOCUMENTED_TYPES[name].split())


def test_every_system_has_the_notices_besides() -> None:
    for system in SYSTEMS.values():
        assert set(system.notices) == {"endpoint.disabled"}
        assert [each.name for each in system.catalogue()] == [*system.event_types, "endpoint.disabled"]
        assert system.event_type("endpoint.disabled") is system.notices["endpoint.disabled"]
        assert system.event_type("endpoint.enabled") is None


def test_event_type_with_the_name_of_a_notice_is_refused(tmp_path: Path) -> None:
    root = copied(tmp_path, "tork")
    shutil.copytree(contracts_root() / "notices", root / "notices")
    path = root / "tork" / "policy_warning.avsc"
    path.write_text(path.read_text().replace("policy.warning", "endpoint.disabled"))
    with pytest.raises(ConfigurationError, match=r"endpoint\.disabled.*notice"):
        load_systems(root)


def test_there_are_five_systems_and_five_open_formats() -> None:
    """The mapping knows its members; the pipeline's own schemas are none."""
    assert set(SYSTEMS) == set(DOCUMENTED_TYPES)
    assert len(SYSTEMS) == 5
    assert set(SYSTEMS.formats) == {
        "cloudevents-binary",
        "cloudevents-structured",
        "pagerduty",
        "slack",
        "standard-webhooks",
    }


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_example_fits_its_schema_and_survives_avro(event_type: EventType) -> None:
    """Strictly: no field more, none less; and what is read back is rendered as it was given."""
    example = dict(event_type.example)
    event_type.check(example)
    stored = io.BytesIO()
    fastavro.schemaless_writer(stored, event_type.parsed, example)
    read = fastavro.schemaless_reader(io.BytesIO(stored.getvalue()), event_type.parsed, None)
    assert isinstance(read, dict)
    assert json.dumps(event_type.payload(read)) == json.dumps(example)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_field_is_described(event_type: EventType) -> None:
    """Also those of records inside."""

    def undescribed(node: Any) -> list[str]:
        if isinstance(node, list):
            return [name for each in node for name in undescribed(each)]
        if not isinstance(node, dict):
            return []
        own = [each["name"] for each in node.get("fields", []) if not each.get("doc")]
        return own + [
            name for key in ("type", "fields", "items", "values") for name in undescribed(node.get(key))
        ]

    schema = {key: value for key, value in event_type.schema.items() if key == "fields"}
    assert undescribed(schema) == []
    assert event_type.description


def test_wire_format_of_a_subscription_is_the_same_object_each_time() -> None:
    """The router remembers renderings by it."""
    for format in (None, *SYSTEMS.formats):
        assert SYSTEMS.wire_format("tork", format) is SYSTEMS.wire_format("tork", format)
    assert SYSTEMS.wire_format("tork", "tork") is SYSTEMS["tork"].wire
    for system, wanted in (
        ("nobody", None),
        ("tork", "nothing"),
        ("tork", "truthvouch"),
        ("nobody", "slack"),
    ):
        with pytest.raises(KeyError):
            SYSTEMS.wire_format(system, wanted)


SIXTH = """
title = "Sixth"
retries = ["5s", "24h"]
timeout_s = 10

[body]
kind = "${event.type}"
what = "${event.data.what|default:nothing}"
ref = "six_${delivery.hex}"

[headers]
X-Sixth-Kind = "${event.type}"

[signature]
header = "X-Sixth-Signature"
content = ["id", "timestamp", "body"]
encoding = "base64"
prefix = "sig="
id_header = "X-Sixth-Id"
timestamp_header = "X-Sixth-Time"
multiple = true

[secret]
key = "base64"
prefix = "six_"
max_bytes = 64
"""
SIXTH_SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "SomethingHappened",
    "namespace": "tocsin.sixth_system",
    "doc": "Something happened.",
    "eventType": "something.happened",
    "exampleSource": "tocsin",
    "example": {"what": "this"},
    "fields": [{"name": "what", "type": "string", "doc": "What."}],
}


def _sixth(tmp_path: Path, toml: str = SIXTH, **changes: Any) -> Path:
    folder = tmp_path / "schemas" / "sixth-system"
    folder.mkdir(parents=True)
    (folder / "system.toml").write_text(toml)
    schema = {key: value for key, value in {**SIXTH_SCHEMA, **changes}.items() if value is not None}
    (folder / "something.avsc").write_text(json.dumps(schema))
    return tmp_path / "schemas"


def test_sixth_system_is_a_folder(tmp_path: Path) -> None:
    """Rendered, signed with two secrets, and verified, from two files and no line of Python."""
    systems = load_systems(_sixth(tmp_path))
    system = systems["sixth-system"]
    assert (system.title, system.retries, system.timeout_s) == ("Sixth", ("5s", "24h"), 10)
    rendered = render(system.wire, an_event("sixth-system", "something.happened"), {"what": "this"}, DELIVERY)
    ref = f"six_{DELIVERY.id.hex}"
    assert rendered.body.decode() == f'{{"kind":"something.happened","what":"this","ref":"{ref}"}}'
    assert rendered.headers == (("X-Sixth-Kind", "something.happened"),)
    new = new_secret(system.wire.signature, lambda count: b"n" * count)
    old = new_secret(system.wire.signature, lambda count: b"o" * count)
    headers = sign(system.wire.signature, [new, old], message_id="m_1", timestamp=100, body=rendered.body)
    assert [name for name, _ in headers] == ["X-Sixth-Id", "X-Sixth-Time", "X-Sixth-Signature"]
    for secret in (new, old):
        verify(system, headers, rendered.body, secret, now=100)


MALFORMED_TOML: list[tuple[str, str, str, str]] = [
    ("not TOML", "= 1\n" + SIXTH, "", "is not TOML"),
    ("title missing", SIXTH.replace('title = "Sixth"', ""), "title", "required"),
    ("unknown key", "colour = 1\n" + SIXTH, "colour", "not permitted"),
    (
        "unknown key in a table",
        SIXTH.replace("multiple =", "multiply ="),
        "signature.multiply",
        "not permitted",
    ),
    ("wrong type", SIXTH.replace("timeout_s = 10", 'timeout_s = "10"'), "timeout_s", "number"),
    ("timeout too long", SIXTH.replace("timeout_s = 10", "timeout_s = 31"), "timeout_s", "30"),
    ("no such tier", SIXTH.replace('"24h"', '"23h"'), "retries", "23h is no tier"),
    ("unknown name", SIXTH.replace("event.data.what", "event.date.what"), "body.what", "unknown name"),
    ("unknown filter", SIXTH.replace("|default", "|otherwise"), "body.what", "unknown filter"),
    ("body is text", SIXTH.replace("[body]", 'body = "${event.id}"\n[maps.x]'), "body", "must be an object"),
    (
        "header not ASCII",
        SIXTH.replace('Kind = "${event.type}"', 'Kind = "é"'),
        "headers.X-Sixth-Kind",
        "ASCII",
    ),
    (
        "header breaks the request",
        SIXTH.replace("X-Sixth-Kind", "Content-Length"),
        "headers.Content-Length",
        "may set",
    ),
    (
        "header of the connection",
        SIXTH.replace("X-Sixth-Kind", "Content-Encoding"),
        "headers.Content-Encoding",
        "may set",
    ),
    (
        "header name without an end",
        SIXTH.replace("X-Sixth-Kind", "X" * 101),
        f"headers.{'X' * 101}",
        "may set",
    ),
    (
        "header of the signature",
        SIXTH.replace("X-Sixth-Kind", "x-sixth-time"),
        "headers.x-sixth-time",
        "may set",
    ),
    ("header name with a space", SIXTH.replace("X-Sixth-Kind", '"X Sixth"'), "headers.X Sixth", "may set"),
    (
        "object in a header",
        SIXTH.replace('Kind = "${event.type}"', 'Kind = "${event.data}"'),
        "headers.X-Sixth-Kind",
        "'...'",
    ),
    (
        "body is not signed",
        SIXTH.replace('"timestamp", "body"', '"timestamp"'),
        "signature",
        "ends in 'body'",
    ),
    (
        "signed but not sent",
        SIXTH.replace('timestamp_header = "X-Sixth-Time"', ""),
        "signature",
        "must carry it",
    ),
    ("unknown part", SIXTH.replace('"id", "timestamp"', '"url", "timestamp"'), "signature.content.0", "id"),
    (
        "unknown encoding",
        SIXTH.replace('encoding = "base64"', 'encoding = "base32"'),
        "signature.encoding",
        "hex",
    ),
    ("weak secrets", SIXTH.replace("max_bytes = 64", "min_bytes = 8"), "secret.min_bytes", "24"),
    ("scope without a field", SIXTH + '[api]\nscope = ["nowhere"]', "api.scope", "has no field 'nowhere'"),
    ("path that is none", SIXTH + '[api]\npaths = ["v1 webhooks"]', "api.paths.0", "pattern"),
    ("test of no event", SIXTH + '[test]\nevent_type = "else.where"', "test.event_type", "is no event"),
    (
        "format that is none",
        SIXTH + '[endpoint.formats]\n"h.example" = "telex"',
        "endpoint.formats.h.example",
        "no open format",
    ),
    (
        "example without a value",
        SIXTH.replace('"six_${delivery.hex}"', '"about ${event.subject}"'),
        "body",
        "the example of something.happened: event.subject has no value",
    ),
    (
        "flat and twice",
        SIXTH.replace('ref = "six_${delivery.hex}"', '"..." = "${event.data}"'),
        "body",
        "'what' is a field of",
    ),
]


@pytest.mark.parametrize(
    ("toml", "key", "reason"), [case[1:] for case in MALFORMED_TOML], ids=[case[0] for case in MALFORMED_TOML]
)
def test_malformed_declaration_names_file_key_and_reason(
    tmp_path: Path, toml: str, key: str, reason: str
) -> None:
    """At load; nothing starts half-configured."""
    assert toml != SIXTH
    with pytest.raises(ConfigurationError) as raised:
        load_systems(_sixth(tmp_path, toml))
    assert raised.value.file == str(tmp_path / "schemas" / "sixth-system" / "system.toml")
    assert raised.value.key == key
    assert reason in raised.value.reason


MALFORMED_SCHEMAS: list[tuple[str, dict[str, Any], str, str]] = [
    ("not a record", {"type": "enum"}, "type", "must be a record"),
    ("another's namespace", {"namespace": "tocsin.tork"}, "namespace", "must be tocsin.sixth_system"),
    ("no description", {"doc": None}, "doc", "when the event happens"),
    ("no event type", {"eventType": None}, "eventType", "dotted"),
    ("event type with a space", {"eventType": "some thing"}, "eventType", "dotted"),
    ("no example", {"example": None}, "example", "data of an example"),
    ("example lacks a field", {"example": {}}, "example", "does not fit"),
    ("example of the wrong type", {"example": {"what": 1}}, "example", "does not fit"),
    ("example has a field more", {"example": {"what": "x", "more": 1}}, "example", "does not fit"),
    ("nobody's example", {"exampleSource": "rumour"}, "exampleSource", "documentation or tocsin"),
    ("version zero", {"version": 0}, "version", "from 1"),
    ("no name", {"name": None}, "", "no Avro schema"),
    ("no fields", {"fields": None}, "", "no Avro schema"),
    ("unknown Avro type", {"fields": [{"name": "what", "type": "strng", "doc": "d"}]}, "", "no Avro schema"),
    ("bytes", {"fields": [{"name": "what", "type": "bytes", "doc": "d"}]}, "fields.what", "no JSON form"),
]


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [case[1:] for case in MALFORMED_SCHEMAS],
    ids=[case[0] for case in MALFORMED_SCHEMAS],
)
def test_malformed_schema_names_file_key_and_reason(
    tmp_path: Path, changes: dict[str, Any], key: str, reason: str
) -> None:
    """The schema's file, not the folder."""
    with pytest.raises(ConfigurationError) as raised:
        load_systems(_sixth(tmp_path, **changes))
    assert raised.value.file == str(tmp_path / "schemas" / "sixth-system" / "something.avsc")
    assert raised.value.key == key
    assert reason in raised.value.reason


def test_folder_that_is_no_system_is_an_error(tmp_path: Path) -> None:
    """A forgotten system.toml, no event types, a name that no topic can have, a format's name."""
    root = _sixth(tmp_path)
    (root / "sixth-system" / "system.toml").rename(root / "system.toml")
    with pytest.raises(ConfigurationError, match=r"system.toml: cannot be read"):
        load_systems(root)
    (root / "system.toml").rename(root / "sixth-system" / "system.toml")
    (root / "sixth-system" / "something.avsc").rename(root / "something.avsc")
    with pytest.raises(ConfigurationError, match="no event types"):
        load_systems(root)
    (root / "something.avsc").rename(root / "sixth-system" / "something.avsc")
    (root / "sixth-system").rename(root / "Sixth.System")
    with pytest.raises(ConfigurationError, match="lower-case"):
        load_systems(root)


def test_two_schemas_of_one_event_type_are_an_error(tmp_path: Path) -> None:
    """Otherwise the last file would win."""
    root = _sixth(tmp_path)
    (root / "sixth-system" / "twin.avsc").write_text(json.dumps({**SIXTH_SCHEMA, "name": "Twin"}))
    with pytest.raises(ConfigurationError, match=r"twin.avsc: eventType"):
        load_systems(root)


def test_key_that_stands_twice_in_a_schema_is_an_error(tmp_path: Path) -> None:
    """JSON readers silently take the last."""
    root = _sixth(tmp_path)
    path = root / "sixth-system" / "something.avsc"
    path.write_text(path.read_text().replace('"doc":', '"doc": "first", "doc":', 1))
    with pytest.raises(ConfigurationError, match="'doc' stands twice"):
        load_systems(root)


FORMATS: list[tuple[str, str, str, str, str]] = [
    ("secret in two places", "pagerduty.toml", 'signature = "none"', 'signature = "system"', "signature"),
    ("secret over a field", "pagerduty.toml", 'path = "routing_key"', 'path = "client"', "secret_field.path"),
    (
        "signature without header",
        "standard-webhooks.toml",
        'header = "webhook-signature"',
        "",
        "signature.header",
    ),
    ("unknown signature", "slack.toml", 'signature = "system"', 'signature = "some"', "signature"),
    ("map that is none", "slack.toml", "[maps.icon]", "[maps.image]", "body.blocks.0.text.text"),
]


@pytest.mark.parametrize(
    ("file", "old", "new", "key"), [case[1:] for case in FORMATS], ids=[case[0] for case in FORMATS]
)
def test_malformed_format_names_file_and_key(tmp_path: Path, file: str, old: str, new: str, key: str) -> None:
    """An open format is as strict as a system."""
    root = copied(tmp_path, "tork", lambda text: text.replace(old, new), file)
    with pytest.raises(ConfigurationError) as raised:
        load_systems(root)
    assert raised.value.file == str(root / "formats" / file)
    assert raised.value.key == key


def test_format_with_a_systems_name_is_an_error(tmp_path: Path) -> None:
    """A name means one thing to `verify`."""
    root = copied(tmp_path, "tork")
    (root / "formats" / "slack.toml").rename(root / "formats" / "tork.toml")
    with pytest.raises(ConfigurationError, match="a system has this name"):
        load_systems(root)


def test_contracts_of_this_installation_are_read_once() -> None:
    """Every program and the publisher share them."""
    assert load_systems() is load_systems()
    assert (contracts_root() / "pipeline").is_dir()
