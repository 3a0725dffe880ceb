"""The lease under which a group's member acts. Pure: time is an argument.

A member that is cut off from its group does not hear that it was replaced, and one that was frozen hears it late. A
commit carries the member's epoch, which the group's coordinator accepts from members alone: one that was accepted
proves that this process was a member when the commit was begun. The group replaces nobody within a session of its last
heartbeat, so for a part of a session after that nobody else owns what is ours.
"""

from __future__ import annotations

from typing import Final

SHARE: Final = 0.3
"""Of the session. With a heartbeat at every fifth of it, what is begun under a lease has half of a session left."""
RENEW_SHARE: Final = 0.08
"""Of the session: how soon after a commit another one is due, for the sake of the lease."""
TAG_MAX_BYTES: Final = 8
"""What tells commits apart is added to their metadata, which the broker limits."""

_MARK: Final = ";"
_TAGS: Final = 16 ** (TAG_MAX_BYTES - len(_MARK))


class Lease:
    """The lease of one member; it holds nothing before the first proof.

    Args:
        session_s: The session of the group.
    """

    def __init__(self, session_s: float) -> None:
        self._lasts_s, self._renew_s = SHARE * session_s, RENEW_SHARE * session_s
        self._proven_s = float("-inf")
        self._due_s = float("-inf")
        self._tags = 0
        self._begun_s: dict[str, float] = {}

    def holds(self, now_s: float) -> bool:
        """Whether something may be begun."""
        return now_s - self._proven_s < self._lasts_s

    def is_due(self, now_s: float) -> bool:
        """Whether a commit should be made for its sake."""
        return now_s >= self._due_s

    def begin(self, now_s: float) -> str:
        """Note that a commit is begun, and return what to add to its metadata."""
        self._due_s = now_s + self._renew_s
        self._tags = (self._tags + 1) % _TAGS
        tag = f"{self._tags:x}"
        self._begun_s = {known: at for known, at in self._begun_s.items() if now_s - at < self._lasts_s}
        self._begun_s[tag] = now_s
        return _MARK + tag

    def accepted(self, metadata: str) -> None:
        """Note that a commit with this metadata was accepted; what counts is when it was begun, not now."""
        _, _, tag = metadata.rpartition(_MARK)
        self._proven_s = max(self._proven_s, self._begun_s.pop(tag, float("-inf")))


def without_tag(metadata: str) -> str:
    """Return a commit's metadata without what `Lease.begin` had added to it."""
    return metadata.partition(_MARK)[0]
