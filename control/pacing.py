"""What makes a request leave for somebody's endpoint is paced: a caller of this API is no cannon."""

from __future__ import annotations

from typing import Final

from tocsin.http.problems import Problem
from tocsin.http.rate import WINDOW_S, Limiter

PER_MINUTE: Final = 60
"""Tests and resends for one webhook, whoever asks for them."""


def spend(pacer: Limiter, webhook_id: str) -> None:
    """Count one request that is to leave for a webhook.

    Raises:
        Problem: 429, it is one too many.
    """
    standing = pacer.spend(webhook_id, PER_MINUTE)
    if standing.refused:
        told = f"over {PER_MINUTE} tests and resends for this webhook within {WINDOW_S} s"
        raise Problem(429, "too_many_for_webhook", told, headers={"Retry-After": str(standing.reset_s)})
