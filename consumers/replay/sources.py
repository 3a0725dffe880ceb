"""Where each kind of job looks, put together from what this process has."""

from __future__ import annotations

from collections.abc import Callable

from consumers.replay.letters import Letters
from consumers.replay.missed import Missed
from consumers.replay.source import Source
from tocsin.jobs import ReplayRequest
from tocsin.kafka import pipeline, subscribers
from tocsin.kafka.codec import Decoder, Encoder
from tocsin.kafka.registry import Registry
from tocsin.kafka.topics import Topics
from tocsin.purges import Purge
from tocsin.settings import Settings
from tocsin.subscriptions import Subscription
from tocsin.wire.systems import Systems


class Sources:
    """Opens what a job works through.

    Args:
        purged: The purges that are done.
    """

    def __init__(
        self, settings: Settings, registry: Registry, systems: Systems, purged: Callable[[], list[Purge]]
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.topic_prefix)
        self._registry = registry
        self._systems = systems
        self._purged = purged

    def of(self, request: ReplayRequest) -> Source:
        """Return where a job looks."""
        if request.kind == "recover":
            return Missed(
                request,
                settings=self._settings,
                registry=self._registry,
                systems=self._systems,
                subscription=self._subscription,
            )
        return Letters(
            request,
            settings=self._settings,
            purged=self._purged,
            target=self._subscription,
            recode=self._recode,
        )

    def _subscription(self, subscription_id: str) -> Subscription | None:
        return subscribers.find(self._settings, self._registry, subscription_id)

    def _recode(self) -> tuple[Decoder, Encoder]:
        decode = pipeline.decoder(self._registry, "delivery")
        return decode, pipeline.encoder(self._registry, self._topics, "delivery")
