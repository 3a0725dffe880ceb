"""What an endpoint missed, as what a job works through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from consumers.replay.source import Found, Refused, Settled
from tocsin import deliveries, events, fanout, missed
from tocsin.deliveries import Delivery, Progress
from tocsin.errors import ConfigurationError, FilterInvalid, RenderError
from tocsin.jobs import ReplayRequest
from tocsin.kafka import pipeline
from tocsin.kafka.codec import Encoder
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.kafka.writer import Outgoing
from tocsin.missed import Extent, Fate, Looked, Search
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import Systems


class Missed:
    """The events that a subscription missed, each as the delivery that the router would make of it.

    Args:
        request: What was asked for; its selection names the subscription and the period.
        subscription: Looks a subscription up by its id.
    """

    def __init__(
        self,
        request: ReplayRequest,
        *,
        settings: Settings,
        registry: Registry,
        systems: Systems,
        subscription: Callable[[str], Subscription | None],
    ) -> None:
        self._request = request
        self._settings = settings
        self._registry = registry
        self._systems = systems
        self._topics = Topics(settings.topic_prefix)
        self._subscription = _active(subscription(request.selection.subscription_id or ""))
        self._search = self._searching()
        self._encode: Encoder = pipeline.encoder(registry, self._topics, "delivery")
        self._fates: Mapping[str, Fate] = {}

    def settle(self) -> Settled:
        """Fix up to where is looked."""
        extent = self._search.extent()
        bounds = {"deliveries": extent.deliveries, "attempts": extent.attempts}
        return Settled(extent.events, bounds=bounds)

    def open(self, settled: Settled, idle: Callable[[], None]) -> None:
        """Look up what was delivered, and what is on its way, as it stood when the job was settled."""
        extent = Extent(settled.end, settled.bounds["deliveries"], settled.bounds["attempts"])
        self._fates = self._search.fates(extent, idle)

    def find(
        self, settled: Settled, start: Mapping[int, int], end: Mapping[int, int], idle: Callable[[], None]
    ) -> Iterator[Found]:
        """Yield the events of the period, those that were missed with the record that delivers them."""
        for looked in self._search.look(self._fates, end=end, start=start, idle=idle):
            yield self._found(looked)

    def _found(self, looked: Looked) -> Found:
        arrived = looked.arrived
        if arrived is None or looked.fate not in missed.MISSED:
            return Found(looked.partition, looked.offset, None)
        # Made now, not when it is sent: what no format can express is not among those selected.
        try:
            made = fanout.single(arrived, self._subscription, self._systems)
        except RenderError:
            return Found(looked.partition, looked.offset, None)
        return Found(looked.partition, looked.offset, made.delivery_id, lambda: self._outgoing(looked, made))

    def _outgoing(self, looked: Looked, made: Delivery) -> Outgoing:
        progress = deliveries.progress_headers(Progress(run=self._request.job))
        headers = fanout.headers(made, events.carried(looked.headers), progress)
        value = self._encode(deliveries.to_record(made))
        return Outgoing(self._topics.redeliveries, made.subscription_id.encode(), value, headers)

    def _searching(self) -> Search:
        selection = self._request.selection
        try:
            return Search(
                self._settings,
                self._registry,
                self._systems,
                self._subscription,
                since_ms=selection.since or 0,
                until_ms=selection.until,
            )
        except (ConfigurationError, FilterInvalid) as error:
            raise Refused(f"what {self._subscription.id} wants cannot be read: {error}") from error


def _active(subscription: Subscription | None) -> Subscription:
    if subscription is None:
        raise Refused("there is no such subscription")
    if not subscription.active:
        raise Refused(f"{subscription.id} is disabled; enable it first, or all of it becomes dead letters")
    return subscription
