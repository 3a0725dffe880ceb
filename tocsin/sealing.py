"""What of a subscription is sealed in its record, and what is shown in the place of it.

Besides its signing secrets that is what often holds a token: the values of the owner's own headers, and a URL whose path
is all that a sender needs. In the topic, and wherever the keyring is not at hand, the URL stands as it is shown, and of
the headers only their names.

A sealed subscription is what is written and read; an opened one lives only where it is changed or sent to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tocsin.secrets import Keyring
from tocsin.subscriptions import StoredSecret, Subscription, all_sealed, live_secrets
from tocsin.wire.disclosure import shown_url
from tocsin.wire.formats import WireFormat

_URL: Final = "url"
_HEADER: Final = "header:"


def sealed(
    subscription: Subscription, keyring: Keyring, topic: str, wire: WireFormat, now_ms: int
) -> Subscription:
    """Return an opened subscription as it is written.

    Args:
        subscription: With its URL and its headers as they are.
        keyring: Its primary key seals.
        topic: Name of the subscriptions topic.
        wire: The subscription's format: it tells whether the URL is a secret.
        now_ms: Milliseconds since the epoch.
    """

    def seal(text: str, secret_id: str) -> StoredSecret:
        return keyring.seal(
            text,
            topic=topic,
            organization=subscription.organization,
            subscription=subscription.id,
            secret_id=secret_id,
            now_ms=now_ms,
        )

    shown = shown_url(subscription.url, wire)
    return replace(
        subscription,
        url=shown,
        sealed_url=None if shown == subscription.url else seal(subscription.url, _URL),
        headers={},
        sealed_headers={name: seal(value, _HEADER + name) for name, value in subscription.headers.items()},
    )


def opened(subscription: Subscription, keyring: Keyring, topic: str) -> Subscription:
    """Return a subscription with its URL and its headers as they are.

    Raises:
        NoSecret: A key is not in the keyring, or something was sealed for another place.
    """

    def text(stored: StoredSecret, secret_id: str) -> str:
        # The id says what it is: a header's value must not open as the URL.
        return keyring.open(
            replace(stored, id=secret_id),
            topic=topic,
            organization=subscription.organization,
            subscription=subscription.id,
        )

    url = subscription.url if subscription.sealed_url is None else text(subscription.sealed_url, _URL)
    headers = {name: text(stored, _HEADER + name) for name, stored in subscription.sealed_headers.items()}
    return replace(
        subscription, url=url, sealed_url=None, headers={**subscription.headers, **headers}, sealed_headers={}
    )


def rewrapped(
    subscription: Subscription, keyring: Keyring, topic: str, wire: WireFormat, now_ms: int
) -> Subscription:
    """Return a subscription with all that is sealed under the primary key, or the same object if it is already.

    What an earlier version left unsealed is sealed; signing secrets that hold no more are left out.

    Raises:
        NoSecret: A key is not in the keyring, or something was sealed for another place.
    """
    if not stale(subscription, keyring.primary) and not exposed(subscription, wire):
        return subscription
    secrets = tuple(
        keyring.rewrap(
            each, topic=topic, organization=subscription.organization, subscription=subscription.id
        )
        for each in live_secrets(subscription, now_ms)
    )
    plain = replace(opened(subscription, keyring, topic), secrets=secrets)
    return sealed(plain, keyring, topic, wire, now_ms)


def stale(subscription: Subscription, primary: str) -> bool:
    """Return whether something in a subscription is sealed with another key than `primary`."""
    return any(each.key_id != primary for each in all_sealed(subscription))


def exposed(subscription: Subscription, wire: WireFormat) -> bool:
    """Return whether something stands in a subscription's record that should be sealed."""
    return bool(subscription.headers) or (
        subscription.sealed_url is None and shown_url(subscription.url, wire) != subscription.url
    )
