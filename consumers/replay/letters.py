"""Dead letters as what a job works through: for a replay, and for a purge that only has to count them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from consumers.replay.source import Found, Refused, Settled
from tocsin import deadletters, deliveries, events, purges
from tocsin.deadletters import DeadLetter
from tocsin.deliveries import Progress
from tocsin.errors import Undecodable
from tocsin.jobs import ReplayRequest
from tocsin.kafka.codec import Decoder, Encoder
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing
from tocsin.purges import Purge
from tocsin.selection import matches
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription


class Letters:
    """The dead letters that a request means.

    Args:
        request: What was asked for.
        purged: The purges that are done.
        target: The subscription that gets them as tests; None, each its own.
        recode: Reads and makes the value of a delivery; asked only for a target.
    """

    def __init__(
        self,
        request: ReplayRequest,
        *,
        settings: Settings,
        purged: Callable[[], list[Purge]],
        target: Callable[[str], Subscription | None],
        recode: Callable[[], tuple[Decoder, Encoder]],
    ) -> None:
        self._request = request
        self._settings = settings
        self._topic = Topics(settings.topic_prefix).redeliveries
        self._purged = purged
        self._target = target
        self._recode = recode
        self._honoured: list[Purge] = []
        self._retarget: Retarget | None = None

    def settle(self) -> Settled:
        """Fix where the dead-letter topic ends, and which purges count."""
        honours = tuple(purge.job for purge in self._purged())
        return Settled(bounded(deadletters.end_offsets(self._settings), self._request), honours)

    def open(self, settled: Settled, idle: Callable[[], None]) -> None:
        """Look up the purges that count, and the target."""
        self._honoured = [purge for purge in self._purged() if purge.job in settled.honours]
        if self._request.target is not None:
            target = self._target(self._request.target)
            if target is None:
                raise Refused(f"there is no subscription {self._request.target} to test with")
            self._retarget = Retarget(target, *self._recode())

    def find(
        self, settled: Settled, start: Mapping[int, int], end: Mapping[int, int], idle: Callable[[], None]
    ) -> Iterator[Found]:
        """Yield every dead letter, those that are meant with what sets them going again."""
        scan = deadletters.scan(self._settings, end_offsets=end, start_offsets=start, idle=idle)
        for letter in scan:
            yield self._found(letter)

    def _found(self, letter: DeadLetter) -> Found:
        meant = self._meant(letter)
        if meant is None:
            return Found(letter.partition, letter.offset)
        return Found(letter.partition, letter.offset, meant.delivery_id, lambda: self._outgoing(meant))

    def _meant(self, letter: DeadLetter) -> DeadLetter | None:
        if not matches(self._request.selection, letter) or purges.purged(letter, self._honoured):
            return None
        return letter if self._retarget is None else self._retarget(letter)

    def _outgoing(self, letter: DeadLetter) -> Outgoing:
        progress = Progress(run=self._request.job, test=letter.progress.test)
        headers = [
            *events.carried(letter.headers),
            ("tocsin_delivery_id", letter.delivery_id.encode()),
            *deliveries.progress_headers(progress),
        ]
        return Outgoing(self._topic, letter.subscription_id.encode(), letter.value, headers)


def bounded(ends: Mapping[int, int], request: ReplayRequest) -> dict[int, int]:
    """Return where each partition of the dead-letter topic ends for a request: it may name earlier ends. Pure."""
    asked = purges.offsets(request.end_offsets)
    return {partition: min(end, asked.get(partition, 0)) if asked else end for partition, end in ends.items()}


class Retarget:
    """Turns a dead letter of one subscription into a test for another one of the same organization.

    The body stays, so the other one must have the same wire format. The delivery gets the id that it has for that
    subscription, or the log of the first one would tell of what was never sent there.
    """

    def __init__(self, target: Subscription, decode: Decoder, encode: Encoder) -> None:
        self._target = target
        self._decode = decode
        self._encode = encode

    def __call__(self, letter: DeadLetter) -> DeadLetter | None:
        """Return a letter for the target, or None if it cannot be one."""
        target = self._target
        try:
            delivery = deliveries.from_record(self._decode(letter.value, letter.headers).record)
        except Undecodable:
            return None
        if (delivery.organization, delivery.system, delivery.format) != (
            target.organization,
            target.system,
            target.format,
        ):
            return None
        own_id = str(
            deliveries.delivery_id(delivery.event_source, delivery.event_type, delivery.event_id, target.id)
        )
        changed = replace(
            delivery, delivery_id=own_id, subscription_id=target.id, subscription_offset=target.offset
        )
        value = self._encode(deliveries.to_record(changed))
        progress = replace(letter.progress, test=True)
        return replace(letter, delivery_id=own_id, subscription_id=target.id, value=value, progress=progress)
