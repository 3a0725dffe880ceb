"""`Retry-After`: what is a wish, and what is noise."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.delivery.retry_after import CAP_S, parse_retry_after

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        ("120", 120),
        (" 120\t", 120),
        ("007", 7),
        ("86400", 86_400),
        ("86401", 86_400),
        ("99999999999999999999", 86_400),
        ("Sat, 21 Nov 2026 12:02:00 GMT", 120),
        ("Sat, 21 Nov 2026 12:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 12:00:01 GMT", 86_400),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400),
        ("Saturday, 21-Nov-26 12:02:00 GMT", 120),
        ("Friday, 01-Jan-76 00:00:00 GMT", 86_400),
        ("Sat Nov 21 12:02:00 2026", 120),
        ("Tue Dec  1 12:00:00 2026", 86_400),
        ("Sat, 21 Nov 2026 12:00:60 GMT", 60),
    ],
)
def test_wish_is_understood_in_every_form_and_capped_at_a_day(value: str, seconds: int) -> None:
    """Seconds, IMF-fixdate, RFC 850 and asctime."""
    assert parse_retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "-1",
        "+5",
        "1.5",
        "1e3",
        "0x10",
        "5s",
        "5 seconds",
        "1,2",
        "１２０",
        "١٢٠",
        "soon",
        "1" * 65,
        "Sat, 21 Nov 2026 11:59:59 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-77 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sat, 21 Nov 2026 12:02:00",
        "Sat, 21 Nov 2026 12:02:00 UTC",
        "Sat, 21 Nov 2026 12:02:00 +0000",
        "Sat, 21 nov 2026 12:02:00 GMT",
        "Sat, 21 Foo 2026 12:02:00 GMT",
        "Tue, 31 Nov 2026 12:02:00 GMT",
        "Tue, 30 Feb 2027 12:02:00 GMT",
        "Sat, 21 Nov 2026 24:00:00 GMT",
        "Sat, 21 Nov 2026 12:60:00 GMT",
        "Sat, 21 Nov 2026 12:00:61 GMT",
        "Sat, 21 Nov 0000 12:00:00 GMT",
        "Sat, 21 Nov 9999999 12:00:00 GMT",
        "2026-11-21T12:02:00Z",
        "Sat, 21 Nov 2026 12:02:00 GMT, 120",
        "120; comment",
        "\x00",
    ],
)
def test_garbage_negative_and_past_leave_the_schedule_alone(value: str | None) -> None:
    """None means that nothing was asked for."""
    assert parse_retry_after(value, NOW) is None


@given(st.text(max_size=40), st.floats(min_value=0, max_value=4_000_000_000))
def test_any_text_is_none_or_between_nothing_and_a_day(value: str, now: float) -> None:
    """An endpoint can neither crash the parser nor put a delivery off for ever."""
    seconds = parse_retry_after(value, now)
    assert seconds is None or 0 <= seconds <= CAP_S


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2089, 12, 31)),
    st.integers(-100_000, 100_000),
    st.sampled_from("ira"),
)
def test_date_is_never_early_in_any_form(moment: datetime, ahead_s: int, form: str) -> None:
    """Waiting the answer out always reaches the date, or the cap."""
    date = moment.replace(tzinfo=UTC, microsecond=0)
    now = date.timestamp() - ahead_s - 0.25
    text = date.strftime(
        {"i": "%a, %d %b %Y %H:%M:%S GMT", "r": "%A, %d-%b-%y %H:%M:%S GMT", "a": "%a %b %e %H:%M:%S %Y"}[
            form
        ]
    )
    seconds = parse_retry_after(text, now)
    if ahead_s < 0:
        assert seconds is None
    else:
        assert seconds == min(ahead_s + 1, CAP_S)
