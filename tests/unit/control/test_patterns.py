"""Event names and globs."""

from __future__ import annotations

import pytest

from control import patterns

KNOWN = ("drift.alert", "drift.resolved", "compliance.control_update", "pass")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("drift.alert", None),
        ("*", None),
        ("drift.*", None),
        ("*.alert", None),
        ("*i*t*", None),
        ("compliance*update", None),
        ("drift.alerts", "drift.alerts is not an event type; did you mean drift.alert?"),
        (
            "zzz",
            "zzz is not an event type; there are compliance.control_update, drift.alert, drift.resolved, pass",
        ),
        ("audit.*", "audit.* matches no event type"),
        ("endpoint.disabled", None),
        ("endpoint.*", None),
        ("endpoint.enabled", "endpoint.enabled is not an event type; did you mean endpoint.disabled?"),
        ("*.disabled", "*.disabled matches no event type"),
        ("drift.alert*x", "drift.alert*x matches no event type"),
        ("**", "** has two * in a row"),
        ("*a*a*a*", "*a*a*a* has two * in a row, or more than 3"),
        ("", "is not the name of an event type"),
        ("drift.[ab]*", "is not the name of an event type"),
        ("drift.*\n", "is not the name of an event type"),
        ("*" + "a" * 200, "is not the name of an event type"),
    ],
)
def test_pattern_is_judged(pattern: str, reason: str | None) -> None:
    fault = patterns.fault(pattern, KNOWN, ["endpoint.disabled"])
    assert (fault is None) == (reason is None)
    assert (fault or "").startswith(reason or "")
