"""What a platform engineer does with dead letters and quarantine, by the command, on a real Kafka."""

from __future__ import annotations

import os

from tests.harness.command import Command
from tests.harness.installation import Installation
from tests.harness.jobs import reach
from tests.harness.records import set_aside, write_history
from tocsin.kafka.topics import MESSAGE_MAX_BYTES
from tocsin.wire.systems import load_systems


def test_purge_asks_twice_and_jobs_are_steered_and_all_of_it_is_audited(own: Installation) -> None:
    tocsin = Command(own)
    write_history(own, "wh_one", 3)
    write_history(own, "wh_two", 1, reason="gone")
    own.start("replay")
    purge = ("dlq", "purge", "--subscription", "wh_two", "--why", "gone for good")
    assert "--confirm 1" in tocsin.run(*purge, code=2)[1]
    assert (
        "1 dead letters are meant, not 2: nothing was done" in tocsin.run(*purge, "--confirm", "2", code=1)[1]
    )
    assert "1 delivery struck off" in tocsin.run(*purge, "--confirm", "1")[0]
    left = tocsin.json(
        "dlq", "list", "--fault", "subscriber", "--status", "500", "--error", "internal server"
    )
    assert {(row["subscription_id"], row["fault"]) for row in left} == {("wh_one", "subscriber")}
    asked = tocsin.json("replay", "--why", "slowly", "--rate", "0.1", "--yes", "--no-wait")
    assert asked["deliveries"] == 3
    reach(own, asked["job"], "running")
    tocsin.run("replay", "pause", asked["job"], "--why", "lunch")
    assert reach(own, asked["job"], "paused").replayed <= 1
    tocsin.run("replay", "cancel", asked["job"])
    reach(own, asked["job"], "cancelled")
    assert (
        "is cancelled: there is nothing to resume" in tocsin.run("replay", "resume", asked["job"], code=1)[1]
    )
    told = tocsin.json("audit", "--since", "1h")
    assert [entry["action"] for entry in told] == [
        "purge.begun", "purge.done", "replay.begun", "replay.paused", "replay.cancelled",
    ]  # fmt: skip
    assert [entry["organization"] for entry in told] == ["acme", "acme", None, None, None], (
        "what is one endpoint's is told to be its tenant's"
    )
    assert [entry["why"] for entry in told[1:4]] == ["gone for good", "slowly", "lunch"]
    assert all(entry["actor"].startswith("cli:") for entry in told)


def test_quarantined_record_is_shown_and_sent_back_once(own: Installation) -> None:
    tocsin = Command(own)
    set_aside(own, b"\x07broken")
    (row,) = tocsin.json("quarantine", "list", "--reason", "MAGIC")
    assert row["source"] == f"{own.topics.events('governlayer')}/0/7"
    assert "00000000  07 62 72 6f 6b 65 6e" in tocsin.run("quarantine", "show", row["id"])[0]
    redrive = ("quarantine", "redrive", "--why", "schema registered", "--yes")
    assert "1 record is on the way" in tocsin.run(*redrive)[1]
    (back,) = own.read(own.topics.events("governlayer"))
    assert (back.key(), back.value()) == (b"acme", b"\x07broken")
    assert ("ce_id", f"{row['source'].replace('/', '-')}".encode()) in (back.headers() or [])
    assert "0 of 1 records would be sent back" in tocsin.run(*redrive)[0]


def test_records_that_went_back_are_known_though_one_between_them_cannot_go(own: Installation) -> None:
    """An events topic takes less than quarantine does."""
    tocsin = Command(own)
    for value in (b"\x07one", b"\x07two", os.urandom(MESSAGE_MAX_BYTES + 200_000), b"\x07four"):
        set_aside(own, value)
    redrive = ("quarantine", "redrive", "--why", "schema registered", "--yes")
    told = tocsin.run(*redrive, code=1)[1]
    assert "3 of 4 records are on the way" in told
    assert f"{own.topics.events('governlayer')} refuses the record" in told
    rows = tocsin.json("quarantine", "list")
    assert sorted(row["redriven"] for row in rows) == [False, True, True, True]
    assert "1 of 4 records" in tocsin.run(*redrive[:-1], "--dry-run")[0]


def test_doctor_finds_nothing_wrong_with_a_new_installation(own: Installation) -> None:
    told = Command(own).json("doctor")
    assert told["healthy"]
    assert {finding["check"] for finding in told["findings"]} <= {"brokers", "programs", "disk"}
    assert told["topics"] == len(own.topics.specs(load_systems()))
