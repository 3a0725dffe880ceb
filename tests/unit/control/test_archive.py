"""What is read in Kafka, asked for over the API: recoveries, purges, what was missed, the audit, quarantine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from control import asking, cursor, page
from control.app import create_app
from control.directory import Directory
from control.newest import Place
from control.page import Spot
from control.reading import GRACE_S, OWN_MAX, THREADS, Check, TopicReading
from tests.unit.control import world
from tests.unit.control.archive_world import change, letter, looked, quarantined
from tests.unit.control.calls import as_key, register
from tests.unit.control.log_world import HOOK, OTHER_HOOK
from tests.unit.control.world import (
    NOW_MS,
    AwayTrail,
    MemoryArchive,
    MemoryJobs,
    MemoryOutbox,
    MemoryStore,
    MemoryTrail,
    make_services,
)
from tocsin.audit import Entry
from tocsin.errors import FilterInvalid, KafkaUnavailable, NotAcknowledged, RegistryUnavailable
from tocsin.http.problems import Problem
from tocsin.jobs import ReplayRequest
from tocsin.kafka.writer import Outgoing
from tocsin.purges import Purge
from tocsin.quarantined import Quarantined
from tocsin.selection import Selection
from tocsin.wire.systems import Systems

SINCE = "2026-03-01T00:00:00.000Z"
SINCE_MS = 1_772_323_200_000


def post(api: TestClient, path: str, key: str = world.ADMIN, *, repeat: str = "", **body: Any) -> Any:
    headers = as_key(key) | ({"Idempotency-Key": repeat} if repeat else {})
    return api.post(f"/v1/{path}", json=body, headers=headers)


def get(api: TestClient, path: str, key: str = world.ADMIN, **query: Any) -> Any:
    return api.get(f"/v1/{path}", params=query, headers=as_key(key))


def pages(api: TestClient, path: str, key: str = world.ADMIN, **query: Any) -> list[Any]:
    """Return every row of a listing, through all its pages."""
    rows: list[Any] = []
    while True:
        answer = get(api, path, key, **query)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["data"]
        if answer.json()["next"] is None:
            return rows
        query["after"] = answer.json()["next"]


def test_recovery_is_asked_for_once_of_an_active_webhook_of_the_organization(
    logged: TestClient, directory: Directory, jobs: MemoryJobs
) -> None:
    register(directory)
    asked: dict[str, Any] = {"webhook_id": HOOK, "since": SINCE, "why": "they were down", "rate_per_s": 5}
    answer = post(logged, "recoveries", world.REPLAYER, repeat="k", **asked)
    assert answer.status_code == 202, answer.text
    assert answer.json()["id"] == post(logged, "recoveries", world.REPLAYER, repeat="k", **asked).json()["id"]
    other = post(logged, "recoveries", world.REPLAYER, repeat="k", **{**asked, "rate_per_s": 6})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    (job,) = jobs.all()
    assert job.request.job.startswith("rcv-")
    assert (job.request.kind, job.request.why, job.request.rate_per_s) == ("recover", "they were down", 5.0)
    assert job.request.selection == Selection(
        organization="acme", subscription_id=HOOK, since=SINCE_MS, until=None
    )
    assert get(logged, f"replays/{job.request.job}").json()["kind"] == "recover"
    foreign = post(logged, "recoveries", world.RIVAL, **asked)
    assert (foreign.status_code, foreign.json()["errors"][0]["field"]) == (400, "webhook_id")
    directory.update(HOOK, replace(directory.all()[0], active=False))
    disabled = post(logged, "recoveries", **asked)
    assert (disabled.status_code, disabled.json()["code"]) == (409, "webhook_disabled")
    assert len(jobs.all()) == 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("recoveries", {"webhook_id": HOOK}, "since"),
        ("recoveries", {"since": SINCE}, "webhook_id"),
        ("recoveries", {"webhook_id": HOOK, "since": SINCE, "rate_per_s": 0}, "rate_per_s"),
        ("recoveries/preview", {"webhook_id": HOOK, "since": SINCE, "why": "x"}, "why"),
        ("purges", {"selection": {}, "confirm": 1}, "why"),
        ("purges", {"selection": {}, "why": "w"}, "confirm"),
        ("purges", {"selection": {}, "why": "", "confirm": 1}, "why"),
        ("purges", {"selection": {}, "why": "w", "confirm": 0}, "confirm"),
        ("purges", {"selection": {"reason": "bored"}, "why": "w", "confirm": 1}, "selection.reason"),
        (
            "purges",
            {"selection": {"organization": "rival"}, "why": "w", "confirm": 1},
            "selection.organization",
        ),
        ("purges/preview", {"selection": {"reason": "bored"}}, "selection.reason"),
    ],
)
def test_bad_request_is_400_and_names_the_field(
    logged: TestClient, directory: Directory, jobs: MemoryJobs, path: str, body: dict[str, Any], field: str
) -> None:
    register(directory)
    answer = post(logged, path, **body)
    assert answer.status_code == 400, answer.text
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert jobs.all() == []


def test_what_was_missed_is_listed_in_pages_and_counted_before_a_recovery(
    logged: TestClient, directory: Directory, archive: MemoryArchive
) -> None:
    register(directory)
    archive.missed[HOOK] = [
        *(looked(number) for number in (5, 3, 1)),
        looked(4, "dead"),
        looked(2, "waiting"),
    ]
    rows = pages(logged, f"webhooks/{HOOK}/missing", world.READER, since=SINCE, limit=2)
    assert [(row["event_id"], row["state"]) for row in rows] == [
        ("5", "never"),
        ("4", "dead"),
        ("3", "never"),
        ("2", "waiting"),
        ("1", "never"),
    ]
    first = get(logged, f"webhooks/{HOOK}/missing", since=SINCE, limit=1).json()
    assert first["counts"] == {"never": 3, "dead": 1, "waiting": 1}
    assert first["data"][0]["published_at"] == "2026-03-01T19:21:55.123Z"
    # A cursor is of one period: with another it would lead past what was never shown.
    moved = get(logged, f"webhooks/{HOOK}/missing", since="2026-02-01T00:00:00Z", after=first["next"])
    assert moved.status_code == 400
    found = post(logged, "recoveries/preview", world.REPLAYER, webhook_id=HOOK, since=SINCE).json()
    assert (found["deliveries"], found["counts"]) == (4, first["counts"])
    assert len(found["sample"]) == 5


def test_purge_names_the_number_that_was_counted_and_means_no_more(
    logged: TestClient, jobs: MemoryJobs, archive: MemoryArchive
) -> None:
    archive.letters += [
        letter(9, reason="gone", fault=None),
        letter(3),
        letter(3, timestamp_ms=NOW_MS - 2_500),
        letter(2, organization="rival"),
        letter(1, subscription_id=OTHER_HOOK),
    ]
    selection = {"webhook_id": HOOK}
    found = post(logged, "purges/preview", selection=selection).json()
    assert {name: found[name] for name in found if name != "sample"} == {
        "dead_letters": 3,
        "deliveries": 2,
        "by_reason": {"gone": 1, "exhausted": 2},
        "by_fault": {"nobody": 1, "subscriber": 2},
    }
    assert [each["event_id"] for each in found["sample"]] == ["9", "3", "3"]
    wrong = post(logged, "purges", selection=selection, why="gone for good", confirm=2)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "other_number")
    assert "3 dead letters are meant, not 2: nothing was done" in wrong.json()["detail"]
    assert jobs.all() == []
    done = post(logged, "purges", selection=selection, why="gone for good", confirm=3)
    assert done.status_code == 202, done.text
    (job,) = jobs.all()
    assert job.request.selection == Selection(
        organization="acme", subscription_id=HOOK, until=NOW_MS - 2_500 + 1
    )
    assert (job.request.kind, job.request.job[:4]) == ("purge", "prg-")
    assert job.request.end_offsets == {"0": 1_000}
    archive.purges.append(Purge(job.request.job, job.request.selection, {0: 2_000}))
    assert post(logged, "purges/preview", selection=selection).json()["dead_letters"] == 0
    assert post(logged, "purges", selection=selection, why="w", confirm=3).status_code == 409


def test_purge_is_no_replayers_to_ask_for(logged: TestClient, archive: MemoryArchive) -> None:
    archive.letters.append(letter(1))
    for path in ("purges", "purges/preview"):
        answer = post(logged, path, world.REPLAYER, selection={}, why="w", confirm=1)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")


def test_recoveries_and_purges_count_among_the_open_jobs(
    logged: TestClient, directory: Directory, jobs: MemoryJobs, archive: MemoryArchive
) -> None:
    register(directory)
    archive.letters.append(letter(1))
    for number in range(asking.OPEN_MAX):
        jobs.request(ReplayRequest(f"rpl-{number}", "cli:ann", NOW_MS, Selection(organization="acme")))
    for answer in (
        post(logged, "recoveries", webhook_id=HOOK, since=SINCE),
        post(logged, "purges", selection={}, why="w", confirm=1),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_replays")


def test_audit_lists_the_organizations_changes_newest_first_and_filters_them(
    logged: TestClient, archive: MemoryArchive
) -> None:
    archive.audit += [
        change(9, action="subscription.deleted", object=HOOK, actor="key:k1", why="they left"),
        change(8, organization="rival"),
        change(7, action="subscription.created", object=HOOK),
        change(6),
        change(5, organization=""),
        change(4, actor="key:k1"),
    ]
    everything = pages(logged, "audit", limit=1)
    assert [row["time"][17:19] for row in everything] == ["56", "54", "53", "51"]
    assert everything[-1] | {"id": ""} == {
        "id": "",
        "time": "2026-03-01T19:21:51.123Z",
        "actor": "key:k1",
        "action": "subscription.deleted",
        "object": HOOK,
        "why": "they left",
        "before": {},
        "after": {"number": 9},
    }
    wanted: list[tuple[dict[str, str], list[int]]] = [
        ({"actor": "key:k1"}, [4, 9]),
        ({"action": "subscription.*"}, [7, 9]),
        ({"about": HOOK, "action": "*.deleted"}, [9]),
        ({"since": "2026-03-01T19:21:54.123Z"}, [4, 6]),
        ({"until": "2026-03-01T19:21:54.123Z"}, [7, 9]),
        ({"actor": "nobody"}, []),
    ]
    for query, numbers in wanted:
        rows = pages(logged, "audit", **query)
        assert [row["after"]["number"] for row in rows] == numbers, query
    own = get(logged, "audit", limit=1).json()["next"]
    assert get(logged, "audit", world.RIVAL, after=own).status_code == 400


def test_quarantine_is_listed_shown_and_filtered_for_operators(
    logged: TestClient, archive: MemoryArchive
) -> None:
    archive.records += [
        quarantined(1),
        quarantined(2, source_topic="test.subscriptions", reason="a row under another's key", headers=()),
        quarantined(3, value="é".encode() * 40_000),
    ]
    archive.audit.append(change(1, action="quarantine.redriven", object="0-1"))
    rows = pages(logged, "quarantine", world.OPERATOR, limit=1)
    assert [(row["id"], row["redriven"], row["can_return"]) for row in rows] == [
        ("0-3", False, True),
        ("0-2", False, False),
        ("0-1", True, True),
    ]
    assert [row["organization"] for row in rows] == ["acme", None, "acme"]
    for query, ids in (
        ({"topic": "test.subscriptions"}, ["0-2"]),
        ({"reason": "MAGIC"}, ["0-3", "0-1"]),
        ({"redriven": "true"}, ["0-1"]),
        ({"since": "2026-03-01T19:21:02.123Z"}, ["0-3", "0-2"]),
        ({"until": "2026-03-01T19:21:02.123Z"}, ["0-1"]),
    ):
        assert [row["id"] for row in pages(logged, "quarantine", world.OPERATOR, **query)] == ids, query
    shown = get(logged, "quarantine/0-1", world.OPERATOR).json()
    assert shown["value"] == {"text": "\x07broken", "base64": None, "truncated": False}
    assert shown["headers"][1] == {
        "name": "ce_id",
        "value": {"text": "e-1", "base64": None, "truncated": False},
    }
    long = get(logged, "quarantine/0-3", world.OPERATOR).json()["value"]
    assert (long["truncated"], long["text"]) == (True, "é" * 32_768)
    for unknown in ("0-99", "9-1", "x", "0-", "٣-1", "0-1-2", "1" * 20 + "-1"):
        assert get(logged, f"quarantine/{unknown}", world.OPERATOR).status_code == 404, unknown


def test_quarantined_records_go_back_once_and_the_audit_hears_of_each(
    systems: Systems, directory: Directory, archive: MemoryArchive, outbox: MemoryOutbox
) -> None:
    trail = MemoryTrail()
    services = make_services(
        systems, directory, MemoryStore(directory), outbox=outbox, archive=archive, trail=trail
    )
    api = TestClient(create_app(services))
    archive.records += [
        quarantined(1),
        quarantined(2, source_topic="test.subscriptions"),
        quarantined(3, headers=()),
        quarantined(4),
    ]
    archive.audit.append(change(1, action="quarantine.redriven", object="0-4"))
    ids = ["0-1", "0-1", "0-2", "0-3", "0-4", "0-5"]
    answer = post(api, "quarantine/redrive", world.OPERATOR, ids=ids, why="schema registered")
    assert answer.json() == {
        "redriven": ["0-1", "0-3"],
        "refused": {
            "0-2": "a row of a table does not go back: it would undo what came after it",
            "0-4": "it was sent back before",
            "0-5": "there is no such record",
        },
    }
    assert [(record.topic, record.key, record.value) for record in outbox.returned] == [
        ("test.events.alpha", b"acme", b"\x07broken")
    ] * 2
    assert [(e.action, e.object, e.organization, e.why, e.after) for e in trail.entries] == [
        ("quarantine.redriven", "0-1", "acme", "schema registered", {"source": "test.events.alpha/3/41"}),
        ("quarantine.redriven", "0-3", "", "schema registered", {"source": "test.events.alpha/3/43"}),
    ]
    assert {entry.actor[:4] for entry in trail.entries} == {"key:"}
    again = post(api, "quarantine/redrive", world.OPERATOR, ids=["0-4"], why="again", again=True)
    assert again.json()["redriven"] == ["0-4"]
    bad: list[tuple[list[str], str]] = [([], "w"), (["0-1"] * 51, "w"), (["x"], "w"), (["0-1"], "")]
    for names, why in bad:
        refused = post(api, "quarantine/redrive", world.OPERATOR, ids=names, why=why)
        assert refused.status_code == 400, names
    away = TestClient(create_app(replace(services, trail=AwayTrail())))
    untold = post(away, "quarantine/redrive", world.OPERATOR, ids=["0-1"], why="w")
    assert (untold.status_code, "0-1: it is sent back, but the audit" in untold.json()["detail"]) == (
        503,
        True,
    )


class Ending:
    """Acknowledges two writes, and none from then on."""

    def __init__(self) -> None:
        self.left = 2

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise NotAcknowledged("no acknowledgement within 5 s")


class EndingOutbox(MemoryOutbox):
    def __init__(self) -> None:
        super().__init__()
        self._ending = Ending()

    def back(self, record: Outgoing) -> None:
        self._ending.spend()
        super().back(record)


class EndingTrail(MemoryTrail):
    def __init__(self) -> None:
        super().__init__()
        self._ending = Ending()

    def tell(self, entry: Entry) -> None:
        self._ending.spend()
        super().tell(entry)


@pytest.mark.parametrize(
    ("outbox", "trail", "doubt"),
    [
        (EndingOutbox(), MemoryTrail(), "it may or may not be sent back"),
        (MemoryOutbox(), EndingTrail(), "it is sent back, but the audit may not know it"),
    ],
    ids=["record", "audit"],
)
def test_redrive_that_ends_half_way_tells_what_is_done_and_what_was_not_tried(
    systems: Systems,
    directory: Directory,
    archive: MemoryArchive,
    outbox: MemoryOutbox,
    trail: MemoryTrail,
    doubt: str,
) -> None:
    services = make_services(
        systems, directory, MemoryStore(directory), outbox=outbox, archive=archive, trail=trail
    )
    archive.records += [quarantined(number) for number in range(1, 5)]
    ids = ["0-1", "0-2", "0-3", "0-4", "0-5"]
    answer = post(TestClient(create_app(services)), "quarantine/redrive", world.OPERATOR, ids=ids, why="w")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["redriven"] == ["0-1", "0-2"]
    assert {name: reason.partition(",")[0].partition(":")[0] for name, reason in told["refused"].items()} == {
        "0-3": doubt.partition(",")[0],
        "0-4": "it was not tried",
        "0-5": "there is no such record",
    }
    assert told["refused"]["0-3"].startswith(doubt)


def test_redrive_that_cannot_read_everything_sends_nothing_back(
    systems: Systems, directory: Directory, outbox: MemoryOutbox
) -> None:
    class Ended(MemoryArchive):
        def quarantined_at(self, spots: Sequence[Spot | None], check: Check) -> list[Quarantined | None]:
            for spot in spots:
                super().quarantined_at([spot], check)
                self.error = KafkaUnavailable("canary:9092")
            return []

    archive = Ended(records=[quarantined(1), quarantined(2)])
    services = make_services(systems, directory, MemoryStore(directory), outbox=outbox, archive=archive)
    api = TestClient(create_app(services))
    answer = post(api, "quarantine/redrive", world.OPERATOR, ids=["0-1", "0-2"], why="w")
    assert (answer.status_code, outbox.returned) == (503, [])


def test_cursor_that_names_no_place_is_400(logged: TestClient) -> None:
    """Its check is no secret: whoever makes one is answered as for any other text."""
    after = cursor.encode("acme", "audit", (5, "abc"))
    answer = get(logged, "audit", after=after)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


@pytest.mark.parametrize("error", [KafkaUnavailable("canary:9092"), RegistryUnavailable("canary")])
def test_what_cannot_be_read_is_503_and_names_no_host(
    logged: TestClient, directory: Directory, archive: MemoryArchive, error: Exception
) -> None:
    register(directory)
    archive.error = error
    for answer in (
        get(logged, "audit"),
        get(logged, "quarantine", world.OPERATOR),
        get(logged, f"webhooks/{HOOK}/missing", since=SINCE),
        post(logged, "purges/preview", selection={}),
    ):
        assert answer.status_code == 503
        assert "canary" not in answer.text


def test_webhook_whose_filters_nobody_can_read_is_409(
    logged: TestClient, directory: Directory, archive: MemoryArchive
) -> None:
    register(directory)
    archive.error = FilterInvalid("filters.0", "is none")
    answer = get(logged, f"webhooks/{HOOK}/missing", since=SINCE)
    assert (answer.status_code, answer.json()["code"]) == (409, "filters_unreadable")


def test_question_that_takes_too_long_ends_and_is_503(systems: Systems, directory: Directory) -> None:
    class Endless(MemoryArchive):
        def _answer(self, check: Check) -> None:
            while True:
                check()
                time.sleep(0.01)

    services = make_services(systems, directory, MemoryStore(directory), archive=Endless())
    api = TestClient(create_app(replace(services, reading=TopicReading(answer_max_s=0.05))))
    for _ in range(OWN_MAX + 1):  # one after the other: what has ended is open no longer
        answer = get(api, "audit")
        assert (answer.status_code, answer.json()["code"]) == (503, "takes_too_long")
        assert "takes longer" in answer.json()["detail"]
        assert "retry-after" not in answer.headers


def test_organization_that_asks_too_much_at_once_holds_up_itself_and_nobody_else() -> None:
    reading, go_on = TopicReading(), threading.Event()

    async def ask() -> tuple[int, str]:
        open_ = [
            asyncio.create_task(reading.ask("acme", lambda check: go_on.wait(10.0), less=""))
            for _ in range(OWN_MAX)
        ]
        await asyncio.sleep(0)
        with pytest.raises(Problem) as refused:
            await reading.ask("acme", lambda check: None, less="")
        answer = await reading.ask("rival", lambda check: "answered meanwhile", less="")
        go_on.set()
        assert await asyncio.gather(*open_) == [True] * OWN_MAX
        await reading.ask("acme", lambda check: None, less="")
        return refused.value.status, answer

    assert asyncio.run(ask()) == (429, "answered meanwhile")
    reading.close()


def test_question_that_gets_no_thread_or_no_word_of_kafka_is_not_told_to_ask_for_less() -> None:
    go_on = threading.Event()

    def hang(check: Check) -> bool:
        return go_on.wait(10.0)

    async def refused(reading: TopicReading, organization: str) -> str:
        with pytest.raises(Problem) as problem:
            await reading.ask(organization, hang, less="ask for less")
        assert (problem.value.status, problem.value.code) == (503, "unavailable")
        return problem.value.detail

    async def ask() -> tuple[list[str], str]:
        reading = TopicReading(answer_max_s=0.1 - GRACE_S)
        away = await asyncio.gather(*(refused(reading, str(number)) for number in range(THREADS)))
        # The threads are held still: nobody else gets one.
        held = TopicReading(wait_max_s=1.0)
        open_ = [asyncio.create_task(held.ask(str(each), hang, less="")) for each in range(THREADS)]
        await asyncio.sleep(0)
        busy = await refused(held, "late")
        go_on.set()
        assert await asyncio.gather(*open_) == [True] * THREADS
        for each in (reading, held):
            each.close()
        return away, busy

    away, busy = asyncio.run(ask())
    assert set(away) == {"Kafka does not answer now"}
    assert busy == "too many ask for what has to be read in Kafka; ask again in a moment"


@given(
    times=st.lists(st.integers(0, 5), max_size=30),
    wanted=st.sets(st.integers(0, 30)),
    limit=st.integers(1, 5),
    looked_max=st.integers(1, 7),
)
def test_pages_show_everything_that_is_wanted_once_in_order_however_they_are_cut(
    times: list[int], wanted: set[int], limit: int, looked_max: int
) -> None:
    places = sorted((Place(at, number % 3, number) for number, at in enumerate(times)), reverse=True)
    seen: list[int] = []
    before: Place | None = None
    for _ in range(len(places) + 1):
        left = [
            (place, place.offset if place.offset % 4 else None)
            for place in places
            if before is None or place < before
        ]
        source = iter(left)
        shown = page.cut(source, wanted.__contains__, limit=limit, looked_max=looked_max)
        assert len(left) - len(list(source)) <= looked_max + 1
        assert len(shown.rows) <= limit
        seen += shown.rows
        if shown.next is None:
            break
        before = page.after("acme", "l", page.told("acme", "l", shown.next))
    assert seen == [place.offset for place in places if place.offset in wanted and place.offset % 4]
