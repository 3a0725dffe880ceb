"""What a program tells of itself: logs, metrics, traces, and whether it makes progress."""

from __future__ import annotations

from tocsin.telemetry.logs import configure_logging, legible

__all__ = ["configure_logging", "legible"]
