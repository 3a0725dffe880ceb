"""What the API takes and gives of what is read in Kafka, as its OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from control.page import SPOT
from control.parameters import Moment, Paging, Text, WebhookId, Whose
from control.replay_models import RATE_MAX_PER_S, ReplaySelection
from tocsin.jobs import DEFAULT_RATE_PER_S

State = Literal["never", "dead", "waiting"]

Why = Annotated[str, Field(min_length=1, max_length=500)]
QuarantineId = Annotated[str, Field(pattern=f"^{SPOT}$")]
REDRIVEN_MAX = 50


class MissingQuery(Paging):
    """Which events that a webhook wants and did not get are listed."""

    since: Moment = Field(description="Published at this moment or later.")
    until: Moment | None = Field(None, description="Published before this moment.")


class MissingItem(BaseModel):
    """An event that a webhook wants and that was not delivered to it."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: str = Field(description="The id that its delivery has, or would have.")
    event_id: str
    event_source: str
    event_type: str
    published_at: str
    state: State = Field(
        description="`never`: nothing was ever sent. `dead`: it is a dead letter. `waiting`: it is on its way."
    )


class MissingCounts(BaseModel):
    """How many there are in the whole period."""

    model_config = ConfigDict(extra="forbid")

    never: int
    dead: int
    waiting: int


class MissingPage(BaseModel):
    """A page of what was not delivered, the oldest first."""

    model_config = ConfigDict(extra="forbid")

    data: list[MissingItem]
    next: str | None = Field(description="Give it as `after` to get the next page; null on the last.")
    counts: MissingCounts


class RecoveryPreview(BaseModel):
    """A request to see what a recovery would send."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    webhook_id: WebhookId
    since: Moment = Field(description="Published at this moment or later.")
    until: Moment | None = Field(None, description="Published before this moment.")


class NewRecovery(RecoveryPreview):
    """A request for a recovery."""

    why: Annotated[str, Field(max_length=500)] = ""
    rate_per_s: Annotated[float, Field(gt=0, le=RATE_MAX_PER_S, allow_inf_nan=False)] = DEFAULT_RATE_PER_S


class Recoverable(BaseModel):
    """What a recovery would send now."""

    model_config = ConfigDict(extra="forbid")

    deliveries: int = Field(description="What was never sent, and what is dead; not what is on its way.")
    counts: MissingCounts
    sample: list[MissingItem] = Field(description="Some of the oldest.")


class PurgePreview(BaseModel):
    """A request to see what a purge would strike off."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    selection: ReplaySelection


class NewPurge(PurgePreview):
    """A request for a purge."""

    why: Why
    confirm: int = Field(
        ge=1,
        description="How many dead letters are meant, as the preview says; if it is another number, 409.",
    )


class DeadLetterItem(BaseModel):
    """A dead letter, as it lies in its topic."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: str
    webhook_id: str
    event_id: str
    event_type: str
    reason: str
    fault: Whose | None
    http_status: int | None
    error: str | None
    attempts: int
    dead_since: str


class Purgeable(BaseModel):
    """What a purge would strike off now."""

    model_config = ConfigDict(extra="forbid")

    dead_letters: int = Field(description="The number that a purge must name as `confirm`.")
    deliveries: int = Field(description="Fewer where some died more than once.")
    by_reason: dict[str, int]
    by_fault: dict[str, int] = Field(description="`subscriber`, `tocsin`, or `nobody`.")
    sample: list[DeadLetterItem]


class AuditQuery(Paging):
    """Which changes are listed."""

    actor: Text | None = Field(None, description="Who did it: `key:<id>`, `cli:<user>`.")
    action: Text | None = Field(None, description="What was done; `*` stands for any run of characters.")
    about: Text | None = Field(None, description="Id of the webhook, key, delivery or job.")
    since: Moment | None = Field(None, description="Done at this moment or later.")
    until: Moment | None = Field(None, description="Done before this moment.")


class Change(BaseModel):
    """One change: who did what, when and why."""

    model_config = ConfigDict(extra="forbid")

    id: str
    time: str
    actor: str
    action: str
    object: str
    why: str
    before: dict[str, Any] = Field(description="What has changed, as it was. Never a secret.")
    after: dict[str, Any] = Field(description="What has changed, as it is.")


class AuditPage(BaseModel):
    """A page of changes, the newest first."""

    model_config = ConfigDict(extra="forbid")

    data: list[Change]
    next: str | None = Field(
        description="Give it as `after` to get the next page; null on the last. A page may be short, even empty, "
        "and yet not be the last, where much had to be looked through."
    )


class QuarantineQuery(Paging):
    """Which quarantined records are listed."""

    topic: Text | None = Field(None, description="Where it was found.")
    reason: Text | None = Field(None, description="Text in the reason, in capitals or not.")
    since: Moment | None = Field(None, description="Set aside at this moment or later.")
    until: Moment | None = Field(None, description="Set aside before this moment.")
    redriven: bool | None = Field(None, description="Whether it was sent back since.")


class QuarantinedItem(BaseModel):
    """A record that nobody could read."""

    model_config = ConfigDict(extra="forbid")

    id: str
    quarantined_at: str
    source_topic: str
    source_partition: int
    source_offset: int
    written_at: str
    program: str = Field(description="Who set it aside.")
    reason: str
    organization: str | None = Field(description="Whom it was for, if its headers say.")
    size_bytes: int
    redriven: bool = Field(description="Whether it was sent back since.")
    can_return: bool = Field(
        description="A row of a table does not go back: it would undo what came after it."
    )


class Bytes(BaseModel):
    """Bytes: as text where they are UTF-8, else in base64."""

    model_config = ConfigDict(extra="forbid")

    text: str | None
    base64: str | None
    truncated: bool = Field(description="Whether there are more than the 64 KiB that are shown.")


class RecordHeader(BaseModel):
    """One header of a record; a name may come more than once."""

    model_config = ConfigDict(extra="forbid")

    name: str
    value: Bytes | None


class QuarantinedRecord(QuarantinedItem):
    """A record that nobody could read, with its bytes."""

    key: Bytes | None
    value: Bytes | None
    headers: list[RecordHeader]


class QuarantinePage(BaseModel):
    """A page of quarantined records, the newest first."""

    model_config = ConfigDict(extra="forbid")

    data: list[QuarantinedItem]
    next: str | None = Field(
        description="Give it as `after` to get the next page; null on the last. A page may be short, even empty, "
        "and yet not be the last, where much had to be looked through."
    )


class Redrive(BaseModel):
    """A request to send quarantined records back to where they were found."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    ids: Annotated[list[QuarantineId], Field(min_length=1, max_length=REDRIVEN_MAX)]
    why: Why
    again: bool = Field(False, description="Also those that were sent back before.")


class RedriveDone(BaseModel):
    """What was sent back, and what was not."""

    model_config = ConfigDict(extra="forbid")

    redriven: list[str]
    refused: dict[str, str] = Field(description="Id to the reason.")
