"""The directory against a plain model of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control.directory import Directory, position
from tocsin.subscriptions import Subscription

_ORGANIZATIONS = st.sampled_from(["acme", "rival"])
_IDS = st.sampled_from(["wh_a", "wh_b", "wh_c", "wh_d"])


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscription:
    created_at = draw(st.integers(0, 3))
    return Subscription(
        draw(_IDS), draw(_ORGANIZATIONS), "alpha", "u", ("*",), created_at, created_at, created_at
    )


@given(changes=st.lists(subscriptions() | _IDS, max_size=12), limit=st.integers(1, 3))
def test_pages_show_what_there_is_once_oldest_first(changes: list[Subscription | str], limit: int) -> None:
    directory, model = Directory(), dict[str, Subscription]()
    for change in changes:
        if isinstance(change, str):
            directory.update(change, None)
            model.pop(change, None)
        else:
            directory.update(change.id, change)
            model[change.id] = change
    for organization in ("acme", "rival"):
        own = sorted((one for one in model.values() if one.organization == organization), key=position)
        assert _all_pages(directory, organization, limit) == own
        assert all(directory.get(organization, one.id) == one for one in own)
        assert all(directory.get(organization, one.id) is None for one in model.values() if one not in own)


def _all_pages(directory: Directory, organization: str, limit: int) -> list[Subscription]:
    found: list[Subscription] = []
    more, after = True, None
    while more:
        page, more = directory.page(organization, after, limit)
        assert len(page) <= limit
        found += page
        assert len(found) <= 4, "a page repeats the one before"
        after = position(page[-1]) if page else None
    return found
