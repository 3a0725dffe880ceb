"""How much of callers' bodies is held at once. Bounded memory: what does not fit is refused, not queued."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tocsin.http.problems import unavailable


class Room:
    """Memory for bodies.

    Args:
        max_bytes: Of all requests together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    @contextmanager
    def held(self, size_bytes: int) -> Iterator[None]:
        """Hold room for a body while a request is served.

        Raises:
            Problem: 503, there is none now.
        """
        if size_bytes > self._left:
            raise unavailable("too many bodies are being read; nothing was sent")
        self._left -= size_bytes
        try:
            yield
        finally:
            self._left += size_bytes
