"""Every metric of every program: its name, what it counts, in which unit, by which labels. The only list there is.

Names and units are OpenTelemetry's; `Metric.exposed` is what Prometheus calls it, by OpenTelemetry's rules for that.
What is per process is summed or maximised by who asks; what the control API tells of the whole installation
(`tocsin.backlog.*`, `tocsin.lag`) is the same from every copy of it, so ask for the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["counter", "gauge", "histogram"]

PROGRAMS: Final = ("control", "gateway", "router", "delivery", "delay", "ledger", "replay")

SECONDS: Final = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
    900,
    3_600,
    43_200,
    86_400,
)
"""Bounds for what takes milliseconds when all is well and a day when it is not."""
ANSWERS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
"""Bounds for one request: what takes longer than 30 s is cut."""

ENDPOINTS_MOST: Final = 50
"""Endpoints that are told by name, those that fail or wait the most; all others together are `OTHER`."""
OTHER: Final = "other"

_SUFFIXES: Final = {"s": "_seconds", "By": "_bytes"}


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: As OpenTelemetry has it.
        kind: A counter only rises while its process runs; a gauge is what is so now.
        unit: UCUM: `s`, `By`, `1` for a share, `{thing}` for a number of things.
        meaning: One sentence.
        labels: What tells its series apart; the values of each are few.
        programs: Who has it.
        bounds: Upper bounds of a histogram's buckets, ascending.
    """

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    programs: tuple[str, ...] = PROGRAMS
    bounds: tuple[float, ...] = ()

    @property
    def exposed(self) -> str:
        """The name in Prometheus; a histogram's series are this with `_bucket`, `_sum` and `_count`."""
        share = "_ratio" if self.kind == "gauge" and self.unit == "1" else ""
        total = "_total" if self.kind == "counter" else ""
        return self.name.replace(".", "_") + _SUFFIXES.get(self.unit, share) + total

    @property
    def exposed_labels(self) -> tuple[str, ...]:
        """The names of its labels in Prometheus."""
        return tuple(label.replace(".", "_") for label in self.labels)

    @property
    def series(self) -> tuple[str, ...]:
        """All names that a query may use."""
        if self.kind == "histogram":
            return tuple(self.exposed + suffix for suffix in ("_bucket", "_sum", "_count"))
        return (self.exposed,)


# --- every program --------------------------------------------------------------------------------------------------

READY: Final = Metric(
    "tocsin.ready",
    "gauge",
    "{program}",
    "1 while the program makes progress, as `/readyz` says.",
    ("program",),
)
LOOP_DELAY: Final = Metric(
    "tocsin.loop.delay",
    "gauge",
    "s",
    "How late the program's periodic tick came at worst within the last half to whole minute, or is now.",
    ("program",),
)
PRODUCER_OWED: Final = Metric(
    "tocsin.producer.owed", "gauge", "{record}", "Writes that Kafka has not acknowledged yet.", ("program",)
)
PRODUCER_SILENCE: Final = Metric(
    "tocsin.producer.silence",
    "gauge",
    "s",
    "For how long nothing has been acknowledged although writes are owed; 0 while none is.",
    ("program",),
)
PARTITIONS: Final = Metric(
    "tocsin.consumer.partitions",
    "gauge",
    "{partition}",
    "Partitions assigned to this process.",
    ("program",),
    ("router", "delivery", "delay", "ledger", "replay"),
)
UNFINISHED: Final = Metric(
    "tocsin.consumer.unfinished",
    "gauge",
    "{record}",
    "Records read and not finished.",
    ("program",),
    ("router", "delivery", "delay", "replay"),
)
WINDOW_FILL: Final = Metric(
    "tocsin.consumer.window.fill",
    "gauge",
    "1",
    "How full the fullest partition's progress window is: at 1 it is paused, from 0.75 delivery parks.",
    ("program", "topic"),
    ("router", "delivery", "delay", "replay"),
)
TABLE_AGE: Final = Metric(
    "tocsin.table.age",
    "gauge",
    "s",
    "How long ago the oldest of the program's tables was certainly complete.",
    ("program",),
    ("control", "gateway", "router", "delivery", "replay"),
)
QUARANTINED: Final = Metric(
    "tocsin.quarantine.records",
    "counter",
    "{record}",
    "Records set aside because they cannot be read, rendered or stored, by the topic they came from.",
    ("program", "topic"),
    ("router", "delivery", "delay", "ledger"),
)
CPU_TIME: Final = Metric("process.cpu.time", "counter", "s", "Processor time used.", ("program",))
MEMORY: Final = Metric("process.memory.usage", "gauge", "By", "Resident memory.", ("program",))

# --- publishing -----------------------------------------------------------------------------------------------------

REQUESTS: Final = Metric(
    "http.server.request.duration",
    "histogram",
    "s",
    "Requests answered; `http.route` is the path as it is declared, `other` for one that is not.",
    ("program", "http.request.method", "http.route", "http.response.status_code"),
    ("control", "gateway"),
    ANSWERS,
)
PUBLISHED: Final = Metric(
    "tocsin.gateway.events",
    "counter",
    "{event}",
    "Events of answered requests, by what became of them: `acknowledged`, `unacknowledged` or `refused`.",
    ("system", "outcome"),
    ("gateway",),
)

# --- routing --------------------------------------------------------------------------------------------------------

ROUTED: Final = Metric(
    "tocsin.router.events",
    "counter",
    "{event}",
    "Events decided about: `routed`, `unwanted` (no subscription matches) or `quarantined`.",
    ("topic", "outcome"),
    ("router",),
)
DELIVERIES_MADE: Final = Metric(
    "tocsin.router.deliveries", "counter", "{delivery}", "Deliveries written.", ("topic",), ("router",)
)
ROUTING_DURATION: Final = Metric(
    "tocsin.router.duration",
    "histogram",
    "s",
    "From an event's timestamp in its topic to the acknowledgement of the last of its deliveries.",
    ("topic",),
    ("router",),
    SECONDS,
)

# --- delivering -----------------------------------------------------------------------------------------------------

LATENCY: Final = Metric(
    "tocsin.delivery.latency",
    "histogram",
    "s",
    "End to end: from the event's time to the 2xx; neither replays nor tests. `attempt` is `first` or `later`.",
    ("system", "attempt"),
    ("delivery",),
    SECONDS,
)
ATTEMPTS: Final = Metric(
    "tocsin.delivery.attempts",
    "counter",
    "{attempt}",
    "Decisions by verdict: `delivered`, `retry`, `dead_letter`, `parked`, `interrupted`; `fault` is `subscriber`, "
    "`tocsin` or `none`.",
    ("system", "verdict", "fault"),
    ("delivery",),
)
POST_DURATION: Final = Metric(
    "tocsin.delivery.duration",
    "histogram",
    "s",
    "One POST, from DNS to the end of the answer; `outcome` is `2xx` to `5xx` or the kind of failure: `timeout`, "
    "`connect`, `dns`, `tls`, `protocol`, `reset`, `refused_by_policy`, `local`.",
    ("outcome",),
    ("delivery",),
    ANSWERS,
)
DEAD_LETTERS: Final = Metric(
    "tocsin.delivery.dead_letters",
    "counter",
    "{delivery}",
    "Deliveries given up, by reason and by whose fault: `subscriber` or `tocsin`.",
    ("system", "reason", "fault"),
    ("delivery",),
)
PARKED: Final = Metric(
    "tocsin.delivery.parked",
    "counter",
    "{delivery}",
    "Deliveries sent to wait, no attempt spent: `pace`, their endpoint does not keep up; `outage`, our own.",
    ("cause",),
    ("delivery",),
)
IN_FLIGHT: Final = Metric(
    "tocsin.delivery.in_flight", "gauge", "{post}", "POSTs open now.", (), ("delivery",)
)
WAITING: Final = Metric(
    "tocsin.delivery.waiting",
    "gauge",
    "{delivery}",
    "Deliveries that wait in this process for their endpoint's turn.",
    (),
    ("delivery",),
)
BREAKER_OPEN: Final = Metric(
    "tocsin.delivery.breaker.open",
    "gauge",
    "{breaker}",
    "1 while hardly any endpoint can be reached, so that the fault is taken to be ours and deliveries wait.",
    (),
    ("delivery",),
)
ENDPOINT_FAILURES: Final = Metric(
    "tocsin.endpoint.failures",
    "gauge",
    "{post}",
    "Failed POSTs of the last five to ten minutes, of the worst endpoints by subscription, all others as `other`.",
    ("subscription",),
    ("delivery",),
)
ENDPOINT_WAITING: Final = Metric(
    "tocsin.endpoint.waiting",
    "gauge",
    "{delivery}",
    "Deliveries that wait for the worst endpoints, all others as `other`.",
    ("subscription",),
    ("delivery",),
)
ENDPOINT_LIMIT: Final = Metric(
    "tocsin.endpoint.limit",
    "gauge",
    "{post}",
    "POSTs that may be open at once to the worst endpoints: their pace.",
    ("subscription",),
    ("delivery",),
)

# --- waiting --------------------------------------------------------------------------------------------------------

DELAYED: Final = Metric(
    "tocsin.delay.records", "counter", "{record}", "Records sent on when due.", ("tier",), ("delay",)
)
DELAY_LATENESS: Final = Metric(
    "tocsin.delay.lateness",
    "histogram",
    "s",
    "How long after it was due a record was sent on.",
    ("tier",),
    ("delay",),
    SECONDS,
)

# --- the delivery log, jobs -----------------------------------------------------------------------------------------

LEDGER_DELAY: Final = Metric(
    "tocsin.ledger.delay",
    "gauge",
    "s",
    "How far the delivery log is behind: the age of what was projected last; 0 when there is nothing more.",
    (),
    ("ledger",),
)
LEDGER_RECORDS: Final = Metric(
    "tocsin.ledger.records", "counter", "{record}", "Records projected.", (), ("ledger",)
)
ENDPOINTS_CHANGED: Final = Metric(
    "tocsin.ledger.endpoints.changed",
    "counter",
    "{endpoint}",
    "Endpoints that were `disabled` because they fail, or `enabled` by a probe.",
    ("change",),
    ("ledger",),
)
JOBS_RUNNING: Final = Metric(
    "tocsin.replay.jobs", "gauge", "{job}", "Jobs that run in this process.", (), ("replay",)
)

# --- the whole installation, told by the control API ----------------------------------------------------------------

LAG: Final = Metric(
    "tocsin.lag",
    "gauge",
    "{record}",
    "Records of a topic that a program has not finished; `group` is the program.",
    ("group", "topic"),
    ("control",),
)
BACKLOG: Final = Metric(
    "tocsin.backlog.records",
    "gauge",
    "{record}",
    "Deliveries that wait in Kafka: `live`, `due`, or not due yet, by tier (`5s` to `24h`).",
    ("tier",),
    ("control",),
)
BACKLOG_AGE: Final = Metric(
    "tocsin.backlog.age",
    "gauge",
    "s",
    "How long the oldest of them has lain there; a tier's own delay included.",
    ("tier",),
    ("control",),
)

METRICS: Final[tuple[Metric, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
"""All of them, in the order above."""
