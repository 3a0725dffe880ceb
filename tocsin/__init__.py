"""Tocsin: governance events on Kafka, delivered as signed webhooks."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tocsin.client import Client
    from tocsin.publisher import Acknowledged, Publisher
    from tocsin.wire.verify import verify

__all__ = ["Acknowledged", "Client", "Publisher", "verify"]

_HOMES = {
    "Acknowledged": "tocsin.publisher",
    "Client": "tocsin.client",
    "Publisher": "tocsin.publisher",
    "verify": "tocsin.wire.verify",
}


def __getattr__(name: str) -> Any:
    # Imported on first use: a receiver that verifies signatures needs no Kafka client.
    if name not in _HOMES:
        raise AttributeError(f"module 'tocsin' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
