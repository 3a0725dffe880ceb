"""Log lines: one line each, whatever is told in them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import telemetry

FORGED = "wh_1\n12:00:00 control   ERROR   forged\r\x1b[2J\u202e\x9b"


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Give the test runner its own logging back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_line_can_be_neither_ended_nor_forged_by_what_it_tells(
    capsys: pytest.CaptureFixture[str], log_format: Literal["console", "json"]
) -> None:
    telemetry.configure_logging("test", log_format, "info")
    logging.getLogger("tocsin.test").warning("%s is passed over", FORGED)
    logging.getLogger().handlers[0].close()
    line = capsys.readouterr().err.removesuffix("\n")
    assert "is passed over" in line
    assert line.isprintable()
    if log_format == "json":
        assert json.loads(line)["message"] == f"{FORGED} is passed over"


@given(st.text())
def test_text_is_legible_and_otherwise_as_it_was(text: str) -> None:
    shown = telemetry.legible(text)
    assert shown.isprintable()
    assert not text.isprintable() or shown == text
