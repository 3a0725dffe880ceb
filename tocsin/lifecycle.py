"""How every program starts and stops.

Start: read the settings, wait for Kafka and the registry (saying so), make the topics that are missing, run. Either
may go away again before the program is ready: whatever it needs of them then it asks for through `Stop.patiently`.
Stop: the first SIGTERM or SIGINT asks; `Stop` is set and the program ends its open work within one deadline.
The second ends the process at once. A failure is one line and exit code 1, and the supervisor starts it again:
nothing that is not committed is lost by that.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final, TypeVar

from confluent_kafka import KafkaException

from tocsin import failpoints, telemetry
from tocsin import settings as settings_module
from tocsin.errors import (
    KafkaUnavailable,
    LedgerUnavailable,
    RegistryRefuses,
    RegistryUnavailable,
    TocsinError,
)
from tocsin.kafka import clients, permissions, topics
from tocsin.kafka.clock import SKEW_MAX_S, BrokerClock
from tocsin.kafka.registry import Registry
from tocsin.kafka.writer import Writer
from tocsin.settings import Settings
from tocsin.telemetry.program import Telemetry
from tocsin.wire.systems import load_systems

T = TypeVar("T")

_log = logging.getLogger("tocsin")

SKEW_CHECK_EVERY_S = 10.0
SAY_EVERY_S: Final = 10.0
AGAIN_S: Final = 0.5
COLLECT_AFTER: Final = (2_000, 500, 10_000)
"""Objects until the youngest are looked through, and how rarely the older ones are. Ten times as many objects take ten
times as long at once, 11 ms and more while much of what is new is kept."""
ANSWER_S: Final = 10.0
"""How long one answer is waited for; a stop is heard of in between."""


class Stopped(Exception):
    """The program was asked to stop while it waited for what it needs to start."""


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

    def patiently(self, ask: Callable[[], T]) -> T:
        """Return what `ask` returns once what it needs answers, saying every 10 s what it waits for.

        Args:
            ask: May be called again after it has raised KafkaUnavailable, RegistryUnavailable or LedgerUnavailable.

        Raises:
            Stopped: Asked to stop meanwhile.
        """
        said_at_s = float("-inf")
        while not self:
            try:
                return ask()
            except (KafkaUnavailable, RegistryUnavailable, LedgerUnavailable) as error:
                if time.monotonic() - said_at_s >= SAY_EVERY_S:
                    _log.error("waiting: %s", error)
                    said_at_s = time.monotonic()
            self.asked.wait(AGAIN_S)
        raise Stopped

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


def run(program: str, main: Callable[[Settings, Stop, Telemetry], None]) -> int:
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
        with Telemetry.begin(program, settings.probes) as told:
            prepare(program, settings, stop)
            main(settings, stop, told)
    except Stopped:
        pass
    except (TocsinError, KafkaException) as error:
        _log.critical("%s stops: %s", program, error)
        return 1
    _log.info("stopped")
    return 0


def ready() -> None:
    """Say that the program makes progress from here on; whoever started it may wait for the line.

    What is loaded by now stays, and what work leaves behind is freed by counting references: collections find next to
    nothing, and a full one stops all endpoints for 50 to 300 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    _log.info("ready")


def prepare(program: str, settings: Settings, stop: Stop) -> None:
    """Wait for Kafka and the registry and make the topics that are missing, or wait for those of `program`.

    Raises:
        Stopped: Asked to stop meanwhile.
    """
    wait_for_kafka(settings, stop)
    wait_for_registry(settings, stop)
    if settings.create_topics:
        created = stop.patiently(lambda: topics.ensure(settings, load_systems(), ANSWER_S))
        if created:
            _log.info("created %d topics", len(created))
    else:
        own = permissions.topics_of(program, topics.Topics(settings.topic_prefix), load_systems())
        stop.patiently(lambda: topics.expect(settings, own, ANSWER_S))
    wait_for_clock(settings, stop)


def wait_for_clock(settings: Settings, stop: Stop, now_s: Callable[[], float] = time.time) -> None:
    """Return once this machine's clock, `now_s`, agrees with the broker's; raises as `prepare`.

    Signatures carry this machine's time, and receivers refuse those that are minutes off.
    """
    writer = Writer(settings, linger_ms=0)
    try:
        broker = BrokerClock(writer, topics.Topics(settings.topic_prefix).clock)
        stop.patiently(broker.start)
        while abs(skew_s := now_s() - broker.now_ms() / 1000) > SKEW_MAX_S and not stop:
            _log.error(
                "this machine's clock is %+.0f s off the broker's, waiting until it is set right (NTP)",
                skew_s,
            )
            stop.asked.wait(SKEW_CHECK_EVERY_S)
        if stop:
            raise Stopped
    finally:
        writer.close()


def wait_for_kafka(settings: Settings, stop: Stop) -> None:
    """Return once a broker answers; raises as `prepare`."""

    admin = clients.admin(settings)

    def ask() -> None:
        try:
            admin.list_topics(timeout=2.0)
        except KafkaException as error:
            raise KafkaUnavailable(_silent(f"Kafka at {settings.kafka}", error.args[0].str())) from error

    stop.patiently(ask)


def wait_for_registry(settings: Settings, stop: Stop) -> None:
    """Return once the schema registry answers; raises as `prepare`."""
    registry = Registry(settings, timeout_s=2.0)

    def ask() -> None:
        try:
            registry.ping()
        except RegistryRefuses:
            raise  # it is running, and says what it lacks
        except RegistryUnavailable as error:
            raise RegistryUnavailable(
                _silent(f"schema registry at {settings.registry}", str(error))
            ) from error

    stop.patiently(ask)


def _silent(what: str, error: str) -> str:
    return f"{what} does not answer, trying again (is it running? `make up` starts one): {error}"
