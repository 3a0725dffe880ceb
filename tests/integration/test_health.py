"""Endpoint health on the real pipeline: who fails is disabled and told of, misses what is published, and comes back."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Message

from consumers.ledger.announcements import DISABLED
from deploy.local.demo.receiver import Answer, Received
from deploy.local.demo.verification import DOCUMENTED
from deploy.local.stack import Stack
from tests.harness.installation import Api, Installation, await_effect, header, installation
from tests.harness.receiver import Receiver
from tocsin import Publisher
from tocsin.deliveries import Progress
from tocsin.kafka import pipeline
from tocsin.subscriptions import EFFECTIVE_MARGIN_S, Subscription
from tocsin.wire.systems import load_systems

SYSTEM: Final = "compliancelayer"
CONTRACT: Final = load_systems()[SYSTEM]
IN_A_ROW: Final = CONTRACT.disable_after or 0


@pytest.fixture
def running(stack: Stack, tmp_path: Path) -> Iterator[Installation]:
    with installation(stack, tmp_path) as made:
        made.start("control", "router", "delivery", "ledger")
        yield made


def subscribe(api: Api, receiver: Receiver, *event_types: str) -> Mapping[str, Any]:
    """Subscribe a receiver, which verifies as the system documents it; return the webhook."""
    made = api.subscribe(receiver.url, list(event_types))

    def verify(request: Received) -> None:
        assert DOCUMENTED[SYSTEM](request.headers, request.body, made["secret"]), "wrong signature"

    receiver.verify = verify
    return made


def about(webhook_id: str) -> Callable[[Message], bool]:
    return lambda message: message.key() == webhook_id.encode()


def found(made: Installation, webhook_id: str) -> Mapping[str, Any]:
    """Return what the ledger says of an endpoint, once it says something."""
    (message,) = made.wait_for(made.topics.health, about(webhook_id))
    return pipeline.decoder(made.registry, "endpoint_health")(message.value()).record


def shown(api: Api, webhook_id: str, *, active: bool) -> Mapping[str, Any]:
    """Return a webhook as its owner sees it, once it is active or not."""
    deadline = time.monotonic() + 10.0
    while True:
        answer: Mapping[str, Any] = api.call("GET", f"/v1/webhooks/{webhook_id}").json()
        if answer["active"] == active:
            return answer
        assert time.monotonic() < deadline, f"active is {not active}"


def due(made: Installation, organization: str, webhook_id: str) -> None:
    """Let a retry of an endpoint come due."""
    subscription = Subscription(webhook_id, organization, SYSTEM, "", (), 0, 0, 0, offset=0)
    (record,) = made.deliveries(subscription, progress=Progress(step=1, attempt=1))
    made.write(record._replace(topic=made.topics.redeliveries))


def test_failing_endpoint_is_disabled_told_of_and_enabled_again(running: Installation) -> None:
    answers: dict[str, Answer] = {"failing": (500, {}), "gone": (410, {})}
    organization = f"org-{uuid.uuid4().hex[:8]}"
    api = Api(running.api_url, running.api_key(SYSTEM, organization))
    with (
        Receiver(answer=lambda *_: answers["failing"]) as failing,
        Receiver(answer=lambda *_: answers["gone"]) as gone,
        Receiver() as watching,
        Publisher(SYSTEM, source="/test", settings=running.settings) as publisher,
    ):
        failing_id, gone_id = (
            subscribe(api, failing, "scan.completed")["id"],
            subscribe(api, gone, "alert.triggered")["id"],
        )
        await_effect(subscribe(api, watching, DISABLED, "score.changed"))

        def publish(event_type: str) -> str:
            event_id = str(uuid.uuid4())
            example = CONTRACT.event_types[event_type].example
            publisher.publish(event_type, example, organization=organization, id=event_id)
            return event_id

        def fail(earlier: int) -> None:
            # Each after the one before was decided: what is in flight together is one failure.
            for number in range(IN_A_ROW):
                publish("scan.completed")
                count = earlier + number + 1
                running.wait_for(running.topics.attempts, about(failing_id), count=count)

        fail(0)
        publish("alert.triggered")
        assert found(running, gone_id)["reason"] == "gone"
        record = found(running, failing_id)
        known_s = time.monotonic() + EFFECTIVE_MARGIN_S
        assert (record["disabled"], record["generation"], record["reason"]) == (
            True,
            1,
            "consecutive_failures",
        )
        assert (record["consecutive_failures"], record["last_status"]) == (IN_A_ROW, 500)

        told = {}
        for request in watching.wait_for(2):
            body = json.loads(request.body)
            assert body["type"] == DISABLED
            told[body["data"]["webhook_id"]] = body["data"]
        assert told[failing_id]["message"] == "10 attempts in a row failed"
        assert told[failing_id]["url"] == failing.url
        assert told[gone_id]["reason"] == "gone"
        assert shown(api, failing_id, active=False)["disabled_reason"] == "10 attempts in a row failed"

        answers["failing"] = (200, {})
        due(running, organization, failing_id)
        (letter,) = running.wait_for(running.topics.dlq, about(failing_id))
        assert header(letter, "tocsin_reason") == "disabled"
        asked = {"webhook_id": failing_id, "event_type": "scan.completed"}
        assert api.call("POST", "/v1/webhooks/test", json=asked).status_code == 202
        tested = failing.wait_for(IN_A_ROW + 1)[-1]
        assert json.loads(tested.body)["data"]["test"] is True

        time.sleep(max(0.0, known_s - time.monotonic()))  # no router works with an older table
        missed = publish("scan.completed")
        publish("score.changed")
        watching.wait_for(3)  # one publisher's events are routed in their order
        enabled = api.call("PATCH", f"/v1/webhooks/{failing_id}", json={"active": True})
        assert enabled.json()["active"] is True
        await_effect(enabled.json())
        back = publish("scan.completed")
        requests = failing.wait_for(IN_A_ROW + 2)
        assert json.loads(requests[-1].body)["id"] == back
        assert len(failing.settle(0.3)) == IN_A_ROW + 2
        assert missed not in {header(message, "ce_id") for message in running.read(running.topics.deliveries)}
        assert len(gone.requests) == 1

        # It fails again; another ledger, which probes, finds out that it works.
        answers["failing"] = (503, {})
        fail(IN_A_ROW + 3)  # those, the one that was due, the test, and the first after it was enabled
        watching.wait_for(4)
        answers["failing"] = (200, {})
        next(each for each in running.fleet.programs if each.name == "ledger").stop()
        running.another("ledger", TOCSIN_PROBE_EVERY_S="0.5")
        records = running.wait_for(running.topics.health, about(failing_id), count=3)
        decode = pipeline.decoder(running.registry, "endpoint_health")
        changes = [decode(message.value()).record for message in records]
        assert [(each["generation"], each["disabled"]) for each in changes] == [
            (1, True),
            (2, True),
            (2, False),
        ]
        shown(api, failing_id, active=True)
        assert len(watching.requests) == 4
