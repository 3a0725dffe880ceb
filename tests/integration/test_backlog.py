"""What waits in Kafka, as the API tells it."""

from __future__ import annotations

from control.backlog import BacklogReader
from tests.harness.command import Command
from tests.harness.installation import Installation
from tocsin.kafka.writer import Outgoing

GROWN = 5


def test_what_waits_in_a_partition_that_was_added_meanwhile_is_counted(own: Installation) -> None:
    backlog = BacklogReader(own.settings, lambda: 0)
    assert backlog.read_all().live == 0
    Command(own).run("topics", "grow", str(GROWN), "--yes")
    own.write(Outgoing(own.topics.deliveries, b"k", b"v", partition=GROWN - 1))
    found = backlog.read_all()
    backlog.close()
    assert (found.live, found.lag["delivery", own.topics.deliveries]) == (1, 1)
    assert found.live_age_s is not None
