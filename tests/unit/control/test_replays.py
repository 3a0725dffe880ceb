"""Replays asked for over the API; the replay program itself is not needed to know what is asked of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from control import replay_preview
from control.app import create_app
from control.asking import OPEN_MAX
from control.directory import Directory
from control.replay_preview import Meant
from tests.unit.control import world
from tests.unit.control.calls import as_key, register
from tests.unit.control.log_world import HOOK, OTHER_HOOK, Logbook, dead, delivery, delivery_id, plan
from tests.unit.control.world import NOW_MS, MemoryJobs, MemoryStore, make_services
from tocsin.errors import NotAcknowledged
from tocsin.jobs import JobControl, ReplayProgress, ReplayRequest, State
from tocsin.purges import Purge
from tocsin.selection import Selection
from tocsin.wire.systems import Systems

PATH = "/v1/replays"
EVERYTHING: dict[str, Any] = {
    "webhook_id": HOOK,
    "event_type": "drift.*",
    "reason": "exhausted",
    "fault": "subscriber",
    "http_status": 500,
    "since": "2026-03-01T00:00:00.000Z",
    "until": "2026-03-02T00:00:00.000Z",
    "delivery_id": delivery_id(1),
    "q": "timeout",
}


def post(api: TestClient, path: str = "", key: str = world.REPLAYER, *, repeat: str = "", **body: Any) -> Any:
    headers = as_key(key) | ({"Idempotency-Key": repeat} if repeat else {})
    return api.post(PATH + path, json=body, headers=headers)


def get(api: TestClient, path: str = "", key: str = world.REPLAYER, **query: Any) -> Any:
    return api.get(PATH + path, params=query, headers=as_key(key))


def test_replay_is_asked_for_as_it_was_said_and_of_the_keys_organization(
    logged: TestClient, jobs: MemoryJobs
) -> None:
    answer = post(logged, selection=EVERYTHING, why="they were down", rate_per_s=50)
    assert answer.status_code == 202, answer.text
    (job,) = jobs.all()
    assert job.request.selection == Selection(
        organization="acme",
        subscription_id=HOOK,
        event_type="drift.*",
        reason="exhausted",
        fault="subscriber",
        http_status=500,
        since=1_772_323_200_000,
        until=1_772_409_600_000,
        delivery_id=delivery_id(1),
        error_text="timeout",
    )
    assert (job.request.kind, job.request.why, job.request.rate_per_s) == ("replay", "they were down", 50.0)
    assert job.request.requested_by.startswith("key:")
    assert answer.json() == {
        "id": job.request.job,
        "kind": "replay",
        "state": "requested",
        "wanted": "run",
        "selection": EVERYTHING | {"system": None},
        "target": None,
        "why": "they were down",
        "requested_by": job.request.requested_by,
        "requested_at": "2026-03-01T19:22:00.123Z",
        "rate_per_s": 50.0,
        "selected": None,
        "replayed": 0,
        "read": 0,
        "eta_s": None,
        "error": None,
        "updated_at": None,
    }


def test_bad_request_is_400_and_names_the_field(logged: TestClient, jobs: MemoryJobs) -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        ({}, "selection"),
        ({"selection": None}, "selection"),
        ({"selection": {"organization": "rival"}}, "selection.organization"),
        ({"selection": {"reason": "bored"}}, "selection.reason"),
        ({"selection": {"since": "yesterday"}}, "selection.since"),
        ({"selection": {"http_status": "500"}}, "selection.http_status"),
        ({"selection": {"delivery_id": "x"}}, "selection.delivery_id"),
        ({"selection": {"q": "a\u0000"}}, "selection.q"),
        ({"selection": {}, "rate_per_s": 0}, "rate_per_s"),
        ({"selection": {}, "rate_per_s": 1001}, "rate_per_s"),
        ({"selection": {}, "target": OTHER_HOOK}, "target"),
        ({"selection": {}, "organization": "rival"}, "organization"),
        ({"selection": {}, "why": "w" * 501}, "why"),
    ]
    for body, field in bad:
        answer = post(logged, **body)
        assert answer.status_code == 400, (body, answer.text)
        assert [fault["field"] for fault in answer.json()["errors"]] == [field], body
    nan = b'{"selection": {}, "rate_per_s": NaN}'
    assert logged.post(PATH, content=nan, headers=as_key(world.REPLAYER)).status_code == 400
    assert jobs.all() == []


def test_target_is_a_webhook_of_the_organization(
    logged: TestClient, directory: Directory, jobs: MemoryJobs
) -> None:
    register(directory)
    assert post(logged, selection={}, target=HOOK).status_code == 202
    assert post(logged, key=world.RIVAL, selection={}, target=HOOK).status_code == 400
    assert [job.request.target for job in jobs.all()] == [HOOK]


def test_request_repeated_with_its_key_is_the_same_replay(logged: TestClient, jobs: MemoryJobs) -> None:
    first = post(logged, repeat="k1", selection={}, why="a")
    again = post(logged, repeat="k1", selection={}, why="a")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    other = post(logged, repeat="k1", selection={"reason": "gone"}, why="a")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert post(logged, repeat="k1", key=world.RIVAL, selection={}).json()["id"] != first.json()["id"]
    assert post(logged, repeat="k2", selection={}, why="a").json()["id"] != first.json()["id"]
    assert len(jobs.all()) == 3


def test_progress_shows_as_the_replay_program_tells_it(logged: TestClient, jobs: MemoryJobs) -> None:
    job = post(logged, selection={}, rate_per_s=10).json()["id"]
    progress = ReplayProgress(job, "running", 100, {}, {}, NOW_MS, replayed=40, read=77)
    jobs.progress(progress)
    shown = get(logged, f"/{job}").json()
    assert {name: shown[name] for name in ("state", "selected", "replayed", "read", "eta_s")} == {
        "state": "running",
        "selected": 100,
        "replayed": 40,
        "read": 77,
        "eta_s": 6.0,
    }
    jobs.progress(replace(progress, state="failed", error="the broker refuses it"))
    shown = get(logged, f"/{job}").json()
    assert (shown["state"], shown["error"], shown["eta_s"]) == ("failed", "the broker refuses it", None)


def test_replay_is_paused_resumed_and_cancelled_by_saying_so(logged: TestClient, jobs: MemoryJobs) -> None:
    job = post(logged, selection={}).json()["id"]
    for verb, wanted in (("pause", "pause"), ("resume", "run"), ("cancel", "cancel")):
        answer = post(logged, f"/{job}/{verb}")
        assert (answer.status_code, answer.json()["wanted"]) == (202, wanted)
    control = jobs.rows[f"{job}/control"]
    assert isinstance(control, JobControl)
    assert control.requested_by.startswith("key:")
    for verb in ("pause", "resume", "cancel"):
        assert post(logged, f"/{job}/{verb}").status_code == 409


def test_ended_replay_is_steered_no_longer(logged: TestClient, jobs: MemoryJobs) -> None:
    job = post(logged, selection={}).json()["id"]
    jobs.progress(ReplayProgress(job, "done", 1, {}, {}, NOW_MS, replayed=1))
    answer = post(logged, f"/{job}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "replay_ended")
    assert f"{job}/control" not in jobs.rows


def test_list_shows_own_replays_newest_first_in_pages(logged: TestClient, jobs: MemoryJobs) -> None:
    for number in range(5):
        jobs.request(
            ReplayRequest(f"rpl-{number}", "cli:ann", NOW_MS + number, Selection(organization="acme"))
        )
    jobs.request(ReplayRequest("rpl-rival", "cli:eve", NOW_MS, Selection(organization="rival")))
    jobs.request(ReplayRequest("rpl-all", "cli:root", NOW_MS, Selection()))
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = get(logged, **query).json()
        seen += [each["id"] for each in page["data"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == [f"rpl-{number}" for number in (4, 3, 2, 1, 0)]
    for foreign in ("rpl-rival", "rpl-all", "nonsense"):
        assert get(logged, f"/{foreign}").status_code == 404
        for verb in ("pause", "resume", "cancel"):
            assert post(logged, f"/{foreign}/{verb}").status_code == 404


def test_organization_has_so_many_open_replays_at_once(logged: TestClient, jobs: MemoryJobs) -> None:
    for number in range(OPEN_MAX):
        jobs.request(ReplayRequest(f"rpl-{number}", "cli:ann", NOW_MS, Selection(organization="acme")))
    assert post(logged, selection={}).json()["code"] == "too_many_replays"
    assert post(logged, key=world.RIVAL, selection={}).status_code == 202
    jobs.progress(ReplayProgress("rpl-3", "cancelled", 0, {}, {}, NOW_MS))
    assert post(logged, selection={}).status_code == 202


def test_unacknowledged_replay_is_503(systems: Systems, directory: Directory) -> None:
    class Away(MemoryJobs):
        def request(self, request: ReplayRequest) -> None:
            raise NotAcknowledged("no acknowledgement within 5 s")

    api = TestClient(create_app(make_services(systems, directory, MemoryStore(directory), jobs=Away())))
    answer = post(api, selection={})
    assert (answer.status_code, "may or may not be done" in answer.json()["detail"]) == (503, True)


def test_preview_counts_and_shows_what_a_selection_means(logged: TestClient, book: Logbook) -> None:
    book.write(
        delivery(1),
        dead(2, event_type="drift.alert"),
        dead(3, event_type="drift.resolved", reason="gone", last_status=410, last_error="HTTP 410"),
        dead(4, subscription_id=OTHER_HOOK),
        dead(5, organization="rival"),
        delivery(6, status="retrying", reason="exhausted", event_type="drift.alert"),
    )
    previews: list[tuple[dict[str, Any], str]] = [
        ({}, "234"),
        ({"event_type": "drift.*"}, "23"),
        ({"event_type": "drift.alert"}, "2"),
        ({"event_type": "nothing.*"}, ""),
        ({"webhook_id": OTHER_HOOK}, "4"),
        ({"reason": "gone"}, "3"),
        ({"http_status": 410, "q": "http 4"}, "3"),
        ({"delivery_id": delivery_id(2)}, "2"),
        ({"since": "2026-03-01T19:21:57.125Z"}, "23"),
        ({"until": "2026-03-01T19:21:57.125Z"}, "4"),
    ]
    for selection, events in previews:
        found = post(logged, "/preview", selection=selection).json()
        assert [each["event_id"] for each in found["sample"]] == list(events), selection
        assert (found["deliveries"], found["more"]) == (len(events), False)
    assert post(logged, "/preview", selection={}).json()["by_reason"] == {"exhausted": 2, "gone": 1}
    assert post(logged, "/preview", key=world.RIVAL, selection={}).json()["deliveries"] == 1
    assert post(logged, "/preview", selection={"reason": "bored"}).status_code == 400


def purge(jobs: MemoryJobs, name: str, begun_at: int, state: State = "done", **selected: Any) -> None:
    """Let a purge stand in a state."""
    jobs.request(ReplayRequest(name, "cli:ann", begun_at, Selection(**selected), kind="purge"))
    jobs.progress(ReplayProgress(name, state, 1, {"0": 9}, {}, begun_at, begun_at=begun_at))


def test_what_was_purged_is_counted_neither_by_the_preview_nor_by_the_overview(
    logged: TestClient, book: Logbook, jobs: MemoryJobs
) -> None:
    """What died after a purge, what another selection means, and what is null where a purge names something: stays."""
    book.write(
        dead(2),
        dead(3, reason="gone", last_error=None, last_status=None),
        dead(4, subscription_id=OTHER_HOOK),
        dead(5, reason=None, fault=None),
        dead(6, organization="rival"),
        dead(1, reason="gone"),
    )

    def counted() -> set[str]:
        found = post(logged, "/preview", selection={}).json()
        overview = logged.get("/v1/overview", headers=as_key(world.READER)).json()
        assert overview["dead_letters"] == {"total": found["deliveries"], "by_reason": found["by_reason"]}
        assert sum(found["by_fault"].values()) == found["deliveries"]
        return {each["event_id"] for each in found["sample"]}

    purge(jobs, "prg-1", NOW_MS - 1_500, reason="gone", organization="acme")
    purge(jobs, "prg-2", NOW_MS, "running")
    purge(jobs, "prg-3", NOW_MS, organization="rival")
    assert counted() == {"1", "2", "4", "5"}
    purge(jobs, "prg-4", NOW_MS, subscription_id=OTHER_HOOK, system="alpha", event_type="p*")
    purge(jobs, "prg-5", NOW_MS, fault="tocsin")
    assert {each["event_id"] for each in preview(logged, {"reason": "exhausted"})} == {"2"}
    purge(jobs, "prg-6", NOW_MS, error_text="http 5", reason="exhausted")
    assert {each["event_id"] for each in preview(logged, {})} == {"1", "5"}


def preview(api: TestClient, selection: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = post(api, "/preview", selection=selection).json()["sample"]
    return found


@pytest.mark.parametrize("webhook", [None, "wh"])
def test_preview_walks_down_the_index_of_dead_letters(
    book: Logbook, systems: Systems, webhook: str | None
) -> None:
    selection = Selection(
        organization="acme",
        subscription_id=webhook,
        event_type="drift.*",
        delivery_id="d",
        since=1,
        error_text="x",
    )
    meant = Meant(selection, systems, [Purge("prg-1", Selection(reason="gone", error_text="x"), {}, NOW_MS)])
    index = "ix_deliveries_undelivered" if webhook is None else "ix_deliveries_oldest"
    with book.store.reading() as connection:
        assert plan(connection, replay_preview.sample(meant)) == [index]
        assert index in plan(connection, replay_preview.causes(meant))
