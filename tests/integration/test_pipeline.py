"""The whole way of an event, with every program running: from `publish` to a verified webhook, and around."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Message
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from standardwebhooks import Webhook

from deploy.local.demo.receiver import Received
from deploy.local.demo.verification import DOCUMENTED
from deploy.local.stack import Stack
from tests.harness.collector import Collector, attributes
from tests.harness.installation import Api, Installation, await_effect, header, installation, probes_of
from tests.harness.proxy import Proxy
from tests.harness.receiver import Receiver
from tests.harness.waiting import until
from tocsin import Publisher
from tocsin.kafka.writer import Outgoing
from tocsin.telemetry.metrics import METRICS
from tocsin.wire.systems import load_systems

PLAIN_SYSTEMS = sorted(name for name, system in load_systems().items() if not system.https_only)


def subscribed(
    made: Installation, receiver: Receiver, system: str, events: list[str]
) -> tuple[str, Api, dict[str, Any]]:
    """Subscribe a receiver under an organization of its own; return organization, API and the webhook."""
    organization = f"org-{uuid.uuid4().hex[:8]}"
    api = Api(made.api_url, made.api_key(system, organization))
    return organization, api, also_subscribed(api, receiver, system, events)


def also_subscribed(api: Api, receiver: Receiver, system: str, events: list[str]) -> dict[str, Any]:
    """Subscribe one more receiver under the same organization, and return the webhook."""
    webhook = api.subscribe(receiver.url, events)

    def verify(request: Received) -> None:
        assert DOCUMENTED[system](request.headers, request.body, webhook["secret"]), "wrong signature"

    receiver.verify = verify
    return webhook


def routed_to(made: Installation, *event_ids: str) -> set[str]:
    """Return the webhooks that deliveries of these events were written for."""
    written = made.read(made.topics.deliveries)
    return {(message.key() or b"").decode() for message in written if header(message, "ce_id") in event_ids}


def test_every_event_type_of_every_system_arrives_verified(shared: Installation) -> None:
    with ExitStack() as cleanup:
        subscribers = [
            (system, receiver, *subscribed(shared, receiver, system, ["*"]))
            for system in PLAIN_SYSTEMS
            for receiver in [cleanup.enter_context(Receiver())]
        ]
        await_effect(subscribers[-1][-1])
        for system, _, organization, _, _ in subscribers:
            with Publisher(system, source="/test", settings=shared.settings) as publisher:
                for known in load_systems()[system].event_types.values():
                    publisher.publish(known.name, known.example, organization=organization)
        for system, receiver, _, _, _ in subscribers:
            types = load_systems()[system].event_types
            assert len({request.body for request in receiver.wait_for(len(types))}) == len(types), system


def test_event_published_twice_with_one_id_is_delivered_once(shared: Installation) -> None:
    with (
        Receiver() as receiver,
        Publisher("governlayer", source="/test", settings=shared.settings) as publisher,
    ):
        organization, _, webhook = subscribed(shared, receiver, "governlayer", ["drift.alert"])
        await_effect(webhook)
        example = load_systems()["governlayer"].event_types["drift.alert"].example
        for event_id in ("twice", "twice", "once"):
            publisher.publish("drift.alert", example, organization=organization, id=event_id)
        assert len({request.body for request in receiver.wait_for(2)}) == 2
        assert len(receiver.settle(0.5)) == 2


def test_event_reaches_only_its_organization_and_only_what_was_asked_for(shared: Installation) -> None:
    with Receiver() as ours, Receiver() as theirs:
        organization, _, _ = subscribed(shared, ours, "governlayer", ["drift.*"])
        _, _, their_webhook = subscribed(shared, theirs, "governlayer", ["*"])
        await_effect(their_webhook)
        known = load_systems()["governlayer"].event_types
        with Publisher("governlayer", source="/test", settings=shared.settings) as publisher:
            # What is routed last tells that all before it was.
            for name in (*known, "drift.alert"):
                publisher.publish(name, known[name].example, organization=organization)
        wanted = [name for name in known if name.startswith("drift.")]
        ours.wait_for(len(wanted) + 1)
        received = [json.loads(request.body)["type"] for request in ours.requests]
        assert sorted(received) == sorted([*wanted, "drift.alert"])
        assert not theirs.requests


def test_test_event_arrives_verified_at_an_endpoint_that_is_disabled(shared: Installation) -> None:
    """An owner tries out whether it works again before events come; events stay away meanwhile."""
    name, known = next(iter(load_systems()["governlayer"].event_types.items()))
    with (
        Receiver() as receiver,
        Receiver() as witness,
        Publisher("governlayer", source="/test", settings=shared.settings) as publisher,
    ):
        organization, api, webhook = subscribed(shared, receiver, "governlayer", ["*"])
        other = also_subscribed(api, witness, "governlayer", ["*"])
        changed = api.call("PATCH", f"/v1/webhooks/{webhook['id']}", json={"active": False})
        assert changed.status_code == 200
        await_effect(changed.json())
        events = [publisher.publish(name, known.example, organization=organization) for _ in range(2)]
        body = {"webhook_id": webhook["id"], "event_type": name}
        answer = api.call("POST", "/v1/webhooks/test", json=body)
        assert answer.status_code == 202, answer.text
        (attempt,) = shared.wait_for(
            shared.topics.attempts, lambda m: (header(m, "ce_id") or "") == answer.json()["event_id"]
        )
        witness.wait_for(2)  # the second tells that the first was routed
        assert routed_to(shared, events[0].event_id) == {other["id"]}
        (request,) = receiver.requests
    assert name.encode() in request.body
    assert attempt.key() == webhook["id"].encode()


def test_failed_test_event_is_tried_again_though_the_endpoint_is_disabled(shared: Installation) -> None:
    with Receiver(answer=lambda request, earlier: (500, {})) as receiver:
        _, api, webhook = subscribed(shared, receiver, "governlayer", ["*"])
        api.call("PATCH", f"/v1/webhooks/{webhook['id']}", json={"active": False})
        body = {"webhook_id": webhook["id"], "event_type": "drift.alert"}
        assert api.call("POST", "/v1/webhooks/test", json=body).status_code == 202
        topic = shared.topics.delay(load_systems()["governlayer"].retries[0])
        (waiting,) = shared.wait_for(topic, lambda m: m.key() == webhook["id"].encode())
    assert header(waiting, "tocsin_test") == "1"


def test_receiver_verifies_with_either_secret_while_one_rotates(shared: Installation) -> None:
    """With an independent library where several signatures are sent, and with the old secret where one is."""
    with Receiver() as several, Receiver() as single:
        organization = f"org-{uuid.uuid4().hex[:8]}"
        api = Api(shared.api_url, shared.api_key("governlayer", organization))
        both = api.subscribe(several.url, ["drift.alert"], format="standard-webhooks")
        one = api.subscribe(single.url, ["drift.alert"])
        new = api.call("POST", f"/v1/webhooks/{both['id']}/secret").json()["secret"]
        rotated = api.call("POST", f"/v1/webhooks/{one['id']}/secret")
        assert rotated.status_code == 200

        def verify_both(request: Received) -> None:
            for secret in (new, both["secret"]):
                Webhook(secret).verify(request.body, dict(request.headers))

        def verify_old(request: Received) -> None:
            assert DOCUMENTED["governlayer"](request.headers, request.body, one["secret"])

        several.verify, single.verify = verify_both, verify_old
        await_effect(rotated.json())
        example = load_systems()["governlayer"].event_types["drift.alert"].example
        with Publisher("governlayer", source="/test", settings=shared.settings) as publisher:
            publisher.publish("drift.alert", example, organization=organization)
        several.wait_for(1)
        single.wait_for(1)


def test_deleted_subscription_gets_nothing_more(shared: Installation) -> None:
    with (
        Receiver() as receiver,
        Receiver() as witness,
        Publisher("governlayer", source="/test", settings=shared.settings) as publisher,
    ):
        organization, api, webhook = subscribed(shared, receiver, "governlayer", ["drift.alert"])
        assert api.call("DELETE", f"/v1/webhooks/{webhook['id']}").status_code == 204
        # It was made later: who knows of it knows of the deletion.
        other = also_subscribed(api, witness, "governlayer", ["drift.alert"])
        await_effect(other)
        example = load_systems()["governlayer"].event_types["drift.alert"].example
        events = [publisher.publish("drift.alert", example, organization=organization) for _ in range(2)]
        witness.wait_for(2)  # the second tells that the first was routed
        assert routed_to(shared, events[0].event_id) == {other["id"]}
    assert not receiver.requests


def test_poison_on_an_events_topic_is_quarantined_and_the_next_event_arrives(shared: Installation) -> None:
    topic = shared.topics.events("governlayer")
    with (
        Receiver() as receiver,
        Publisher("governlayer", source="/test", settings=shared.settings) as publisher,
    ):
        organization, _, webhook = subscribed(shared, receiver, "governlayer", ["drift.alert"])
        await_effect(webhook)
        poison = [b"{}", b"\x00\xff\xff\xff\xff", b"\x00", None]
        written = shared.write(*(Outgoing(topic, organization.encode(), value) for value in poison))
        example = load_systems()["governlayer"].event_types["drift.alert"].example
        publisher.publish("drift.alert", example, organization=organization)
        receiver.wait_for(1)
    sources = {f"{topic}/{each.partition}/{each.offset}" for each in written}
    # Each by itself: a record may stand there twice, for what may have been written is written again.
    found = [shared.wait_for(shared.topics.quarantine, partial(_is_of, each))[0] for each in sources]
    assert {header(message, "tocsin_source") for message in found} == sources
    assert all(header(message, "tocsin_reason") for message in found)


def _is_of(source: str, message: Message) -> bool:
    return header(message, "tocsin_source") == source


def test_program_started_before_kafka_says_so_and_begins_once_it_is_there(own: Installation) -> None:
    with Proxy(int(own.settings.kafka.rpartition(":")[2])) as network:
        network.cut()
        (program,) = own.fleet.add("delivery", TOCSIN_KAFKA=network.address)
        program.start(wait=False)
        until(lambda: "does not answer, trying again" in program.process.said())
        assert not program.says("ready")
        network.heal()
        program.await_ready()
        program.stop()


def test_every_program_is_ready_and_tells_every_metric_that_it_has(shared: Installation) -> None:
    for program in shared.fleet.programs:
        url = probes_of(program)
        assert httpx.get(f"{url}/livez", trust_env=False).status_code == 200
        for _ in range(200):  # its group may still be at changing hands
            ready = httpx.get(f"{url}/readyz", trust_env=False)
            if ready.status_code == 200:
                break
            time.sleep(0.1)
        assert ready.json() == {"status": "ready"}, program.name
        told = httpx.get(f"{url}/metrics", trust_env=False).text
        described = {line.split(" ")[2] for line in told.splitlines() if line.startswith("# HELP ")}
        assert described == {each.exposed for each in METRICS if program.name in each.programs}, program.name


def test_several_copies_of_every_consumer_share_the_work(stack: Stack, tmp_path: Path) -> None:
    """Two of each; one of each is stopped half way: everything arrives, nothing twice.

    Of 601 events one is traced: by its publisher, who decides for all that follows.
    """
    with installation(stack, tmp_path) as own, Receiver() as receiver, Collector() as collector:
        own.fleet.environment = {
            **own.fleet.environment,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_TRACES_SAMPLER": "parentbased_always_off",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        own.start("control", "router", "router", "delivery", "delivery", "delay", "delay")
        organization, _, _ = subscribed(own, receiver, "governlayer", ["drift.alert"])
        trace_an_event(own, collector)  # which subscribes later, and waits for that
        example = load_systems()["governlayer"].event_types["drift.alert"].example
        with Publisher("governlayer", source="/test", settings=own.settings) as publisher:
            first = [
                publisher.send(
                    "drift.alert", example, organization=organization, extensions={"partitionkey": str(n)}
                )
                for n in range(300)
            ]
            for future in first:
                future.result()
            for name in ("router", "delivery", "delay"):
                next(program for program in own.fleet.programs if program.name == name).stop()
            for n in range(300):
                publisher.send(
                    "drift.alert", example, organization=organization, extensions={"partitionkey": str(n)}
                )
        receiver.wait_for(600, 60)
        requests = receiver.settle(2.0)
    assert set(Counter(request.body for request in requests).values()) == {1}
    assert len(requests) == 600
    assert not any("traceparent" in request.headers for request in requests)
    assert len(collector.spans) == 3
    # Those that were stopped half way have sent what they measured. Which of two had the work is the group's affair.
    told = {(service, metric.name) for service, metric in collector.metrics}
    assert {(f"tocsin-{name}", "tocsin.ready") for name in ("router", "delivery", "delay")} <= told


def trace_an_event(own: Installation, collector: Collector) -> None:
    """Publish an event in a trace and fail its first attempt: publishing, router and first attempt are one trace, and
    the second attempt, which is let go on at once here, is another that is linked to them."""
    published = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    with (
        Receiver(answer=lambda request, earlier: (200 if earlier else 500, {})) as receiver,
        Publisher("governlayer", source="/test", settings=own.settings) as publisher,
    ):
        organization, _, webhook = subscribed(own, receiver, "governlayer", ["drift.alert"])
        await_effect(webhook)
        example = load_systems()["governlayer"].event_types["drift.alert"].example
        with use_span(NonRecordingSpan(published)):
            publisher.publish("drift.alert", example, organization=organization)
        tier = own.topics.delay(load_systems()["governlayer"].retries[0])
        (waiting,) = own.wait_for(tier, lambda message: header(message, "traceparent") is not None)
        headers: Any = waiting.headers()
        own.write(Outgoing(own.topics.redeliveries, waiting.key(), waiting.value(), headers))
        sent = [request.headers["traceparent"] for request in receiver.wait_for(2)]
        collector.wait_until(lambda: len(collector.spans) == 3)
    # Each process sends its own when it likes.
    told = sorted(collector.spans, key=lambda each: each[1].start_time_unix_nano)
    assert [service for service, _ in told] == ["tocsin-router", "tocsin-delivery", "tocsin-delivery"]
    (_, router), (_, first), (_, second) = told
    assert int(header(waiting, "traceparent").split("-")[2], 16) == 0xDEF  # type: ignore[union-attr]
    assert {int(span.trace_id.hex(), 16) for span in (router, first)} == {0xABC}
    assert int(router.parent_span_id.hex(), 16) == 0xDEF
    assert first.parent_span_id == router.span_id
    assert second.trace_id != first.trace_id
    assert not second.parent_span_id
    assert [(link.span_id.hex(), attributes(link)["tocsin.link"]) for link in second.links] == [
        (f"{0xDEF:016x}", "origin"),
        (first.span_id.hex(), "previous"),
    ]
    assert sent == [f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in (first, second)]
    assert [attributes(span)["tocsin.verdict"] for span in (first, second)] == ["retry", "delivered"]
    assert [attributes(span)["http.response.status_code"] for span in (first, second)] == [500, 200]
