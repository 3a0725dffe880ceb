"""How often a key may ask. Pure but for `Limiter`, which remembers; time is an argument.

A window begins with a key's first request and lasts a minute. A bucket that refills while it is used would let more
through in the first minute than is documented. Each process counts for itself: behind a load balancer a key has the
limit once for each of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 60
POLICY: Final = '"default"'


@dataclass(frozen=True, slots=True)
class Window:
    """What a key has used; `began_ms` is on the limiter's clock."""

    began_ms: int
    used: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a key stands with one request.

    Attributes:
        limit: Requests a window.
        left: How many more it may make in this one.
        reset_s: Until the next one begins, rounded up.
        refused: Whether this request is one too many.
    """

    limit: int
    left: int
    reset_s: int
    refused: bool

    def headers(self) -> Mapping[str, str]:
        """Return the headers that tell of it (draft-ietf-httpapi-ratelimit-headers-10)."""
        return {
            "RateLimit-Policy": f"{POLICY};q={self.limit};w={WINDOW_S}",
            "RateLimit": f"{POLICY};r={self.left};t={self.reset_s}",
        }


def spend(window: Window | None, limit: int, now_ms: int, amount: int = 1) -> tuple[Window, Standing]:
    """Count one request; one that is refused counts for nothing.

    Args:
        window: As the last call for this key returned it, or None.
        limit: Requests a window.
        now_ms: On a clock that never goes back, milliseconds.
        amount: What it counts for.
    """
    if window is None or now_ms - window.began_ms >= 1000 * WINDOW_S:
        window = Window(now_ms)
    reset_s = -((now_ms - window.began_ms - 1000 * WINDOW_S) // 1000)
    if window.used + amount > limit:
        return window, Standing(limit, limit - window.used, reset_s, refused=True)
    window = Window(window.began_ms, window.used + amount)
    return window, Standing(limit, limit - window.used, reset_s, refused=False)


class Limiter:
    """The windows of every key that asks this process.

    Args:
        default: Requests a window, where a key's system documents no other number.
        clock_ms: A monotonic clock, milliseconds.
    """

    def __init__(self, default: int, clock_ms: Callable[[], int]) -> None:
        self._default = default
        self._clock_ms = clock_ms
        self._windows: dict[str, Window] = {}
        self._lock = threading.Lock()

    def spend(self, key_id: str, limit: int | None = None, amount: int = 1) -> Standing:
        """Count one request of a key; `limit` is what its system documents, or None."""
        with self._lock:
            found = self._windows.get(key_id)
            self._windows[key_id], standing = spend(found, limit or self._default, self._clock_ms(), amount)
        return standing
