"""Facts to render with, and the documents' own examples."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tocsin.wire.rendering import DeliveryFacts, EventFacts

DATA = Path(__file__).parents[2] / "data"
DELIVERY = DeliveryFacts(uuid.UUID("5d9e2c1a-7b34-5f60-8a91-3c4d5e6f7081"), "wh_1")
TIME = datetime(2026, 4, 25, 14, 30, 0, 123456, tzinfo=UTC)


def an_event(system: str, type: str, **changes: Any) -> EventFacts:
    """Return an event's facts."""
    facts: dict[str, Any] = {
        "id": "evt-1",
        "source": "/source",
        "time": TIME,
        "organization": "acme",
        "subject": None,
        "attributes": {},
    }
    return EventFacts(**facts | {"system": system, "type": type} | changes)


@dataclass(frozen=True, slots=True)
class Documented:
    """A body as a system's document shows it."""

    system: str
    name: str
    body: Mapping[str, Any]

    @property
    def type(self) -> str:
        """Its event type."""
        return str(self.body.get("type") or self.body["event_type"])

    @property
    def data(self) -> Mapping[str, Any]:
        """What is the event's own in it."""
        for key in ("payload", "data"):
            if key in self.body:
                inner: Mapping[str, Any] = self.body[key]
                return inner
        return {k: v for k, v in self.body.items() if k not in ("event_type", "timestamp", "organization_id")}

    def event(self) -> EventFacts:
        """Return the event that the document shows the delivery of."""
        moment = self.body.get("timestamp") or self.body["created_at"]
        return an_event(
            self.system,
            self.type,
            id=self.body.get("id", "evt-1"),
            time=datetime.fromisoformat(moment),
            organization=self.body.get("organization_id", "acme"),
        )


def documented() -> list[Documented]:
    """Return every body that the documents show."""
    files = sorted((DATA / "documented").glob("*/*.json"))
    return [Documented(path.parent.name, path.stem, json.loads(path.read_text())) for path in files]
