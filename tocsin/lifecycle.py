"""How every program starts and stops.

Start: read the settings, wait for Kafka and the registry (saying so), make the topics that are missing, run.
Stop: the first SIGTERM or SIGINT asks; `Stop` is set and the program ends its open work within one deadline.
The second ends the process at once. A failure is one line and exit code 1, and the supervisor starts it again:
nothing that is not committed is lost by that.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from confluent_kafka import KafkaException

from tocsin import failpoints, telemetry
from tocsin import settings as settings_module
from tocsin.errors import KafkaUnavailable, RegistryUnavailable, TocsinError
from tocsin.kafka import clients, clock, topics
from tocsin.kafka.registry import Registry
from tocsin.settings import Settings
from tocsin.wire.systems import load_systems

_log = logging.getLogger("tocsin")


SKEW_MAX_S = 60.0
SKEW_CHECK_EVERY_S = 10.0


class Stop:
    """Set once the program is asked to stop.

    Attributes:
        asked: Set at the first signal.
    """

    def __init__(self, deadline_s: float) -> None:
        self.asked = threading.Event()
        self._within_s = deadline_s
        self._deadline: float | None = None
        self._then: list[Callable[[], None]] = []

    def __bool__(self) -> bool:
        return self.asked.is_set()

    @property
    def deadline(self) -> float:
        """When open work must have ended, on the monotonic clock; infinite while nobody asked."""
        return self._deadline if self._deadline is not None else float("inf")

    def on_asked(self, callback: Callable[[], None]) -> None:
        """Call `callback` from the signal handler, or now if that has run already; it must only wake something up."""
        self._then.append(callback)
        if self.asked.is_set():
            callback()

    def ask(self) -> None:
        """Ask for the stop, as a first signal does."""
        self._deadline = time.monotonic() + self._within_s
        self.asked.set()
        for callback in self._then:
            callback()

    def install(self) -> None:
        """Take over SIGTERM and SIGINT."""
        signal.signal(signal.SIGTERM, self._signalled)
        signal.signal(signal.SIGINT, self._signalled)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if self.asked.is_set():
            os._exit(128 + number)
        self.ask()


def run(program: str, main: Callable[[Settings, Stop], None]) -> int:
    """Run a program from start to stop and return its exit code."""
    try:
        settings = settings_module.load()
        failpoints.arm(os.environ)
    except TocsinError as error:
        telemetry.configure_logging(program, "console", "info")
        _log.critical("%s", error)
        return 1
    telemetry.configure_logging(program, settings.log_format, settings.log_level)
    stop = Stop(settings.stop_deadline_s)
    stop.install()
    try:
        if prepare(settings, stop):
            main(settings, stop)
    except (TocsinError, KafkaException) as error:
        _log.critical("%s stops: %s", program, error)
        return 1
    _log.info("stopped")
    return 0


def ready() -> None:
    """Say that the program makes progress from here on; whoever started it may wait for the line."""
    _log.info("ready")


def prepare(settings: Settings, stop: Stop) -> bool:
    """Wait for Kafka and the registry and make the topics that are missing; False if asked to stop meanwhile."""
    wait_for_kafka(settings, stop)
    wait_for_registry(settings, stop)
    if stop:
        return False
    created = topics.ensure(settings, load_systems())
    if created:
        _log.info("created %d topics", len(created))
    return wait_for_clock(settings, stop)


def wait_for_clock(settings: Settings, stop: Stop) -> bool:
    """Return once this machine's clock agrees with the broker's; False if asked to stop meanwhile.

    Signatures carry this machine's time, and receivers refuse those that are minutes off.
    """
    while not stop:
        skew_s = clock.skew_s(settings, topics.Topics(settings.topic_prefix).clock)
        if abs(skew_s) <= SKEW_MAX_S:
            return True
        _log.error(
            "this machine's clock is %+.0f s off the broker's, waiting until it is set right (NTP)", skew_s
        )
        stop.asked.wait(SKEW_CHECK_EVERY_S)
    return False


def wait_for_kafka(settings: Settings, stop: Stop) -> None:
    """Return once a broker answers."""

    def ask() -> None:
        try:
            clients.admin(settings).list_topics(timeout=2.0)
        except KafkaException as error:
            raise KafkaUnavailable(error.args[0].str()) from error

    _wait_for(f"Kafka at {settings.kafka}", ask, stop)


def wait_for_registry(settings: Settings, stop: Stop) -> None:
    """Return once the schema registry answers."""
    _wait_for(
        f"schema registry at {settings.registry}", Registry(settings.registry, timeout_s=2.0).ping, stop
    )


def _wait_for(what: str, ask: Callable[[], None], stop: Stop) -> None:
    said_at = float("-inf")
    while not stop:
        try:
            ask()
            return
        except (KafkaUnavailable, RegistryUnavailable) as error:
            if time.monotonic() - said_at > 10:
                _log.error(
                    "%s does not answer, trying again (is it running? `make up` starts one): %s", what, error
                )
                said_at = time.monotonic()
            stop.asked.wait(0.5)
