"""A dead letter and a subscription, for whoever needs any."""

from __future__ import annotations

from typing import Final

from tocsin import secrets
from tocsin.deadletters import DeadLetter
from tocsin.deliveries import Progress
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

LETTER = DeadLetter(
    partition=0,
    offset=0,
    timestamp_ms=1_000,
    delivery_id="d",
    subscription_id="s",
    organization="acme",
    event_type="drift.alert",
    event_id="e",
    reason="exhausted",
    fault="subscriber",
    progress=Progress(attempt=5, last_status=500, last_error="HTTP 500"),
    source=None,
    value=b"v",
    headers=[],
    system="driftguard",
)

TOPIC: Final = "tocsin.subscriptions"
SYSTEMS: Final = load_systems()
OLD: Final = secrets.parse_keyring("test", secrets.new_key_line("old"))
PLAIN: Final = Subscription(
    "wh_1", "acme", "governlayer", "https://example.com/hook", ("*",), 0, 0, 0, headers={"X-Token": "canary"}
)
