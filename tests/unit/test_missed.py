"""What an endpoint missed is only looked for where somebody can say what it wants."""

from __future__ import annotations

import pytest

from tocsin.errors import FilterInvalid
from tocsin.kafka.registry import Registry
from tocsin.missed import Search
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

NOBODY = "http://127.0.0.1:1/apis/ccompat/v7"


def search(filters: str | None) -> Search:
    """Return a search for a subscription with these filters, as they stand in the topic."""
    subscription = Subscription(
        id="wh_1",
        organization="acme",
        system="governlayer",
        url="https://example.com/",
        event_types=("*",),
        created_at=0,
        updated_at=0,
        effective_at=0,
        filters=filters,
    )
    settings = Settings(_env_file=None, kafka="127.0.0.1:1", registry=NOBODY)  # type: ignore[call-arg]
    return Search(settings, Registry(settings), load_systems(), subscription, since_ms=0)


@pytest.mark.parametrize("filters", ["not JSON", '[{"sql": "true"}]'])
def test_search_is_refused_when_filters_cannot_be_read(filters: str) -> None:
    """Finding nothing would say that nothing was missed."""
    with pytest.raises(FilterInvalid):
        search(filters)


@pytest.mark.parametrize("filters", [None, '[{"exact": {"type": "drift.alert"}}]'])
def test_search_is_made_when_filters_can_be_read(filters: str | None) -> None:
    search(filters)
