"""Times and URLs as they are shown."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control.representation import rfc3339
from tocsin.wire.disclosure import shown_url
from tocsin.wire.systems import Systems


def test_time_is_shown_in_utc() -> None:
    assert rfc3339(1_772_392_920_999) == "2026-03-01T19:22:00Z"
    assert rfc3339(1_772_392_920_007, "milliseconds") == "2026-03-01T19:22:00.007Z"


@given(st.integers(0, 4_102_444_800_000))
def test_shown_time_is_exact_to_the_millisecond(time_ms: int) -> None:
    shown = datetime.fromisoformat(rfc3339(time_ms, "milliseconds"))
    assert round(shown.timestamp() * 1000) == time_ms


@pytest.mark.parametrize(
    ("url", "wire_format", "shown"),
    [
        ("https://example.com/a?b", None, "https://example.com/a?b"),
        ("https://example.com/a?b", "pager", "https://example.com/a?b"),
        ("https://example.com:8443/a?b", "chat", "https://example.com:8443/…"),
        ("https://hooks.slack.com/services/T/B/x", None, "https://hooks.slack.com/…"),
    ],
)
def test_path_is_hidden_where_nothing_else_protects(
    systems: Systems, url: str, wire_format: str | None, shown: str
) -> None:
    assert shown_url(url, systems.wire_format("alpha", wire_format)) == shown
