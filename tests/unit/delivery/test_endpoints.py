"""What is made of a subscription to send to it goes when the subscription does."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, cast

from consumers.delivery.endpoints import Endpoints
from tests.unit.delivery.world import DELIVERY
from tocsin import secrets
from tocsin.destinations import Policy
from tocsin.kafka.standing import StandingSubscriptions
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

KEYRING: Final = secrets.parse_keyring("test", secrets.new_key_line("k1"))


class Table(dict[str, Subscription]):
    """Subscriptions, read to the end."""

    position = 1

    def age_s(self) -> float:
        return 0.0


def subscription(name: str) -> Subscription:
    return Subscription(
        id=name,
        organization=DELIVERY.organization,
        system=DELIVERY.system,
        url="https://example.com/",
        event_types=("*",),
        created_at=0,
        updated_at=0,
        effective_at=0,
        offset=0,
    )


def finding(table: Table) -> Endpoints:
    return Endpoints(cast(StandingSubscriptions, table), load_systems(), KEYRING, Policy(), "subscriptions")


def find(endpoints: Endpoints, *names: str) -> None:
    for name in names:
        endpoints.find(replace(DELIVERY, subscription_id=name), 0)


def test_endpoint_of_a_deleted_subscription_is_forgotten_with_the_next_delivery_to_it() -> None:
    """Its opened address and signing keys must not stay for as long as the process runs."""
    table = Table({"a": subscription("a"), "b": subscription("b")})
    endpoints = finding(table)
    find(endpoints, "a", "b")
    del table["a"]
    find(endpoints, "a")
    assert set(endpoints._ready) == {"b"}


def test_no_more_endpoints_are_kept_than_there_are_subscriptions() -> None:
    """Nothing may ever come for a subscription that was deleted."""
    table = Table()
    endpoints = finding(table)
    for number in range(100):
        name = f"wh_{number}"
        table[name] = subscription(name)
        find(endpoints, name)
        del table[name]
    assert len(endpoints._ready) <= 2
