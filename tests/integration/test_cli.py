"""The `tocsin` command as people run it: a process of its own, against real Kafka, registry and programs."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from deploy.local.authority import Authority
from deploy.local.stack import Stack
from tests.harness.command import Tocsin
from tests.harness.installation import Installation, installation
from tests.harness.publishing import SYSTEM, TYPE
from tests.harness.records import write_history
from tocsin.kafka import partitioner
from tocsin.kafka.writer import Outgoing
from tocsin.wire.systems import load_systems

MISFIT = json.dumps({**load_systems()[SYSTEM].event_types[TYPE].example, "drift_score": "high"})


@pytest.fixture(scope="module")
def empty(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tocsin]:
    """The command in an installation that has no programs and in which nothing ever happens."""
    home = tmp_path_factory.mktemp("empty")
    with installation(stack, home) as made:
        yield Tocsin(made, home)


@pytest.fixture
def tocsin(own: Installation, tmp_path: Path) -> Tocsin:
    return Tocsin(own, tmp_path)


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the next JSON line of a running command."""
    assert process.stdout is not None
    document: dict[str, Any] = json.loads(process.stdout.readline())
    return document


def test_published_example_is_acknowledged(tocsin: Tocsin) -> None:
    stored = tocsin.json("publish", SYSTEM, TYPE, "--example", "--organization", "acme", "--id", "e-1")
    assert stored["event_id"] == "e-1"
    assert stored["topic"] == tocsin.made.topics.events(SYSTEM)
    (record,) = tocsin.made.read(stored["topic"])
    assert (record.partition(), record.offset()) == (stored["partition"], stored["offset"])


def test_data_is_published_from_standard_input(tocsin: Tocsin) -> None:
    data = json.dumps(dict(load_systems()[SYSTEM].event_types[TYPE].example))
    out, _ = tocsin.run("publish", SYSTEM, TYPE, "--file", "-", "--organization", "acme", stdin=data)
    assert out.startswith("✓ ")


def test_many_events_are_published_at_once(tocsin: Tocsin) -> None:
    out, _ = tocsin.run("publish", SYSTEM, TYPE, "--example", "--organization", "acme", "--count", "2500")
    assert out.startswith("✓ 2500 events acknowledged")
    assert len(tocsin.made.read(tocsin.made.topics.events(SYSTEM))) == 2500


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nosuch", TYPE, "--example"], 2, "'nosuch' is no system"),
        (["governlayr", TYPE, "--example"], 2, "did you mean governlayer?"),
        ([SYSTEM, "drift.alrt", "--example"], 2, "did you mean drift.alert?"),
        ([SYSTEM, TYPE], 2, "--data, --file or --example"),
        ([SYSTEM, TYPE, "--data", "{"], 2, "--data: not JSON"),
        ([SYSTEM, TYPE, "--data", "[]"], 2, "must be a JSON object"),
        ([SYSTEM, TYPE, "--file", "nowhere.json"], 2, "No such file"),
        ([SYSTEM, TYPE, "--data", "{}"], 1, "is required; nothing was sent"),
        ([SYSTEM, TYPE, "--data", MISFIT], 1, "data.drift_score: must be a number, not a string"),
        ([SYSTEM, TYPE, "--example", "--id", "a\nb"], 1, "id: must not hold control characters"),
        ([SYSTEM, TYPE, "--example", "--id", "a", "--count", "2"], 2, "--count"),
    ],
)
def test_what_cannot_be_published_is_one_line_and_nothing_is_sent(
    empty: Tocsin, arguments: list[str], code: int, said: str
) -> None:
    out, err = empty.run("publish", *arguments, "--organization", "acme", code=code)
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert empty.made.read(empty.made.topics.events(SYSTEM)) == []


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"TOCSIN_KAFKA": "127.0.0.1:9"}, "Kafka at 127.0.0.1:9 does not answer; `make up`"),
        ({"TOCSIN_REGISTRY": "http://127.0.0.1:9"}, "TOCSIN_REGISTRY names another"),
        ({"TOCSIN_TOPIC_PREFIX": "nobody"}, "has no topic nobody.events"),
    ],
)
def test_missing_cluster_is_one_line_with_the_remedy(
    empty: Tocsin, environment: dict[str, str], said: str
) -> None:
    _, err = empty.run("publish", SYSTEM, TYPE, "--example", "--organization", "a", code=1, **environment)
    assert said in err
    assert err.count("\n") == 1


def test_events_lists_types_and_shows_one(empty: Tocsin) -> None:
    listed = {(row["system"], row["type"]) for row in empty.json("events")}
    assert listed == {
        (system.name, known.name) for system in load_systems().values() for known in system.catalogue()
    }
    shown = empty.json("events", SYSTEM, TYPE)
    assert shown["example"] == load_systems()[SYSTEM].event_types[TYPE].example
    assert "Example" in empty.run("events", SYSTEM, TYPE)[0]


def test_events_registers_schemas_for_publishers_that_do_not(empty: Tocsin) -> None:
    """Under the subjects that a Confluent serializer looks in, with the rule that a publisher of ours would set."""
    registered = {row["subject"]: row["schema_id"] for row in empty.json("events", SYSTEM, "--register")}
    system = load_systems()[SYSTEM]
    topic = empty.made.topics.events(SYSTEM)
    assert set(registered) == {f"{topic}-{known.fullname}" for known in system.event_types.values()}
    subject = f"{topic}-{system.event_types[TYPE].fullname}"
    with SchemaRegistryClient({"url": empty.made.settings.registry}) as client:
        assert client.get_latest_version(subject).schema_id == registered[subject]
    assert empty.made.registry.rule(subject) == "BACKWARD_TRANSITIVE"
    assert subject in empty.run("events", SYSTEM, "--register")[0]
    assert "name no type" in empty.run("events", SYSTEM, TYPE, "--register", code=2)[1]


def test_key_is_made_listed_and_revoked(tocsin: Tocsin) -> None:
    out, _ = tocsin.run("keys", "create", "--organization", "acme", "--system", SYSTEM, "--scope", "read")
    assert out.startswith("toc_")
    assert out.count("\n") == 1
    (row,) = tocsin.json("keys", "list")
    assert (row["organization"], row["scopes"], row["state"]) == ("acme", ["read"], "active")
    listed, _ = tocsin.run("keys", "list")
    assert row["id"] in listed
    assert out.strip() not in listed
    tocsin.run("keys", "revoke", row["id"])
    assert tocsin.json("keys", "list")[0]["state"] == "revoked"
    tocsin.run("keys", "revoke", "nosuch", code=1)


def test_tail_shows_attempts_in_order_and_filters_them(tocsin: Tocsin) -> None:
    write_history(tocsin.made, "wh_one", 2)
    write_history(tocsin.made, "wh_two", 1)
    out, _ = tocsin.run("deliveries", "tail", "--no-follow", "--from-start", "--json")
    rows = [json.loads(text) for text in out.splitlines()]
    assert len(rows) == 6
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    dead, _ = tocsin.run(
        "deliveries", "tail", "--no-follow", "--subscription", "wh_one", "--verdict", "dead_letter"
    )
    assert dead.count("✗ dead_letter") == dead.count("\n") == 2
    assert tocsin.run("deliveries", "tail", "--no-follow", "--lines", "1")[0].count("\n") == 1
    assert tocsin.run("deliveries", "tail", "--no-follow", "--since", "0s")[0] == ""


def test_tail_follows_until_it_is_interrupted(tocsin: Tocsin) -> None:
    write_history(tocsin.made, "wh_one", 1)
    with tocsin.running("deliveries", "tail", "--json") as process:
        assert [line(process)["verdict"], line(process)["verdict"]] == ["retry", "dead_letter"]
        write_history(tocsin.made, "wh_two", 1)
        assert line(process)["subscription_id"] == "wh_two"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 130


def test_dead_letters_are_listed_newest_first_and_selected(tocsin: Tocsin) -> None:
    written = write_history(tocsin.made, "wh_one", 3)
    write_history(tocsin.made, "wh_two", 1, reason="gone")
    rows = tocsin.json("dlq", "list", "--subscription", "wh_one", "--reason", "exhausted")
    assert [row["delivery_id"] for row in rows] == [each.delivery_id for each in reversed(written)]
    assert rows[0]["error"] == "500 Internal Server Error"
    assert len(tocsin.json("dlq", "list")) == 4
    assert tocsin.json("dlq", "list", "--until", "1h") == []
    out, err = tocsin.run("dlq", "list", "--limit", "2")
    assert out.count("\n") == 3
    assert "the newest 2 of 4" in err


def test_dead_letter_is_shown_with_its_body_and_every_attempt(tocsin: Tocsin) -> None:
    first, _ = write_history(tocsin.made, "wh_one", 2)
    shown = tocsin.json("dlq", "show", first.delivery_id)
    assert shown["delivery"]["body"].encode() == first.body
    assert [attempt["verdict"] for attempt in shown["attempts"]] == ["retry", "dead_letter"]
    out, _ = tocsin.run("dlq", "show", first.delivery_id[:12])
    assert '"number": 0' in out
    assert "Attempts (2)" in out
    assert "exhausted: every attempt of the schedule failed" in out
    tocsin.run("dlq", "show", "ffffffff", code=1)


def test_dead_letter_is_shown_with_attempts_from_before_partitions_grew(tocsin: Tocsin) -> None:
    (earlier,) = partitioner.homes(b"wh_one", 1)
    assert earlier not in partitioner.homes(b"wh_one", tocsin.made.settings.partitions)
    (died,) = write_history(tocsin.made, "wh_one", 1, first_in=earlier)
    assert "Attempts (1)" in tocsin.run("dlq", "show", died.delivery_id)[0]
    out, _ = tocsin.run("dlq", "show", died.delivery_id, TOCSIN_PARTITIONS_EARLIER="[1]")
    assert "Attempts (2)" in out


def test_poison_is_told_of_and_passed_over(tocsin: Tocsin) -> None:
    topics = tocsin.made.topics
    tocsin.made.write(
        Outgoing(topics.attempts, b"wh_one", b"poison"), Outgoing(topics.dlq, b"wh_one", b"poison")
    )
    write_history(tocsin.made, "wh_one", 1)
    out, err = tocsin.run("deliveries", "tail", "--no-follow")
    assert out.count("\n") == 2
    assert "/0 is no attempt: unknown magic byte 0x70" in err
    out, err = tocsin.run("dlq", "list", "--json")
    assert len(json.loads(out)) == 1
    assert err.startswith(f"tocsin: {topics.dlq}")
    assert "is passed over" in err


def test_poison_in_a_table_is_told_of(tocsin: Tocsin) -> None:
    """Who looks for a webhook has to hear that one could not be read."""
    topic = tocsin.made.topics.subscriptions
    tocsin.made.write(Outgoing(topic, b"wh_one", b"poison"))
    _, err = tocsin.run("deliveries", "missing", "--webhook", "wh_one", "--since", "1h", code=1)
    assert err.startswith(f"tocsin: {topic} offset 0 is passed over: ")


def test_dry_run_counts_deliveries_and_writes_no_job(tocsin: Tocsin) -> None:
    write_history(tocsin.made, "wh_one", 3)
    write_history(tocsin.made, "wh_one", 1)
    told = tocsin.json("replay", "--dry-run")
    assert (told["dead_letters"], told["deliveries"], told["reasons"]) == (4, 3, {"exhausted": 4})
    assert "3 deliveries would be replayed" in tocsin.run("replay", "--dry-run")[0]
    assert tocsin.made.read(tocsin.made.topics.jobs) == []


def test_replay_without_terminal_needs_yes(tocsin: Tocsin) -> None:
    write_history(tocsin.made, "wh_one", 1)
    _, err = tocsin.run("replay", "--why", "test", code=2)
    assert "say --yes" in err
    assert tocsin.made.read(tocsin.made.topics.jobs) == []


def test_replay_of_nothing_writes_no_job(empty: Tocsin) -> None:
    _, err = empty.run("replay", "--why", "test", "--yes")
    assert "nothing to replay" in err
    assert empty.made.read(empty.made.topics.jobs) == []


def test_replay_is_followed_to_its_end(tocsin: Tocsin) -> None:
    written = write_history(tocsin.made, "wh_one", 5)
    tocsin.made.start("replay")
    out, _ = tocsin.run(
        "replay", "--why", "their outage is over", "--subscription", "wh_one", "--yes", "--json"
    )
    last = json.loads(out.splitlines()[-1])
    assert (last["state"], last["replayed"], last["selected"]) == ("done", 5, 5)
    redelivered = tocsin.made.read(tocsin.made.topics.redeliveries)
    assert len(redelivered) == len(written)
    (job,) = tocsin.json("replay", "status")
    assert (job["why"], job["state"]) == ("their outage is over", "done")
    assert tocsin.json("replay", "status", job["job"])["progress"]["replayed"] == 5


def test_replay_that_nobody_runs_says_so_and_waits(tocsin: Tocsin) -> None:
    write_history(tocsin.made, "wh_one", 1)
    with tocsin.running("replay", "--why", "test", "--yes") as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(2)]
        assert "no replay program has begun this job within 10 s" in said[1]
        assert "python -m consumers.replay" in said[1]
    assert tocsin.json("replay", "status")[0]["state"] == "requested"


def test_endpoint_is_added_listed_and_removed(tocsin: Tocsin) -> None:
    tocsin.made.start("control")
    known = Tocsin(tocsin.made, tocsin.home, tocsin.made.api_key(SYSTEM, "acme"))
    wanted = ("--events", "drift.*", "--filter", "type=drift.alert")
    added = known.json("endpoints", "add", "http://127.0.0.1:9000/hook", *wanted)
    assert added["secret"]
    assert added["filters"] == [{"exact": {"type": "drift.alert"}}]
    (row,) = known.json("endpoints", "list")
    assert (row["id"], row["events"]) == (added["id"], ["drift.*"])
    listed = known.run("endpoints", "list")[0]
    assert added["id"] in listed
    assert "drift.* (filtered)" in listed
    known.run("endpoints", "disable", added["id"])
    assert "disabled by its owner" in known.run("endpoints", "list")[0]
    assert known.json("endpoints", "test", added["id"], TYPE)["delivery_id"]
    known.run("endpoints", "enable", added["id"])
    rotated = known.json("endpoints", "rotate", added["id"], "--keep-old", "1h")
    assert rotated["secret"] != added["secret"]
    assert [each["expires_at"] is None for each in rotated["secrets"]] == [True, False]
    (row,) = known.json("endpoints", "list")
    assert (row["active"], row["version"]) == (True, 4)
    known.run("endpoints", "remove", added["id"])
    assert known.json("endpoints", "list") == []
    _, err = known.run("endpoints", "add", "http://127.0.0.1:9000/", "--events", "drift.alrt", code=1)
    assert err.startswith("tocsin: events")
    assert "(HTTP 400)" in err
    _, err = known.run("endpoints", "add", "http://10.0.0.8/", "--events", "*", code=3)
    assert "policy refuses this destination; `tocsin endpoints check http://10.0.0.8/` says why" in err
    assert "(HTTP 404)" in known.run("endpoints", "remove", added["id"], code=1)[1]


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("http://127.0.0.1:9000/hook", 0, "allowed"),
        ("http://10.0.0.8/hook", 3, "tocsin: "),
        ("https://user@example.com/", 3, "tocsin: "),
        ("nonsense", 3, "tocsin: "),
    ],
)
def test_endpoint_is_checked_without_a_request(empty: Tocsin, url: str, code: int, said: str) -> None:
    out, err = empty.run("endpoints", "check", url, code=code)
    assert said in out + err


@pytest.mark.parametrize(
    ("system", "event_type", "scheme"), [(SYSTEM, TYPE, "http"), ("driftguard", "warning", "https")]
)
def test_listener_registers_verifies_and_removes_itself(
    system: str, event_type: str, scheme: str, own: Installation, tmp_path: Path
) -> None:
    """Also for a system that takes HTTPS alone, with the certificate that lies beside what delivery trusts."""
    authority = Authority(tmp_path / "authority")
    authority.ensure(datetime.now(UTC))
    trusting = {"TOCSIN_CA_FILE": str(authority.ca_file)}
    own.fleet.environment = {**own.fleet.environment, **trusting}
    own.start("control", "router", "delivery", "delay")
    known = Tocsin(own, tmp_path, own.api_key(system, "acme"), trusting)
    with known.running("listen", "--register", "--system", system, "--json") as process:
        started = line(process)
        assert started["verifying"] is True
        assert started["listening"].startswith(f"{scheme}://")
        assert len(known.json("endpoints", "list")) == 1
        known.run("publish", system, event_type, "--example", "--organization", "acme")
        received = line(process)
        assert (received["verified"], received["status"], received["event_type"]) == (True, 200, event_type)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    assert known.json("endpoints", "list") == []


def test_listener_answers_401_to_what_does_not_verify(empty: Tocsin) -> None:
    secret = "whsec_" + "a" * 40
    arguments = ["--system", SYSTEM, "--secret", secret, "--exit-after", "1", "--json"]
    with empty.running("listen", *arguments) as process:
        address = line(process)["listening"]
        assert httpx.post(address, json={"event": TYPE}, trust_env=False).status_code == 401
        assert line(process)["verified"] is False
        assert process.wait(timeout=10) == 1
