"""What the API takes and gives of the delivery log, as its OpenAPI document shows it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from control.parameters import Moment, Paging, Text, WebhookId, Whose
from tocsin.ledger.tables import Status


class WebhookDeliveryQuery(Paging):
    """Which deliveries of a webhook are listed."""

    event_type: Text | None = None
    status: Status | None = None
    reason: Text | None = Field(None, description="Why it is dead, or what it waits for.")
    fault: Whose | None = Field(None, description="Whose fault the last failure was.")
    http_status: int | None = Field(None, ge=100, le=599, description="Of the last answer.")
    since: Moment | None = Field(None, description="Created at this moment or later.")
    until: Moment | None = Field(None, description="Created before this moment.")
    q: Text | None = Field(None, description="Text in the last error, in capitals or not.")


class DeliveryQuery(WebhookDeliveryQuery):
    """Which deliveries are listed."""

    webhook_id: WebhookId | None = None


class DeliveryItem(BaseModel):
    """A delivery: one event for one webhook."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="The same over tries and replays.")
    webhook_id: str
    event_id: str
    event_type: str
    status: Status = Field(description="`dead`: a dead letter, not tried any more.")
    attempts: int = Field(description="Requests that were sent, replays included.")
    last_status: int | None = Field(description="HTTP status of the last answer.")
    last_error: str | None
    reason: str | None = Field(description="Why it is dead, or what it waits for.")
    fault: Whose | None = Field(description="Whose fault the last failure was.")
    created_at: str
    decided_at: str | None
    next_at: str | None = Field(description="About when it is tried again.")
    test: bool


class DeliveryPage(BaseModel):
    """A page of deliveries, the newest first."""

    model_config = ConfigDict(extra="forbid")

    data: list[DeliveryItem]
    next: str | None = Field(
        description="Give it as `after` to get the next page; null on the last. A page may be short, even empty, "
        "and yet not be the last, where much had to be looked through."
    )


class SentRequest(BaseModel):
    """What is sent. The owner's own header values and a secret path are hidden."""

    model_config = ConfigDict(extra="forbid")

    url: str | None
    content_type: str | None
    headers: dict[str, str]
    body: str | None = Field(description="Null if it is not text, or not known yet.")
    body_base64: str | None = Field(description="In its place where it is not UTF-8.")
    body_truncated: bool = Field(description="Whether it is longer than the 64 KiB that are shown.")


class Try(BaseModel):
    """One decision about a delivery, mostly a request and its answer."""

    model_config = ConfigDict(extra="forbid")

    run: str = Field(description="`0`, or the replay or resend that set the delivery going again.")
    step: int
    attempt: int = Field(description="Requests of this run, this one included.")
    verdict: str = Field(description="`delivered`, `retry`, `parked`, `interrupted` or `dead_letter`.")
    reason: str | None
    fault: Whose | None
    started_at: str
    duration_ms: float
    posted: bool = Field(description="Whether a POST was tried.")
    url: str | None
    status: int | None = Field(description="HTTP status; null without an answer.")
    error: str | None
    request_headers: dict[str, str]
    response_headers: dict[str, str]
    response_body: str | None
    response_body_base64: str | None = Field(description="In its place where it is not UTF-8.")
    next_tier: str | None = Field(description="How long it waits then.")
    next_at: str | None


class DeliveryDetail(DeliveryItem):
    """A delivery with its request and everything that was decided about it."""

    system: str
    format: str | None
    event_source: str
    event_time: str | None
    request: SentRequest
    timeline: list[Try] = Field(description="The oldest first; the newest 250 where there are more.")
    timeline_truncated: bool


class Resent(BaseModel):
    """A delivery is on its way again."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: str
    run: str = Field(description="As its attempts show it.")


class Health(BaseModel):
    """How an endpoint does. Counts and times are those of the last 24 hours."""

    model_config = ConfigDict(extra="forbid")

    active: bool
    disabled_reason: str | None
    consecutive_failures: int
    failing_since: str | None
    last_success_at: str | None
    last_failure_at: str | None
    success_rate: float | None = Field(description="Of all requests; null without any.")
    delivered: int
    failed: int = Field(description="Requests that failed.")
    dead: int
    oldest_undelivered_age_s: float | None = Field(description="Of what still waits; null if nothing does.")
    p50_ms: float | None = Field(
        description="Half of the newest requests took no longer; 1,000 at most are asked."
    )
    p95_ms: float | None


class Minute(BaseModel):
    """What happened in one minute."""

    model_config = ConfigDict(extra="forbid")

    minute: str
    delivered: int
    failed: int
    dead: int


class OverviewWebhooks(BaseModel):
    """An organization's webhooks."""

    model_config = ConfigDict(extra="forbid")

    active: int
    disabled: int


class TierBacklog(BaseModel):
    """What waits in one delay tier."""

    model_config = ConfigDict(extra="forbid")

    waiting: int
    oldest_age_s: float | None


class OverviewBacklog(BaseModel):
    """What waits. `live`, `due` and `tiers` are the whole installation's, told to keys with the scope `operate`."""

    model_config = ConfigDict(extra="forbid")

    pending: int
    retrying: int
    live: int | None
    due: int | None
    tiers: dict[str, TierBacklog] | None


class OverviewDeadLetters(BaseModel):
    """What is dead."""

    model_config = ConfigDict(extra="forbid")

    total: int
    by_reason: dict[str, int]


class OverviewStore(BaseModel):
    """The delivery log itself."""

    model_config = ConfigDict(extra="forbid")

    delay_s: float | None = Field(
        description="How far it is behind what happens; null before it has seen anything."
    )


class Overview(BaseModel):
    """An organization's deliveries at a glance."""

    model_config = ConfigDict(extra="forbid")

    throughput: list[Minute] = Field(description="The last 60 minutes, oldest first.")
    webhooks: OverviewWebhooks
    backlog: OverviewBacklog
    dead_letters: OverviewDeadLetters
    store: OverviewStore
    counted_to: int = Field(description="`pending`, `retrying` and dead letters are not counted beyond this.")
