"""Is it them, or is it us? When most endpoints cannot be connected to at once, our own network or DNS is down.

Then deliveries wait, instead of spending their schedules and filling the dead-letter topic with the world. Pure; time
is an argument.

    closed ──(most of at least `ENDPOINTS_MIN` endpoints unreachable)──▶ open ──(one endpoint answers)──▶ closed

An endpoint that answers anything, be it a 500, can be connected to; one that policy refuses tells nothing. With few
endpoints nobody can tell the two apart, and the breaker stays closed.
"""

from __future__ import annotations

from typing import Final

ENDPOINTS_MIN: Final = 8
UNREACHABLE_SHARE: Final = 0.8
REMEMBERED_S: Final = 60.0
PROBE_EVERY_S: Final = 1.0


class Breaker:
    """What is known of the reachability of all endpoints together.

    Attributes:
        open: Deliveries wait; one probe a second goes out.
    """

    def __init__(self) -> None:
        self.open = False
        self._unreachable: dict[str, float] = {}
        self._reached: dict[str, float] = {}
        self._probed_at_s = float("-inf")

    def note(self, endpoint: str, *, reachable: bool, now_s: float) -> None:
        """Note whether an endpoint could be connected to."""
        into, out_of = (self._reached, self._unreachable) if reachable else (self._unreachable, self._reached)
        out_of.pop(endpoint, None)
        into.pop(endpoint, None)  # to the end: dictionaries keep the order of insertion
        into[endpoint] = now_s
        if reachable and self.open:
            self.open = False
            self._unreachable.clear()
        elif not reachable:
            self.open = self.open or self._most_are_unreachable(now_s)

    def may_start(self, now_s: float) -> bool:
        """Return whether a POST may begin; while open, one a second, as a probe."""
        return not self.open or now_s - self._probed_at_s >= PROBE_EVERY_S

    def probed(self, now_s: float) -> None:
        """Note that a POST begins while it is open."""
        self._probed_at_s = now_s

    def _most_are_unreachable(self, now_s: float) -> bool:
        for known in (self._unreachable, self._reached):
            while known and now_s - next(iter(known.values())) > REMEMBERED_S:
                del known[next(iter(known))]
        known_of = len(self._unreachable) + len(self._reached)
        return known_of >= ENDPOINTS_MIN and len(self._unreachable) >= UNREACHABLE_SHARE * known_of
