"""The subscriptions of each organization, in the order in which they were created."""

from __future__ import annotations

import threading

from control.cursor import Position
from tocsin.subscriptions import Subscription


class Directory:
    """Fed by a table's thread, asked by requests."""

    def __init__(self) -> None:
        self._organization_of: dict[str, str] = {}
        self._by_organization: dict[str, dict[str, Subscription]] = {}
        self._lock = threading.Lock()

    def update(self, subscription_id: str, subscription: Subscription | None) -> None:
        """Take in the newest version of a subscription, or None when it was deleted."""
        with self._lock:
            organization = self._organization_of.pop(subscription_id, None)
            if organization is not None:
                self._remove(organization, subscription_id)
            if subscription is not None:
                self._organization_of[subscription_id] = subscription.organization
                self._by_organization.setdefault(subscription.organization, {})[subscription_id] = (
                    subscription
                )

    def get(self, organization: str, subscription_id: str) -> Subscription | None:
        """Return a subscription of an organization; None if there is none, or it is another's."""
        with self._lock:
            return self._by_organization.get(organization, {}).get(subscription_id)

    def all(self) -> list[Subscription]:
        """Return the subscriptions of every organization: for who looks after the installation, never for a tenant."""
        with self._lock:
            return [each for own in self._by_organization.values() for each in own.values()]

    def of(self, organization: str) -> list[Subscription]:
        """Return the subscriptions of an organization."""
        with self._lock:
            return list(self._by_organization.get(organization, {}).values())

    def page(self, organization: str, after: Position | None, limit: int) -> tuple[list[Subscription], bool]:
        """Return up to `limit` subscriptions behind a position, oldest first, and whether more follow."""
        behind = sorted(
            (one for one in self.of(organization) if after is None or position(one) > after), key=position
        )
        return behind[:limit], len(behind) > limit

    def _remove(self, organization: str, subscription_id: str) -> None:
        own = self._by_organization[organization]
        del own[subscription_id]
        if not own:
            del self._by_organization[organization]


def position(subscription: Subscription) -> Position:
    """Return where a subscription stands in a listing."""
    return subscription.created_at, subscription.id
