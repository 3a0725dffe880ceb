"""Register a webhook, try it out, and remove it again.

TOCSIN_API_KEY=toc_… python examples/manage_webhooks.py https://example.com/webhooks
"""

from __future__ import annotations

import sys

import tocsin


def main(url: str) -> None:
    """Go through the life of a webhook."""
    with tocsin.Client() as client:
        webhook = client.webhooks.create(url=url, events=["*"], description="an example")
        print(f"Webhook ID: {webhook.id}")
        print(f"Signing secret: {webhook.secret}")

        event_type = client.event_types()[0]["type"]
        print(f"Test delivery: {client.webhooks.test(webhook.id, event_type)}")

        disabled = client.webhooks.change(webhook.id, active=False, if_version=webhook.version)
        print(f"Version {disabled.version} is {'active' if disabled.active else 'disabled'}")

        print(f"New signing secret: {client.webhooks.rotate_secret(webhook.id).secret}")
        client.webhooks.delete(webhook.id)


if __name__ == "__main__":
    main(sys.argv[1])
