"""The browser that the console is looked at with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.harness.browser import Visit, chromium, visit


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; each test has a context of its own in it."""
    expect.set_options(timeout=20_000)
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Browser) -> Iterator[Visit]:
    """A tab in which nothing may go wrong."""
    with visit(browser, viewport={"width": 1280, "height": 900}) as made:
        yield made
        assert made.complaints == []
