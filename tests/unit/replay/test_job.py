"""A job that cannot go on ends as failed; the program and its other jobs go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.replay.job import Halted, Job
from consumers.replay.missed import Missed
from consumers.replay.program import Replaying
from consumers.replay.source import Found, Refused, Settled
from tocsin import jobs
from tocsin.errors import ConfigurationError, KafkaUnavailable, RegistryUnavailable
from tocsin.jobs import ReplayProgress, ReplayRequest, Wanted
from tocsin.kafka.registry import Registry
from tocsin.kafka.writer import Outgoing, Writer, Written
from tocsin.missed import Search
from tocsin.selection import Selection
from tocsin.settings import load
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import load_systems

REQUEST = ReplayRequest("j", "cli:ann", 5, Selection(), rate_per_s=1e9)
RECOVERY = ReplayRequest("r", "cli:ann", 5, Selection(subscription_id="wh_1", since=1), kind="recover")
ELSEWHERE = Subscription("wh_1", "acme", "elsewhere", "https://h/", ("*",), 0, 0, 0)


class Letters:
    """Two letters on one partition."""

    def settle(self) -> Settled:
        return Settled({0: 2})

    def open(self, settled: Settled, idle: Callable[[], None]) -> None:
        """There is nothing to look up."""

    def find(
        self, settled: Settled, start: Mapping[int, int], end: Mapping[int, int], idle: Callable[[], None]
    ) -> Iterator[Found]:
        for offset in range(start.get(0, 0), end.get(0, 0)):
            yield Found(0, offset, f"d{offset}", lambda: Outgoing("redeliveries", b"", b""))


class Refusing:
    """A writer whose every record the broker refuses for good."""

    def write(self, record: Outgoing, done: Callable[[Written], None], **_: Any) -> None:
        done(Written(-1, -1, "too large"))

    def flush(self, timeout_s: float) -> bool:
        return True


class Host:
    """A host that wants the job paused at its `pause_at`th delivery."""

    def __init__(self, pause_at: int = 0) -> None:
        self.saved: list[ReplayProgress] = []
        self._pause_at = pause_at
        self._slept = 0

    def may_go_on(self) -> bool:
        return not self._pause_at or self._slept < self._pause_at

    def may_write(self) -> bool:
        return True

    def wanted(self) -> Wanted:
        return "pause"

    def sleep(self, seconds: float) -> None:
        self._slept += 1

    def save(self, progress: ReplayProgress) -> None:
        self.saved.append(progress)


@pytest.mark.parametrize("pause_at", [0, 2])
def test_job_with_a_write_that_is_refused_for_good_has_failed(
    pause_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.kafka.snapshot.ends", lambda settings, topic: {0: 0})
    host = Host(pause_at)
    Job(REQUEST, Letters(), settings=load(), writer=cast(Writer, Refusing()), host=host).run(None)
    assert [progress.state for progress in host.saved] == ["running", "failed"]
    assert "too large" in (host.saved[-1].error or "")


def test_subscription_of_a_system_that_is_not_here_is_refused_and_no_error_of_the_program() -> None:
    registry = cast(Registry, None)
    with pytest.raises(ConfigurationError, match="schemas/elsewhere"):
        Search(load(), registry, load_systems(), ELSEWHERE, since_ms=0)
    with pytest.raises(Refused, match=r"wh_1.*schemas/elsewhere"):
        Missed(
            RECOVERY,
            settings=load(),
            registry=registry,
            systems=load_systems(),
            subscription=lambda _: ELSEWHERE,
        )


class Seat(Host):
    """A seat that keeps what is saved."""

    def __init__(self) -> None:
        super().__init__()
        self.job = jobs.Job(REQUEST, ReplayProgress("j", "running", 9, {}, {}, 1, replayed=4), None)


class Raising:
    """Sources of which none opens."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def of(self, request: ReplayRequest) -> Any:
        raise self._error


def advance(error: Exception, seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a replay program take up a job whose source raises."""
    monkeypatch.setattr("consumers.replay.program.Writer", lambda *_, **__: cast(Any, seat))
    monkeypatch.setattr(seat, "close", lambda: None, raising=False)
    nothing = cast(Any, None)
    program = Replaying(
        load(), nothing, nothing, rows=nothing, trail=nothing, sources=cast(Any, Raising(error))
    )
    program._advance(seat.job, cast(Any, seat))


@pytest.mark.parametrize(
    ("error", "told"),
    [(Refused("there is no such subscription"), "no such"), (KeyError("elsewhere"), "KeyError: 'elsewhere'")],
)
def test_job_that_nothing_can_be_done_about_fails_alone_and_keeps_how_far_it_came(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = Seat()
    advance(error, seat, monkeypatch)
    (saved,) = seat.saved
    assert (saved.state, saved.replayed) == ("failed", 4)
    assert told in (saved.error or "")


@pytest.mark.parametrize(
    "error",
    [
        Halted(),
        KafkaUnavailable("away"),
        RegistryUnavailable("away"),
        KafkaException(KafkaError(KafkaError._FATAL)),
    ],
)
def test_what_is_not_the_jobs_fault_does_not_fail_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    seat = Seat()
    with pytest.raises(type(error)):
        advance(error, seat, monkeypatch)
    assert not seat.saved
