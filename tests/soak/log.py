"""The delivery log against the attempts topic: each decision stands in it, and was counted, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import SecretStr
from sqlalchemy import func, select

from tests.soak.ledgers import Tried
from tocsin.ledger.store import Store
from tocsin.ledger.tables import attempts, minutes


def differences(url: SecretStr, tried: Iterable[Tried]) -> list[str]:
    """Return in words what a log has otherwise than the topic."""
    said = {each.identity: each.verdict for each in reversed(list(tried))}
    store = Store(url)
    try:
        with store.reading() as connection:
            rows = connection.execute(
                select(attempts.c.delivery_id, attempts.c.run, attempts.c.step, attempts.c.verdict)
            )
            logged = {(row.delivery_id, row.run, row.step): row.verdict for row in rows}
            counted = connection.execute(
                select(func.sum(minutes.c.delivered), func.sum(minutes.c.dead))
            ).one()
    finally:
        store.close()
    found = [
        f"{identity} is {logged.get(identity)}, not {said.get(identity)}"
        for identity, _ in said.items() ^ logged.items()
    ]
    verdicts = Counter(said.values())
    if tuple(count or 0 for count in counted) != (verdicts["delivered"], verdicts["dead_letter"]):
        found.append(f"counts are {tuple(counted)}, not {verdicts['delivered'], verdicts['dead_letter']}")
    return found
