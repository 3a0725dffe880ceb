"""A real Chromium without a screen, and a page in it that minds what goes wrong there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, sync_playwright

from tests.harness.distribution import program

_ANSWERS_WITHIN_MS: Final = 20_000
# A browser notes every answer that is no success; those that a test provokes are no complaints.
_ANSWER_NOTED: Final = "Failed to load resource"
_VIOLATIONS = "addEventListener('securitypolicyviolation', e => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`))"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the distribution's Chromium; on a Debian of root's it is installed first if need be."""
    executable = program("chromium", "chromium", "Chromium, in which the console is tested")
    # Chromium's sandbox refuses root, as whom a container mostly runs.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@dataclass(slots=True)
class Visit:
    """One tab.

    Attributes:
        complaints: What went wrong in it: errors, refusals by the policy of its pages, dialogs that scripts opened.
    """

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)


@contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[Visit]:
    """Open a tab of its own, without anybody's storage.

    Args:
        browser: The browser.
        options: As Playwright's `new_context` takes them.
    """
    context = browser.new_context(
        locale="en-GB", timezone_id="Europe/Berlin", reduced_motion="reduce", **options
    )
    context.set_default_timeout(_ANSWERS_WITHIN_MS)
    context.add_init_script(_VIOLATIONS)
    made = Visit(context, context.new_page())

    def told(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_ANSWER_NOTED):
            made.complaints.append(message.text)

    def opened(dialog: Dialog) -> None:
        made.complaints.append(dialog.message)
        dialog.dismiss()

    made.page.on("console", told)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("dialog", opened)
    try:
        yield made
    finally:
        context.close()
