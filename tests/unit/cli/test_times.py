from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli import times
from tocsin.cli.failure import USAGE, Failure

NOW_MS = 1_795_255_200_000
"""2026-11-21T10:00:00Z"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("10m", 600),
        ("2h", 7_200),
        ("3d", 259_200),
        ("1w", 604_800),
        ("1h30m", 5_400),
        ("1.5h", 5_400),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert times.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-5m", "10 m", "10min", "5m ", "1h-2m", "١m\n"])
def test_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        times.duration_s(text)


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("10m", NOW_MS - 600_000),
        ("0s", NOW_MS),
        ("2026-11-21T10:00:00Z", NOW_MS),
        ("2026-11-21T11:00:00+01:00", NOW_MS),
        ("2026-11-21T10:00:00", NOW_MS),
        ("2026-11-21", NOW_MS - 36_000_000),
        ("99999w", 0),
    ],
)
def test_moment_is_ago_or_rfc_3339(text: str, at_ms: int) -> None:
    assert times.moment_ms(text, NOW_MS) == at_ms


def test_moment_that_is_none_names_the_option_and_what_would_be_right() -> None:
    with pytest.raises(Failure, match=r"--since: 'yesterday' is no time; write 10m") as caught:
        times.option_ms("--since", "yesterday", NOW_MS)
    assert caught.value.code == USAGE


@given(st.integers(min_value=0, max_value=4_000_000_000_000))
def test_moment_for_machines_is_read_back(at_ms: int) -> None:
    assert times.moment_ms(times.rfc3339(at_ms), NOW_MS) == at_ms


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (45, "45s"),
        (60, "1m"),
        (200, "3m 20s"),
        (7_500, "2h 5m"),
        (7_205, "2h"),
        (349_200, "4d 1h"),
        (-3, "0s"),
    ],
)
def test_span_shows_the_two_largest_units(seconds: float, text: str) -> None:
    assert times.span(seconds) == text


@pytest.mark.parametrize(
    ("duration_ms", "text"), [(3.21, "3.2 ms"), (840.4, "840 ms"), (9_999, "9999 ms"), (12_540, "12.5 s")]
)
def test_duration_text_fits_its_size(duration_ms: float, text: str) -> None:
    assert times.duration_text(duration_ms) == text


def test_clock_names_the_date_only_on_another_day() -> None:
    assert len(times.clock(NOW_MS, NOW_MS)) == len("10:00:00")
    assert len(times.clock(NOW_MS - 2 * 86_400_000, NOW_MS)) == len("2026-11-19 10:00:00")
