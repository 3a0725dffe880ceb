"""What a template may speak of: the event and the delivery."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An event's attributes, as templates see them.

    Attributes:
        id: Unique within `source` and `type`.
        source: Who says so.
        type: Event type of the system.
        time: When it happened; aware.
        organization: The tenant.
        subject: What it happened to, or None.
        system: Name of the system.
        attributes: Every other CloudEvents attribute, lower-case names without `ce_`.
    """

    id: str
    source: str
    type: str
    time: datetime
    organization: str
    subject: str | None
    system: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """The delivery's identity, constant over its attempts."""

    id: uuid.UUID
    subscription_id: str
