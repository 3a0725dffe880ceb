"""The topics as an AsyncAPI 3 document, made of the schemas and of nothing else. Pure.

It speaks as Tocsin: it receives events, and sends and receives what travels inside of the pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tocsin import tiers
from tocsin.events import SPEC_VERSION
from tocsin.kafka import pipeline
from tocsin.kafka.pipeline import RECORDS
from tocsin.kafka.topics import Topics
from tocsin.wire.systems import EventType, System, Systems

VERSION: Final = "3.0.0"
_AVRO: Final = "application/vnd.apache.avro;version=1.11.0"
_OURS: Final = frozenset({"example", "exampleSource", "eventType", "version"})

_TEXT: Final = {"type": "string"}
_ATTRIBUTES: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "ce_specversion": {"type": "string", "const": SPEC_VERSION},
        "ce_id": _TEXT | {"description": "Unique within source and type: the same id is delivered once."},
        "ce_source": _TEXT,
        "ce_type": _TEXT,
        "ce_time": _TEXT | {"format": "date-time"},
        "ce_organization": _TEXT | {"description": "The tenant whose subscriptions are asked."},
        "ce_subject": _TEXT,
    },
    "required": ["ce_type", "ce_organization"],
}


def document(systems: Systems, topics: Topics, version: str) -> dict[str, Any]:
    """Return the document.

    Args:
        systems: Whose events there are.
        topics: Their names in this installation.
        version: Of Tocsin.
    """
    messages = {
        f"{system.name}.{known.name}": _event(system, known)
        for system in systems.values()
        for known in system.catalogue()
    }
    messages |= {name: _record(pipeline.schema(name)) for name in RECORDS}
    channels = {
        f"events.{system.name}": _channel(
            topics.events(system.name),
            f"Events of {system.title}.",
            [f"{system.name}.{known.name}" for known in system.catalogue()],
        )
        for system in systems.values()
    }
    events = list(channels)
    channels |= _pipeline(topics)
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Tocsin",
            "version": version,
            "description": "Governance events, and the topics on which they are delivered as signed webhooks.",
        },
        "defaultContentType": "application/avro",
        "channels": channels,
        "operations": {f"receive.{name}": _operation("receive", name) for name in events}
        | {f"send.{name}": _operation("send", name) for name in channels if name not in events},
        "components": {"messages": messages},
    }


def _pipeline(topics: Topics) -> dict[str, Any]:
    described: dict[str, tuple[str, str, list[str]]] = {
        "deliveries": (topics.deliveries, "Live work: one event for one subscription.", ["delivery"]),
        "redeliveries": (topics.redeliveries, "Retries that are due, and replays.", ["delivery"]),
        **{
            f"delay.{tier}": (topics.delay(tier), f"Retries that wait for {tier}.", ["delivery"])
            for tier in tiers.TIERS
        },
        "attempts": (topics.attempts, "Every decision about a delivery.", ["attempt"]),
        "dlq": (topics.dlq, "Dead letters: the delivery's own bytes, the reason in headers.", ["delivery"]),
        "quarantine": (topics.quarantine, "What could not be read or rendered.", ["quarantined"]),
        "subscriptions": (topics.subscriptions, "Who wants which events where.", ["subscription"]),
        "health": (topics.health, "Which endpoints are disabled.", ["endpoint_health"]),
        "keys": (topics.keys, "API keys.", ["api_key"]),
        "clock": (topics.clock, "What time it is at the broker.", []),
        "jobs": (
            topics.jobs,
            "Replays and the like: asked for, wanted, how far.",
            ["replay_request", "job_control", "replay_progress"],
        ),
        "audit": (topics.audit, "Who changed what, when and why.", ["audit_entry"]),
    }
    return {name: _channel(*told) for name, told in described.items()}


def _channel(topic: str, description: str, messages: Iterable[str]) -> dict[str, Any]:
    return {
        "address": topic,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": "0.5.0"}},
    }


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _event(system: System, known: EventType) -> dict[str, Any]:
    return {
        "name": known.name,
        "title": f"{system.title}: {known.name}",
        "summary": known.description,
        "headers": dict(_ATTRIBUTES),
        "payload": _payload(known.schema),
        "bindings": {
            "kafka": {
                "key": _TEXT | {"description": "The organization, or the event's partitionkey."},
                "bindingVersion": "0.5.0",
            }
        },
        "examples": [{"name": "example", "payload": dict(known.example)}],
    }


def _record(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": schema["name"], "summary": schema["doc"], "payload": _payload(schema)}


def _payload(schema: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in schema.items() if name not in _OURS}
    return {"schemaFormat": _AVRO, "schema": plain}
