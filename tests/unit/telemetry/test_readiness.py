"""Ready is who makes progress; each way of not making any has its own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.telemetry.pulse import WINDOW_S, Movement, Pulse
from tocsin.telemetry.readiness import BOUNDS, Standing, faults


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (Standing(), []),
        (
            Standing(BOUNDS.tick_s, BOUNDS.table_s, still_s=BOUNDS.still_s, silence_s=BOUNDS.silence_s),
            [],
        ),
        (None, ["starting"]),
        (Standing(tick_age_s=11), ["its loop has not come round for 11 s"]),
        (Standing(table_age_s=6), ["its tables are not known to be complete for 6 s"]),
        (Standing(table_age_s=float("inf")), ["its tables"]),
        (Standing(joined=False), ["not in its group"]),
        (Standing(leads=False), ["lease"]),
        (Standing(still_s=61), ["nothing has ended of what is open for 61 s"]),
        (Standing(silence_s=6), ["Kafka has acknowledged nothing of what was written for 6 s"]),
        (Standing(tick_age_s=11, leads=False), ["its loop", "lease"]),
    ],
)
def test_program_is_ready_unless_something_stands_still(standing: Standing | None, words: list[str]) -> None:
    found = faults(standing)
    assert len(found) == len(words)
    assert all(each in said for each, said in zip(words, found, strict=True))


def test_loop_that_is_late_now_or_was_lately_is_told_and_forgotten_after_a_minute() -> None:
    pulse = Pulse(0.1, 0.0)
    for now_s in (0.05, 0.1, 2.2, 2.3):
        pulse.tick(now_s)
    assert pulse.late_s(2.3) == pytest.approx(2.0)
    assert pulse.late_s(9.4) == pytest.approx(7.0)
    now_s = 2.3
    while now_s < 2.3 + 2 * WINDOW_S:
        now_s += 0.1
        pulse.tick(now_s)
    assert pulse.late_s(now_s) < 0.1


def test_start_of_a_loop_is_no_delay_of_it() -> None:
    pulse = Pulse(0.1, 0.0)
    pulse.begin(8.0)
    pulse.tick(8.05)
    assert pulse.late_s(8.05) <= 0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(0.1, 5)), max_size=30))
def test_nothing_stands_still_while_something_ends_or_nothing_is_open(
    steps: list[tuple[int, int, float]],
) -> None:
    """A model: the time since the last moment at which something had ended, or nothing was open."""
    movement, now_s, ended, since_s = Movement(), 0.0, 0, 0.0
    movement.still_s(0, 0, 0.0)
    for more, open_, passed_s in steps:
        now_s += passed_s
        ended += more
        if more or not open_:
            since_s = now_s
        assert movement.still_s(ended, open_, now_s) == pytest.approx(now_s - since_s)
