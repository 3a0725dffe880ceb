"""The console, as people use it: a real browser, and every program behind it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

import tocsin
from deploy.local.demo.receiver import Received
from tests.harness.browser import Visit
from tests.harness.installation import Api, Installation, await_effect
from tests.harness.receiver import Receiver
from tests.harness.records import set_aside
from tests.harness.waiting import until
from tocsin import Publisher
from tocsin.deliveries import Progress
from tocsin.keys import OPERATE, SCOPES
from tocsin.wire.systems import load_systems

pytestmark = pytest.mark.timeout(180)

WITHIN_S: Final = 30.0

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "build" / "screenshots"
AXE = ROOT / "tests" / "data" / "axe.min.js"
SPENT = Progress(step=5, attempt=5)
"""The schedule of `governlayer` has one try left."""

SECRET = "whsec_" + "s" * 32
HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody at the console, signed in."""

    page: Page
    api: Api
    organization: str
    installation: Installation

    def open(self, place: str) -> None:
        """Go to a view, and wait until it shows what it was asked for."""
        self.page.goto(f"{self.installation.api_url}/console/#/{place}")
        expect(self.page.locator("main h1")).to_be_visible()
        expect(self.page.locator(".loading")).to_have_count(0)

    def failing(self, url: str, count: int) -> str:
        """Let a webhook have deliveries whose last try is due, and return its id."""
        webhook = self.installation.subscription(url, organization=self.organization, secret=SECRET)
        self.installation.write(*self.installation.deliveries(webhook, count, SPENT))
        return webhook.id


def signed(secret: str) -> Callable[[Received], None]:
    """Return what checks a request's signature."""
    return lambda request: tocsin.verify("governlayer", request.headers, request.body, secret)


def key(installation: Installation, organization: str, *scopes: str) -> str:
    return installation.api_key("governlayer", organization, scopes or (*SCOPES, OPERATE))


def sign_in(page: Page, installation: Installation, text: str) -> None:
    page.goto(f"{installation.api_url}/console/")
    page.get_by_label("API key").fill(text)
    page.get_by_role("button", name="Sign in").click()


@contextmanager
def desk(tab: Visit, installation: Installation) -> Iterator[Desk]:
    organization = f"org-{uuid.uuid4().hex[:8]}"
    text = key(installation, organization)
    sign_in(tab.page, installation, text)
    expect(tab.page.get_by_role("navigation", name="Views")).to_be_visible()
    yield Desk(tab.page, Api(installation.api_url, text), organization, installation)


@pytest.fixture
def at(tab: Visit, shared: Installation) -> Iterator[Desk]:
    """A desk with a key that allows everything."""
    with desk(tab, shared) as made:
        yield made


def test_key_signs_in_stays_over_a_reload_and_is_gone_after_signing_out(
    tab: Visit, shared: Installation
) -> None:
    page, organization = tab.page, f"org-{uuid.uuid4().hex[:8]}"
    good = key(shared, organization)
    sign_in(page, shared, good[:-1] + ("a" if good[-1] != "a" else "b"))
    expect(page.get_by_text("This key is unknown, expired or revoked.")).to_be_visible()
    page.get_by_label("API key").fill(f"{good[:9]}…")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That is no API key")).to_be_visible()
    page.get_by_label("API key").fill(good)
    page.keyboard.press("Enter")
    expect(page.get_by_role("banner").get_by_text(organization)).to_be_visible()
    page.goto(f"{shared.api_url}/console/#/keys")
    page.reload()
    expect(page.get_by_role("heading", name="Keys")).to_be_visible()

    page.get_by_role("button", name="New key").click()
    page.get_by_label("What it is for").fill("for reading")
    page.get_by_role("button", name="Make it").click()
    reading = page.get_by_label("API key", exact=True).input_value()
    assert reading.startswith("toc_")
    page.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("row", name="for reading")).to_contain_text("active")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    sign_in(page, shared, reading)
    page.get_by_role("link", name="Webhooks", exact=True).click()
    new = page.get_by_role("button", name="New webhook").first
    expect(new).to_have_attribute("aria-disabled", "true")
    expect(new).to_have_accessible_description("This API key lacks the scope manage")
    page.get_by_role("link", name="Keys").click()
    expect(page.get_by_role("note")).to_contain_text("It lacks the scope admin")

    api = Api(shared.api_url, good)
    (known,) = [each for each in api.call("GET", "/v1/keys").json()["data"] if each["description"]]
    assert api.call("DELETE", f"/v1/keys/{known['id']}").status_code == 204
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("alert")).to_contain_text("the API key is unknown, expired or revoked")


def test_webhook_is_made_tested_seen_delivering_turned_off_and_given_a_new_secret(at: Desk) -> None:
    page = at.page
    secrets: list[str] = []
    with Receiver(verify=lambda request: signed(secrets[0])(request)) as receiver:
        at.open("webhooks")
        page.get_by_role("button", name="Make the first one").click()
        page.get_by_label("Address").fill(receiver.url)
        page.get_by_label("Description").fill("Risk desk")
        page.get_by_role("button", name="Create").click()
        secrets.append(page.get_by_label("Signing secret", exact=True).input_value())
        page.get_by_role("button", name="I have kept it").click()
        expect(page.get_by_role("heading", name="Risk desk")).to_be_visible()

        send_test(page)
        trial = page.locator("[data-trial]")
        expect(trial).to_contain_text("delivered")
        expect(trial).to_contain_text("answered 200")
        trial.get_by_role("link", name="Look at it").click()
        expect(page.locator(".timeline")).to_contain_text("Try 1")
        (request,) = receiver.wait_for(1)
        signature = request.headers["x-governlayer-signature"]
        expect(page.locator(".timeline .signature").first).to_contain_text(signature)
        assert resend_keys(page) == ["one", "one", "other"]
        page.go_back()
        expect(page.get_by_role("heading", name="Risk desk")).to_be_visible()

        page.get_by_role("link", name="Overview").click()
        delivered = page.locator(".tile", has_text="Delivered").locator(".tile-value")
        expect(delivered).to_have_text("1")
        (webhook,) = at.api.call("GET", "/v1/webhooks").json()["data"]
        sent = at.api.call(
            "POST", "/v1/webhooks/test", json={"webhook_id": webhook["id"], "event_type": "drift.alert"}
        )
        assert sent.status_code == 202, sent.text
        expect(delivered).to_have_text("2")  # nobody asked for it: it counts by itself

    at.open(f"webhooks/{webhook['id']}")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Change").click()
    renamed = at.api.call("PATCH", f"/v1/webhooks/{webhook['id']}", json={"description": "Model risk"})
    assert renamed.status_code == 200, renamed.text
    expect(page.locator("main h1")).to_have_text("Model risk")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("Somebody else changed this meanwhile.")
    dialog.get_by_role("button", name="Cancel").click()

    page.get_by_role("button", name="Disable").click()
    with refused(page, "PATCH", "**/v1/webhooks/*", 503, "unavailable", "no acknowledgement within 5 s"):
        dialog.get_by_role("button", name="Disable").click()
        expect(dialog).to_contain_text("no acknowledgement within 5 s")
    dialog.get_by_role("button", name="Disable").click()
    expect(page.locator("main")).to_contain_text("disabled by its owner")
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_role("button", name="Disable")).to_be_visible()
    page.get_by_role("button", name="Rotate secret").click()
    page.get_by_role("button", name="Rotate", exact=True).click()
    expect(page.get_by_label("Signing secret", exact=True)).not_to_have_value(secrets[0])
    page.get_by_role("button", name="I have kept it").click()
    assert len(at.api.call("GET", f"/v1/webhooks/{webhook['id']}").json()["secrets"]) == 2


@contextmanager
def refused(page: Page, method: str, url: str, status: int, code: str, detail: str) -> Iterator[None]:
    """Refuse what the page asks for by this method."""

    def answer(route: Route) -> None:
        if route.request.method == method:
            route.fulfill(**problem(status, code, detail))
        else:
            route.fallback()

    page.route(url, answer)
    yield
    page.unroute(url)


def problem(status: int, code: str, detail: str) -> dict[str, Any]:
    """Return an answer of the API that is none."""
    document = {"title": "That failed", "status": status, "code": code, "detail": detail}
    return {"status": status, "content_type": "application/problem+json", "json": document}


def resend_keys(page: Page) -> list[str]:
    """Resend a delivery by two clicks at once, again because nothing answers, and once more; return what each names."""
    keys: list[str] = []

    def answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.abort()
        else:
            route.fulfill(status=202, json={})

    page.route("**/resend", answer)
    button = page.get_by_role("button", name="Resend")
    with page.expect_event("requestfailed"):
        button.evaluate("button => { button.click(); button.click(); }")
    for _ in range(2):
        expect(button).not_to_have_attribute("aria-disabled", "true")
        with page.expect_response("**/resend"):
            button.click()
    page.unroute("**/resend")
    return ["one" if each == keys[0] else "other" for each in keys]


def test_webhook_whose_secret_is_the_receivers_is_made_with_it_and_given_another(at: Desk) -> None:
    page, dialog = at.page, at.page.get_by_role("dialog")
    at.open("webhooks?new=1")
    page.get_by_label("Address").fill("http://127.0.0.1:9/")
    page.get_by_label("Description").fill("On call")
    page.get_by_label("Format").select_option("pagerduty")
    page.get_by_role("button", name="Create").click()
    expect(dialog).to_contain_text("needs the receiving service's own secret")
    page.get_by_label("Own secret").fill("R0123456789ABCDEF0123456789ABCDE")
    page.get_by_role("button", name="Create").click()
    dialog.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("heading", name="On call")).to_be_visible()
    page.get_by_role("button", name="Rotate secret").click()
    page.get_by_label("Own secret").fill("R9876543210FEDCBA9876543210FEDCB")
    page.get_by_role("button", name="Rotate", exact=True).click()
    kept = page.get_by_label("Signing secret", exact=True)
    expect(kept).to_have_value("R9876543210FEDCBA9876543210FEDCB")


def send_test(page: Page) -> None:
    page.get_by_role("button", name="Send test").click()
    page.get_by_role("button", name="Send", exact=True).click()


def test_dead_letters_are_counted_and_replayed_with_progress_that_moves(at: Desk) -> None:
    page, count = at.page, 20
    answers = [500]
    with Receiver(answer=lambda request, earlier: (answers[0], {}), verify=signed(SECRET)) as receiver:
        webhook_id = at.failing(receiver.url, count)
        until(lambda: len(at.api.call("GET", "/v1/deliveries?status=dead").json()["data"]) == count, WITHIN_S)
        at.open("dead-letters")
        expect(page.locator(".meant")).to_contain_text(f"{count} dead letters fit")
        page.get_by_label("Webhook").select_option(webhook_id)
        page.get_by_label("Text in the error").fill("http 500")
        page.get_by_role("button", name="Count").click()
        expect(page).to_have_url(re.compile(rf"webhook_id={webhook_id}.*q=http"))
        expect(page.locator(".meant")).to_contain_text(f"{count} dead letters fit")

        answers[0] = 200
        replay(page, why="a few first", rate="1")
        progress, badge = page.locator("main progress"), page.locator(".progress .badge")
        expect(progress).not_to_have_js_property("value", 0)
        page.get_by_role("button", name="Pause").click()
        expect(badge).to_contain_text("paused")
        assert 0 < progress.evaluate("element => element.value") < 1
        page.get_by_role("button", name="Resume").click()
        expect(badge).to_contain_text("running")
        page.get_by_role("button", name="Cancel replay").click()
        expect(badge).to_contain_text("cancelled")

        at.open("dead-letters")
        replay(page, why="endpoint repaired", rate="1000")
        expect(page.locator(".progress")).to_contain_text("Everything that was meant is on its way.")
        expect(page.locator(".progress")).to_contain_text(f"{count} of {count}")
        expect(progress).to_have_js_property("value", 1)
        delivered = f"/v1/deliveries?status=delivered&webhook_id={webhook_id}"
        until(lambda: len(at.api.call("GET", delivered).json()["data"]) == count, WITHIN_S)

    page.get_by_role("link", name="Replays", exact=True).first.click()
    expect(page.get_by_role("row", name="endpoint repaired")).to_contain_text("done")
    expect(page.get_by_role("row", name="a few first")).to_contain_text("cancelled")
    at.open("dead-letters")
    expect(page.locator("main")).to_contain_text("Nothing is dead.")


def replay(page: Page, *, why: str, rate: str) -> None:
    page.get_by_role("button", name=re.compile("^Replay ")).click()
    start = page.get_by_role("dialog").get_by_role("button", name="Replay")
    expect(start).to_be_disabled()
    page.get_by_label("Why").fill(why)
    page.get_by_label("Deliveries a second").fill(rate)
    start.click()
    expect(page.get_by_role("heading", name=why)).to_be_visible()


def test_what_was_missed_is_recovered_what_is_dead_purged_what_was_unreadable_sent_back(at: Desk) -> None:
    """And all of it stands in the audit, and is found there."""
    page, dialog = at.page, at.page.get_by_role("dialog")
    record = quarantined(at)
    publish(at, 2)
    with Receiver(answer=lambda request, earlier: (503, {}), verify=signed(SECRET)) as failing:
        dead_id = at.failing(failing.url, 3)
        until(lambda: len(at.api.call("GET", "/v1/deliveries?status=dead").json()["data"]) == 3, WITHIN_S)
    at.open(f"dead-letters?webhook_id={dead_id}")
    expect(page.locator(".meant")).to_contain_text("3 the subscriber's fault")
    page.get_by_role("button", name="Purge…").click()
    expect(dialog).to_contain_text("3 dead letters are meant (3 exhausted)")
    strike = dialog.get_by_role("button", name="Strike off for good")
    page.get_by_label("Why").fill("gone for good")
    page.get_by_label("Type their number").fill("2")
    expect(strike).to_be_disabled()
    page.get_by_label("Type their number").fill("3")
    with refused(page, "POST", "**/v1/purges", 409, "other_number", "4 dead letters are meant, not 3"):
        with page.expect_request("**/v1/purges/preview"):
            strike.click()
        expect(dialog).to_contain_text("4 dead letters are meant, not 3")
    expect(strike).to_be_enabled()
    strike.click()
    expect(page.locator(".progress")).to_contain_text("Everything that was meant is struck off.")
    expect(page.locator(".progress")).to_contain_text("3 of 3")
    at.open("dead-letters")
    expect(page.locator("main")).to_contain_text("Nothing is dead.")

    with Receiver(verify=lambda request: signed(webhook["secret"])(request)) as receiver:
        webhook = at.api.subscribe(receiver.url, ["drift.alert"], description="Late desk")
        at.open(f"webhooks/{webhook['id']}")
        until(lambda: at.api.call("GET", missing(webhook["id"])).json()["counts"]["never"] == 2, WITHIN_S)
        section = page.locator("[data-missing]")
        section.get_by_label("Of what was published in").select_option("1")
        section.get_by_role("button", name="Look").click()
        expect(section.get_by_role("status")).to_contain_text("2 never sent, 0 dead, 0 on their way")
        expect(section.get_by_role("row", name="never sent")).to_have_count(2)
        section.get_by_role("button", name="Recover 2").click()
        page.get_by_label("Why").fill("they came late")
        dialog.get_by_role("button", name="Recover").click()
        expect(page.locator(".progress")).to_contain_text("Everything that was missed is on its way.")
        receiver.wait_for(2)

    page.get_by_role("link", name="Quarantine").click()
    page.get_by_role("link", name=record, exact=True).click()
    expect(page.locator("main pre")).to_contain_text("00000000  07 62 72 6f 6b 65 6e")
    page.get_by_role("button", name="Send back…").click()
    page.get_by_label("Why").fill("schema registered")
    dialog.get_by_role("button", name="Send back").click()
    expect(page.locator("main")).to_contain_text("sent back")

    until(lambda: at.api.call("GET", "/v1/audit?action=recover.done").json()["data"], WITHIN_S)
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("row", name="recover.done")).to_contain_text("they came late")
    expect(page.get_by_role("row", name="purge.done")).to_contain_text("gone for good")
    page.get_by_label("What", exact=True).fill("recover.*")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row", name="purge.done")).to_have_count(0)
    expect(page.get_by_role("row", name="recover.")).to_have_count(2)


def missing(webhook_id: str) -> str:
    return f"/v1/webhooks/{webhook_id}/missing?since=2026-01-01T00:00:00Z"


def publish(at: Desk, count: int) -> None:
    data = load_systems()["governlayer"].event_types["drift.alert"].example
    with Publisher("governlayer", source="/test", settings=at.installation.settings) as publisher:
        for _ in range(count):
            publisher.publish("drift.alert", data, organization=at.organization)


def quarantined(at: Desk) -> str:
    """Set a record aside, and return its id."""
    set_aside(at.installation, b"\x07broken")
    found: str = at.api.call("GET", "/v1/quarantine?limit=1").json()["data"][0]["id"]
    return found


def test_lists_lead_to_everything_however_long_they_are(at: Desk) -> None:
    """Of keys the newest come last from the API, so that every page of them is read."""
    page = at.page
    key_ = at.api.call("GET", "/v1/organization").json()["key"]
    page.route("**/v1/keys*", lambda route: route.fulfill(json=paged(route, 6, key_)))
    at.open("keys")
    expect(page.get_by_role("row", name="number 5")).to_be_visible()
    job = {"kind": "replay", "state": "done", "selection": {}, "requested_by": "cli:ann", "selected": 1}
    job |= {"requested_at": key_["created_at"], "replayed": 1}
    page.route("**/v1/replays*", lambda route: route.fulfill(json=paged(route, 2, job)))
    at.open("replays")
    expect(page.get_by_role("row", name="number 0")).to_be_visible()
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("row", name="number 1")).to_be_visible()
    expect(page.get_by_role("link", name="Older")).to_have_count(0)
    page.unroute_all()


def paged(route: Route, count: int, row: dict[str, Any]) -> dict[str, Any]:
    """Return the page that is asked for of a list with one row on each."""
    asked = parse_qs(urlsplit(route.request.url).query)
    number = int(asked.get("after", ["0"])[0])
    name = f"number {number}"
    rows = [row | {"id": str(number), "description": name, "why": name}]
    return {"data": rows, "next": str(number + 1) if number + 1 < count else None}


def test_hostile_text_is_shown_as_text_everywhere(at: Desk, tab: Visit) -> None:
    page = at.page
    data = {"system_name": HOSTILE, "drift_score": 0.9, "decision": HOSTILE, "ledger_hash": HOSTILE}
    with Receiver(answer=lambda request, earlier: (410, {"X-Told": HOSTILE})) as receiver:
        webhook = at.api.subscribe(f"{receiver.url}?q={'%22%3E%3Cimg'}", ["*"], description=HOSTILE)
        receiver.verify = signed(webhook["secret"])
        await_effect(webhook)
        with Publisher("governlayer", source="/test", settings=at.installation.settings) as publisher:
            publisher.publish("drift.alert", data, organization=at.organization, id=HOSTILE)
        delivery = dead(at)
    at.open(f"deliveries/{delivery['id']}")
    for place in (".headers dd", "main pre", "main code"):
        expect(page.locator(place, has_text="onerror=alert(1)").first).to_be_visible()
    for view in ("overview", "webhooks", f"webhooks/{webhook['id']}", "deliveries", "dead-letters", "audit"):
        at.open(view)
        expect(page.locator("main")).to_contain_text(
            "gone" if view == "overview" else "<script>alert(2)</script>"
        )
    assert page.locator("main img, main script, main svg[onload]").count() == 0
    assert tab.complaints == []
    assert "TrustedHTML" in page.evaluate(
        "() => { try { document.body.innerHTML = '<i>'; } catch (e) { return e.message } }"
    )
    tab.complaints.clear()  # of that attempt of ours


def dead(at: Desk) -> dict[str, Any]:
    """Return a dead letter, once there is one."""

    def first() -> Any:
        return next(iter(at.api.call("GET", "/v1/deliveries?status=dead").json()["data"]), None)

    found: dict[str, Any] = until(first, WITHIN_S)
    return found


def test_keyboard_alone_reaches_everything(at: Desk) -> None:
    page = at.page
    focused = page.locator(":focus")
    at.open("webhooks")
    page.reload()
    expect(page.get_by_role("heading", name="Webhooks")).to_be_visible()
    page.keyboard.press("Tab")
    expect(focused).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(focused).to_have_id("main")
    page.keyboard.press("Tab")
    expect(focused).to_have_text("New webhook")
    assert focused.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_label("Address")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement.closest('dialog') || document.activeElement === document.body"
        )
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(focused).to_have_text("New webhook")
    page.get_by_role("link", name="Events").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Events")).to_be_focused()
    expect(page).to_have_title("Events · Tocsin")


def test_views_fit_a_phone_read_well_in_both_schemes_and_break_no_rule_of_accessibility(at: Desk) -> None:
    """Pictures of every view are left in build/screenshots."""
    page = at.page
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.evaluate(AXE.read_text())
    publish(at, 2)
    record = quarantined(at)
    with Receiver(answer=lambda request, earlier: (503, {}), verify=signed(SECRET)) as receiver:
        webhook_id = at.failing(receiver.url, 3)
        delivery = dead(at)["id"]
        meant = {"selection": {"delivery_id": delivery}, "why": "endpoint repaired"}
        job = at.api.call("POST", "/v1/replays", json=meant).json()["id"]
        until(lambda: at.api.call("GET", f"/v1/replays/{job}").json()["state"] == "done", WITHIN_S)
        views = {
            "overview": "overview",
            "webhooks": "webhooks",
            "webhook": f"webhooks/{webhook_id}",
            "new-webhook": "webhooks?new=1",
            "deliveries": "deliveries",
            "delivery": f"deliveries/{delivery}",
            "dead-letters": "dead-letters",
            "replays": "replays",
            "replay": f"replays/{job}",
            "events": "events",
            "event": "events/drift.alert",
            "keys": "keys",
            "audit": "audit",
            "quarantine": "quarantine",
            "record": f"quarantine/{record}",
        }
        for name, place in views.items():
            page.set_viewport_size({"width": 390, "height": 844})
            page.emulate_media(color_scheme="dark")
            at.open(place)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
            page.screenshot(path=PICTURES / f"{name}-phone-dark.png")
            assert broken(page, "{ runOnly: ['color-contrast'] }") == [], name
            page.set_viewport_size({"width": 1280, "height": 900})
            page.emulate_media(color_scheme="light")
            page.screenshot(path=PICTURES / f"{name}-desk-light.png")
            assert broken(page, "{}") == [], name
        at.open("dead-letters")
        page.get_by_role("button", name="Purge…").click()
        expect(page.get_by_label("Type their number")).to_be_visible()
        page.screenshot(path=PICTURES / "purge-desk-light.png")
        assert broken(page, "{}") == []
        at.open(f"webhooks/{webhook_id}")
        page.get_by_role("button", name="Look").click()
        expect(page.locator("[data-missing] table")).to_be_visible()
        page.screenshot(path=PICTURES / "missing-desk-light.png", full_page=True)
        assert broken(page, "{}") == []


def broken(page: Page, options: str) -> list[tuple[str, str]]:
    """Return rule and element of everything that axe objects to in what is shown."""
    found = page.evaluate(f"axe.run({options})")["violations"]
    return [(each["id"], each["nodes"][0]["html"]) for each in found]


def test_what_does_not_answer_is_told_and_tried_again(at: Desk) -> None:
    """The delivery log away: what still works is said, and still works. The network away: likewise."""
    page = at.page
    away = problem(
        503,
        "log_unavailable",
        "the delivery log cannot be read now: it takes too long. Deliveries go on meanwhile",
    )
    page.route("**/v1/overview", lambda route: route.fulfill(**away))
    page.get_by_role("link", name="Events").click()
    page.get_by_role("link", name="Overview").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The delivery log does not answer.")
    expect(alert).to_contain_text("webhooks, tests, events and keys work here as always")
    page.unroute("**/v1/overview")
    alert.get_by_role("button", name="Try now").click()
    expect(page.locator(".tiles")).to_be_visible()
    expect(alert).to_have_count(0)

    long = problem(503, "takes_too_long", "it takes longer than 15 s to read; ask for a shorter time")
    page.route("**/v1/audit*", lambda route: route.fulfill(**long))
    page.get_by_role("link", name="Audit").click()
    expect(alert).to_contain_text("ask for a shorter time")
    expect(alert).not_to_contain_text("tried again by itself")
    page.unroute("**/v1/audit*")
    page.get_by_role("button", name="Look again").click()
    expect(page.locator(".empty")).to_be_visible()
    expect(alert).to_have_count(0)

    at.open("deliveries")
    page.get_by_label("Text in the error").fill("half a wo")
    page.context.set_offline(True)
    expect(alert).to_contain_text("Tocsin cannot be reached.")
    expect(page.get_by_label("Text in the error")).to_have_value("half a wo")
    expect(page.locator(".empty")).to_be_visible()  # the newest that is known stays
    page.context.set_offline(False)
    alert.get_by_role("button", name="Try now").click()
    expect(alert).to_have_count(0)

    with refused(page, "GET", "**/v1/organization", 403, "unknown_system", "its system is not known here"):
        page.reload()
        expect(alert).to_contain_text("its system is not known here")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
