"""Two versions side by side read what the other one writes: during an upgrade, and for as long as old records lie there.

The registry refuses a schema that cannot read what an earlier one wrote. That an *earlier* version reads what this one writes,
it checks for tables alone; here it is checked for everything.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import fastavro
import pytest

from tests.harness import avro, logbook, release
from tocsin import deliveries, jobs, keys, subscriptions, tiers
from tocsin.deliveries import Decision, Progress
from tocsin.errors import Undecodable
from tocsin.jobs import ReplayProgress, ReplayRequest
from tocsin.kafka.topics import Topics
from tocsin.keys import ApiKey
from tocsin.selection import Selection
from tocsin.subscriptions import StoredSecret, Subscription

Schema = Mapping[str, Any]

CURRENT: Final[Mapping[str, Schema]] = json.loads(json.dumps(release.schemas(), default=dict))
RELEASED: Final[Mapping[str, Mapping[str, Schema]]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(release.FOLDER.glob("*.json"))
}
PAIRS: Final = [
    pytest.param(schema, CURRENT[name], id=f"{version}-{name}")
    for version, schemas in RELEASED.items()
    for name, schema in schemas.items()
    if schema != CURRENT[name] or name.startswith("pipeline/")
]
"""What a release wrote and what stands there now, where there is anything to be told apart."""


def resolved(record: Any, writer: Schema, reader: Schema) -> Any:
    """Return a record as somebody with another version of its schema reads it."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, plain(writer), record)
    out.seek(0)
    return fastavro.schemaless_reader(out, plain(writer), plain(reader))


def plain(schema: Any) -> Any:
    """Return a schema without logical types: times are compared as they are stored."""
    if isinstance(schema, dict):
        return {key: plain(value) for key, value in schema.items() if key != "logicalType"}
    return [plain(each) for each in schema] if isinstance(schema, list) else schema


def names(schema: Schema) -> set[str]:
    return {field["name"] for field in schema["fields"]}


@pytest.mark.parametrize("full", [False, True], ids=["least", "most"])
@pytest.mark.parametrize(("released", "current"), PAIRS)
def test_this_version_and_a_released_one_read_what_the_other_writes(
    released: Schema, current: Schema, full: bool
) -> None:
    """What both know arrives as it was; what the reader alone knows has its default."""
    for writer, reader in ((released, current), (current, released)):
        written = avro.example(writer, full)
        found = resolved(written, writer, reader)
        defaults = {field["name"]: field.get("default") for field in reader["fields"]}
        for name in names(reader):
            assert found[name] == (written[name] if name in names(writer) else defaults[name])


SECRET: Final = StoredSecret("s1", "k1", b"nonce", b"sealed", 1)
OLD: Final[Mapping[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]]] = {
    "delivery": (logbook.delivery("e1"), deliveries.to_record, deliveries.from_record),
    "subscription": (
        Subscription("wh_1", "acme", "one", "https://e.com/", ("*",), 1, 2, 3, secrets=(SECRET,), version=4),
        subscriptions.to_record,
        lambda record: subscriptions.from_record(record, -1),
    ),
    "api_key": (
        ApiKey("k", "acme", "one", b"d" * 32, ("webhooks:read",), 1, "of a test", 9),
        keys.to_record,
        keys.from_record,
    ),
    "replay_request": (
        ReplayRequest("r1", "somebody", 1, Selection(subscription_id="wh_1", reason="exhausted"), "why", 7.0),
        jobs.request_to_record,
        jobs.request_from_record,
    ),
    "replay_progress": (
        ReplayProgress("r1", "running", 9, {"0": 5}, {"0": 2}, 1, 3, 4, {"0": 1}),
        jobs.progress_to_record,
        jobs.progress_from_record,
    ),
}
"""What the first release could say, with how it is written and read."""


@pytest.mark.parametrize("version", RELEASED)
@pytest.mark.parametrize("name", OLD)
def test_record_of_a_release_means_here_what_it_meant_there(version: str, name: str) -> None:
    meant, write, read = OLD[name]
    released = RELEASED[version][f"pipeline/{name}"]
    assert read(resolved(write(meant), released, CURRENT[f"pipeline/{name}"])) == meant


@pytest.mark.parametrize("version", RELEASED)
def test_attempt_of_a_release_is_projected_as_it_was_written(version: str) -> None:
    record = deliveries.attempt_record(logbook.attempt(logbook.delivery("e1"), "retry", tier="1m"))
    released = RELEASED[version]["pipeline/attempt"]
    assert resolved(record, released, CURRENT["pipeline/attempt"]) == record


def packed(decision: Decision, **more: Any) -> bytes:
    """Return a decision as a newer version might pack it."""
    fields = json.loads(deliveries.pack_decision(decision))
    fields["progress"] |= more
    return json.dumps(fields | more).encode()


def test_decision_of_a_newer_version_is_understood_without_what_it_says_besides() -> None:
    """Else a process that takes over from a newer one could not repeat the effect, and stopped."""
    meant = Decision("retry", "1m", Progress(step=1, attempt=1, last_status=500), fault="subscriber")
    assert deliveries.unpack_decision(packed(meant, colour="red", weight=3)) == meant


@pytest.mark.parametrize(
    "wrong", [b"{}", b"[]", b'{"verdict":"retry"}', b'{"verdict":"retry","progress":"x"}']
)
def test_decision_that_lacks_what_is_needed_is_none(wrong: bytes) -> None:
    with pytest.raises(Undecodable):
        deliveries.unpack_decision(wrong)


def test_effect_of_a_newer_version_can_be_repeated_on_a_tier_that_is_not_known_here() -> None:
    assert "3d" not in tiers.TIERS
    assert Topics("tocsin").delay("3d") == "tocsin.delay.3d"
    assert all(tiers.is_name(tier) for tier in tiers.TIERS)
    for wrong in ("", "5", "0s", "5 s", "5s/../x", "12345s"):
        with pytest.raises(KeyError):
            Topics("tocsin").delay(wrong)


def test_delivery_that_waits_keeps_its_place_through_a_version_that_knows_less() -> None:
    """Headers that a program does not know are no reason to refuse a record."""
    meant = Progress(run="r1", step=3, attempt=2)
    headers = [*deliveries.progress_headers(meant), ("tocsin_colour", b"red")]
    assert deliveries.read_progress(headers) == meant
    assert replace(meant, step=4) == meant.hop()
