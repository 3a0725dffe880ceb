"""The topics as an AsyncAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import reduce
from typing import Any

import fastavro

from tocsin.kafka import asyncapi
from tocsin.kafka.topics import Topics
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
TOPICS = Topics("mine")
DOCUMENT = asyncapi.document(SYSTEMS, TOPICS, "1.2.3")


def references(node: Any) -> Iterator[str]:
    """Yield every reference in a document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_topic_of_an_installation_has_a_channel() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {spec.name for spec in TOPICS.specs(SYSTEMS)}


def test_every_event_type_is_a_message_of_its_systems_channel() -> None:
    for system in SYSTEMS.values():
        messages = DOCUMENT["channels"][f"events.{system.name}"]["messages"]
        assert list(messages) == [f"{system.name}.{known.name}" for known in system.catalogue()]


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert found
    for each in found:
        path = each.removeprefix("#/").split("/")
        assert reduce(lambda node, name: node[name], path, DOCUMENT)


def test_every_payload_is_an_avro_schema_and_every_example_fits() -> None:
    for message in DOCUMENT["components"]["messages"].values():
        parsed = fastavro.parse_schema(json.loads(json.dumps(message["payload"]["schema"])))
        for example in message.get("examples", ()):
            fastavro.validate(example["payload"], parsed)


def test_document_says_of_what_kind_it_is() -> None:
    assert (DOCUMENT["asyncapi"], DOCUMENT["info"]["version"]) == ("3.0.0", "1.2.3")
    assert {operation["action"] for operation in DOCUMENT["operations"].values()} == {"send", "receive"}
    names = [*DOCUMENT["channels"], *DOCUMENT["operations"], *DOCUMENT["components"]["messages"]]
    assert all(re.fullmatch(r"[a-zA-Z0-9._-]+", name) for name in names)
