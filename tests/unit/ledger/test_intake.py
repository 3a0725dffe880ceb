"""The ledger's membership where Kafka answers late, in part or not at all; a stand-in is its client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from consumers.ledger.intake import Intake
from tocsin.kafka import clients
from tocsin.kafka.reader import JOINED_AFTER_S, Part, Record
from tocsin.lifecycle import Stop
from tocsin.settings import load

PART = Part("tocsin.attempts", 0)
AT_4 = TopicPartition(*PART, 4)


class Client:
    """A group's member that is told what happens to it."""

    def __init__(self, on_commit: Callable[[KafkaError | None, list[TopicPartition]], None]) -> None:
        self.answer = on_commit
        self.commits: list[bool] = []
        self.coming: list[Any] = []
        self.known: list[list[TopicPartition]] = [[AT_4]]

    def subscribe(self, topics: Sequence[str], *, on_assign: Any, on_revoke: Any, on_lost: Any) -> None:
        self.assign, self.revoke, self.lose = on_assign, on_revoke, on_lost

    def poll(self, timeout_s: float) -> Any:
        return self.coming.pop(0) if self.coming else None

    def consume(self, most: int, timeout_s: float) -> list[Any]:
        return []

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool = True) -> None:
        self.commits.append(asynchronous)

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return self.known.pop(0) if len(self.known) > 1 else self.known[0]

    def get_watermark_offsets(self, partition: TopicPartition, **_: Any) -> tuple[int, int]:
        return 0, 10

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        """It reads nothing."""

    def close(self) -> None:
        """It holds nothing."""


@pytest.fixture
def clock_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("consumers.ledger.intake.time.monotonic", lambda: now[0])
    return now


def member(monkeypatch: pytest.MonkeyPatch) -> tuple[Intake, Client]:
    made: list[Client] = []

    def group_consumer(settings: Any, group: str, *, on_commit: Any, unhurried: bool) -> Client:
        made.append(Client(on_commit))
        return made[0]

    monkeypatch.setattr(clients, "group_consumer", group_consumer)
    intake = Intake(load(), "ledger", [PART.topic], dict, lambda places: None, Stop(1.0))
    return intake, made[0]


class Complaint:
    """What the client says instead of a record."""

    def __init__(self, code: int) -> None:
        self._error = KafkaError(code)

    def error(self) -> KafkaError:
        return self._error

    def __len__(self) -> int:
        return 0


def test_member_without_partitions_counts_as_joined_after_a_while_without_an_error(
    clock_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    intake, client = member(monkeypatch)
    clock_s[0] += JOINED_AFTER_S - 1
    client.coming = [Complaint(KafkaError.GROUP_AUTHORIZATION_FAILED)]
    assert intake.gather(0.1) == []
    clock_s[0] += 2
    assert not intake.joined
    clock_s[0] += JOINED_AFTER_S
    assert intake.joined


@pytest.mark.parametrize(("answered", "commits"), [(True, [True, False]), (False, [True])])
@pytest.mark.parametrize("end", ["close", "revoke"])
def test_nothing_is_committed_synchronously_where_the_last_commit_was_not_answered(
    end: str, answered: bool, commits: list[bool], clock_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    intake, client = member(monkeypatch)
    client.assign(client, [AT_4])
    intake.projected({PART: Record(*PART, 6, 0, None, None, [], 0)})
    intake.gather(0.1)
    if answered:
        client.answer(None, [AT_4])
    intake.projected({PART: Record(*PART, 8, 0, None, None, [], 0)})
    if end == "close":
        intake.close()
    else:
        client.revoke(client, [AT_4])
    assert client.commits == commits


def test_partition_whose_offset_is_not_known_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    intake, client = member(monkeypatch)
    not_known = KafkaError(KafkaError.NOT_COORDINATOR)
    unknown: Any = SimpleNamespace(topic=PART.topic, partition=PART.partition, offset=-1001, error=not_known)
    client.known = [[unknown], [AT_4]]
    client.assign(client, [AT_4])
    assert intake.announced(Record(*PART, 3, 0, None, None, [], 0))
    assert not intake.announced(Record(*PART, 4, 0, None, None, [], 0))
