"""The verdict on one POST, as the table of the design has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.delivery.outcome import Answered, Failed, FailureKind
from consumers.delivery.verdict import Action, judge

NOW = 1_795_262_400.0


def _answered(status: int, retry_after: str | None = None, *, complete: bool = True) -> Answered:
    return Answered(status, (), b"", complete, 0.1, retry_after)


@pytest.mark.parametrize(
    ("status", "action", "slow_down"),
    [
        (200, "delivered", False),
        (201, "delivered", False),
        (202, "delivered", False),
        (204, "delivered", False),
        (299, "delivered", False),
        (300, "retry", False),
        (301, "retry", False),
        (304, "retry", False),
        (307, "retry", False),
        (400, "retry", False),
        (401, "retry", False),
        (404, "retry", False),
        (408, "retry", False),
        (410, "gone", False),
        (413, "retry", False),
        (425, "retry", False),
        (429, "retry", True),
        (499, "retry", False),
        (500, "retry", False),
        (502, "retry", False),
        (503, "retry", True),
        (599, "retry", False),
    ],
)
def test_status_decides(status: int, action: Action, slow_down: bool) -> None:
    """2xx delivers, 410 ends it, everything else is tried again."""
    verdict = judge(_answered(status), NOW)
    assert (verdict.action, verdict.slow_down) == (action, slow_down)
    assert verdict.fault == (None if action == "delivered" else "subscriber")
    assert str(status) in verdict.reason


def test_delivery_stands_when_the_body_breaks_after_a_2xx() -> None:
    """The status decides, not the body."""
    assert judge(_answered(200, complete=False), NOW).action == "delivered"


@pytest.mark.parametrize(
    ("status", "slow_down"), [(200, False), (301, False), (404, False), (429, True), (500, True), (599, True)]
)
def test_error_of_a_server_whose_page_does_not_end_slows_down(status: int, slow_down: bool) -> None:
    """A page that is too long to be kept is nothing else on a 4xx."""
    assert judge(_answered(status, complete=False), NOW).slow_down is slow_down


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed_where_an_endpoint_asks_for_patience(status: int) -> None:
    """Garbage leaves the schedule alone."""
    assert judge(_answered(status, "120"), NOW).retry_after_s == 120
    assert judge(_answered(status, "soon"), NOW).retry_after_s is None
    assert judge(_answered(status), NOW).retry_after_s is None


@pytest.mark.parametrize("status", [200, 301, 400, 410, 500])
def test_retry_after_means_nothing_on_other_answers(status: int) -> None:
    """Only 429 and 503 ask for patience."""
    assert judge(_answered(status, "120"), NOW).retry_after_s is None


@pytest.mark.parametrize(
    ("kind", "action", "fault", "slow_down"),
    [
        ("timeout", "retry", "subscriber", True),
        ("connect", "retry", "subscriber", False),
        ("dns", "retry", "subscriber", False),
        ("tls", "retry", "subscriber", False),
        ("protocol", "retry", "subscriber", True),
        ("reset", "retry", "subscriber", True),
        ("refused_by_policy", "blocked", "subscriber", False),
        ("local", "retry", "tocsin", False),
    ],
)
def test_failure_is_tried_again_unless_policy_refuses_the_place(
    kind: FailureKind, action: Action, fault: str, slow_down: bool
) -> None:
    """What our own host lacks is not held against the endpoint."""
    verdict = judge(Failed(kind, "in words", 0.1), NOW)
    assert (verdict.action, verdict.fault, verdict.slow_down) == (action, fault, slow_down)
    assert verdict.reason == "in words"


@given(st.integers(200, 599), st.none() | st.text(max_size=30))
def test_only_2xx_is_ever_delivered(status: int, retry_after: str | None) -> None:
    """No header turns a failure into success, or the other way round."""
    assert (judge(_answered(status, retry_after), NOW).action == "delivered") is (200 <= status < 300)
