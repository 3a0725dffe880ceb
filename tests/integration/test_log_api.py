"""The delivery log, resends and replays over the API, with every program running."""

from __future__ import annotations

import uuid
from typing import Any

from standardwebhooks import Webhook

from deploy.local.demo.receiver import Received
from tests.harness.installation import Api, Installation, await_effect
from tests.harness.receiver import Receiver
from tests.harness.records import set_aside
from tests.harness.waiting import until
from tocsin import Publisher
from tocsin.deliveries import Progress, progress_headers
from tocsin.kafka.writer import Outgoing
from tocsin.keys import OPERATE, SCOPES
from tocsin.wire.systems import load_systems

WITHIN_S = 30.0


def test_log_shows_what_happened_and_sends_it_again(shared: Installation) -> None:
    """Delivered: shown, and resent. Refused with 410: dead, enabled again, replayed. Always the same id and body."""
    gone = False

    def answer(request: Received, earlier: Any) -> tuple[int, dict[str, str]]:
        return (410, {}) if gone else (200, {"X-Seen": "yes"})

    organization = f"org-{uuid.uuid4().hex[:8]}"
    api = Api(shared.api_url, shared.api_key("governlayer", organization, (*SCOPES, OPERATE)))
    with Receiver(answer=answer) as receiver:
        hook = api.subscribe(
            receiver.url, ["drift.alert"], format="standard-webhooks", headers={"X-Team": "canary-team"}
        )
        receiver.verify = lambda request: Webhook(hook["secret"]).verify(request.body, dict(request.headers))
        await_effect(hook)
        publish(shared, organization, "one")
        (first,) = receiver.wait_for(1)

        (item,) = until(lambda: listed(api, status="delivered"))
        shown = api.call("GET", f"/v1/deliveries/{item['id']}")
        assert "canary-team" not in shown.text
        detail = shown.json()
        assert (detail["id"], detail["event_id"]) == (first.headers["webhook-id"], "one")
        assert detail["request"]["body"] == first.body.decode()
        (attempt,) = detail["timeline"]
        assert attempt["request_headers"]["webhook-signature"] == first.headers["webhook-signature"]
        assert {name.lower(): value for name, value in attempt["response_headers"].items()}["x-seen"] == "yes"

        resent = api.call("POST", f"/v1/deliveries/{item['id']}/resend")
        assert resent.status_code == 202, resent.text
        again = receiver.wait_for(2)[-1]
        assert (again.headers["webhook-id"], again.body) == (item["id"], first.body)
        runs = until(lambda: [run for run in timeline(api, item) if run != "0"])
        assert runs == [resent.json()["run"]]

        gone = True
        publish(shared, organization, "two")
        (dead,) = until(lambda: listed(api, status="dead", reason="gone", webhook_id=hook["id"]))
        until(lambda: not api.call("GET", f"/v1/webhooks/{hook['id']}").json()["active"])
        health = api.call("GET", f"/v1/webhooks/{hook['id']}/health").json()
        assert (health["delivered"], health["failed"], health["dead"]) == (2, 1, 1)
        assert "410" in health["disabled_reason"]
        refused = api.call("POST", f"/v1/deliveries/{dead['id']}/resend")
        assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")

        gone = False
        assert api.call("PATCH", f"/v1/webhooks/{hook['id']}", json={"active": True}).status_code == 200
        asked = {"selection": {"reason": "gone"}, "why": "it is back"}
        preview = api.call("POST", "/v1/replays/preview", json={"selection": asked["selection"]}).json()
        assert (preview["deliveries"], preview["by_reason"]) == (1, {"gone": 1})
        job = api.call("POST", "/v1/replays", json=asked, headers={"Idempotency-Key": "k"}).json()
        same = api.call("POST", "/v1/replays", json=asked, headers={"Idempotency-Key": "k"}).json()
        assert same["id"] == job["id"]
        replayed = receiver.wait_for(4)[-1]
        assert replayed.headers["webhook-id"] == dead["id"]
        until(lambda: api.call("GET", f"/v1/replays/{job['id']}").json()["state"] == "done")
        until(lambda: len(listed(api, status="delivered")) == 2)
        assert timeline(api, dead) == ["0", job["id"]]

    overview = api.call("GET", "/v1/overview").json()
    assert sum(each["delivered"] for each in overview["throughput"]) == 3
    assert overview["store"]["delay_s"] is not None
    assert set(overview["backlog"]["tiers"]) >= {"5s", "24h"}
    assert (overview["backlog"]["pending"], overview["backlog"]["retrying"]) == (0, 0)


def test_what_was_missed_is_recovered_what_is_dead_purged_and_all_of_it_told(shared: Installation) -> None:
    """Published before the webhook was made: listed, counted, delivered once. Dead: struck off by its number."""
    organization = f"org-{uuid.uuid4().hex[:8]}"
    api = Api(shared.api_url, shared.api_key("governlayer", organization, (*SCOPES, OPERATE)))
    publish(shared, organization, "one")
    publish(shared, organization, "two")
    with Receiver() as receiver:
        hook = api.subscribe(receiver.url, ["drift.alert"], format="standard-webhooks")
        receiver.verify = lambda request: Webhook(hook["secret"]).verify(request.body, dict(request.headers))
        since = "2026-01-01T00:00:00Z"
        missing = f"/v1/webhooks/{hook['id']}/missing?since={since}&limit=1"
        first = until(lambda: found if (found := answered(api, missing))["counts"]["never"] == 2 else None)
        rest = answered(api, f"{missing}&after={first['next']}")
        assert [page["data"][0]["event_id"] for page in (first, rest)] == ["one", "two"]
        period = {"webhook_id": hook["id"], "since": since}
        assert asked(api, "recoveries/preview", 200, **period)["counts"] == {
            "never": 2,
            "dead": 0,
            "waiting": 0,
        }
        recovery = asked(api, "recoveries", 202, **period, why="it is new")
        assert {request.headers["webhook-id"] for request in receiver.wait_for(2)} == {
            page["data"][0]["delivery_id"] for page in (first, rest)
        }
        ended(api, recovery)
        until(lambda: answered(api, missing)["counts"] == {"never": 0, "dead": 0, "waiting": 0})
    shared.write(*(letter(shared, organization, hook["id"]) for _ in range(2)))
    meant = {"selection": {"webhook_id": hook["id"], "fault": "subscriber"}}
    assert asked(api, "purges/preview", 200, **meant)["dead_letters"] == 2
    assert "not 1" in asked(api, "purges", 409, **meant, why="gone for good", confirm=1)["detail"]
    purge = asked(api, "purges", 202, **meant, why="gone for good", confirm=2)
    assert ended(api, purge)["selected"] == 2
    until(lambda: asked(api, "purges/preview", 200, **meant)["dead_letters"] == 0)

    set_aside(shared, b"\x07broken")
    record = answered(api, f"/v1/quarantine?reason=magic&limit=1&topic={shared.topics.events('governlayer')}")
    place = f"/v1/quarantine/{record['data'][0]['id']}"
    assert answered(api, place)["value"]["text"] == "\x07broken"
    ids = {"ids": [record["data"][0]["id"]], "why": "schema registered"}
    assert asked(api, "quarantine/redrive", 200, **ids)["redriven"] == ids["ids"]
    assert answered(api, place)["redriven"]
    assert asked(api, "quarantine/redrive", 200, **ids)["redriven"] == []
    newest = answered(api, "/v1/audit?limit=4")
    assert [change["action"] for change in newest["data"]] == [
        "purge.done", "purge.begun", "recover.done", "recover.begun",
    ]  # fmt: skip
    assert [change["why"] for change in newest["data"]] == ["gone for good"] * 2 + ["it is new"] * 2
    older = [each["action"] for each in answered(api, f"/v1/audit?after={newest['next']}")["data"]]
    assert older == ["subscription.created"]


def answered(api: Api, path: str) -> Any:
    answer = api.call("GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def asked(api: Api, path: str, status: int, **body: Any) -> Any:
    answer = api.call("POST", f"/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def ended(api: Api, job: dict[str, Any]) -> Any:
    """Return a job once it is done."""
    path = f"/v1/replays/{job['id']}"
    return until(lambda: found if (found := answered(api, path))["state"] == "done" else None)


def letter(shared: Installation, organization: str, webhook_id: str) -> Outgoing:
    """Return a dead letter, as the delivery program writes it."""
    progress = Progress(step=5, attempt=6, last_status=503, last_error="HTTP 503")
    headers = [
        ("ce_organization", organization.encode()),
        ("tocsin_delivery_id", str(uuid.uuid4()).encode()),
        ("tocsin_reason", b"exhausted"),
        ("tocsin_fault", b"subscriber"),
        *progress_headers(progress),
    ]
    return Outgoing(shared.topics.dlq, webhook_id.encode(), b"a value", headers)


def publish(shared: Installation, organization: str, event_id: str) -> None:
    example = load_systems()["governlayer"].event_types["drift.alert"].example
    with Publisher("governlayer", source="/test", settings=shared.settings) as publisher:
        publisher.publish("drift.alert", example, organization=organization, id=event_id)


def listed(api: Api, **query: str) -> list[dict[str, Any]]:
    answer = api.call("GET", "/v1/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def timeline(api: Api, item: dict[str, Any]) -> list[str]:
    """Return the runs of a delivery's tries."""
    return [each["run"] for each in api.call("GET", f"/v1/deliveries/{item['id']}").json()["timeline"]]
