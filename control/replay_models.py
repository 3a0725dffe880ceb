"""What the API takes and gives of replays, as its OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from control.log_models import DeliveryItem
from control.parameters import Moment, Text, WebhookId, Whose
from tocsin.jobs import DEFAULT_RATE_PER_S

RATE_MAX_PER_S = 1_000.0


class ReplaySelection(BaseModel):
    """Which dead letters are meant: those of the key's organization that fit all of it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    webhook_id: WebhookId | None = None
    event_type: Text | None = Field(None, description="`*` stands for any run of characters.")
    reason: Text | None = None
    fault: Whose | None = None
    http_status: Annotated[int, Field(ge=100, le=599)] | None = Field(None, description="Of the last answer.")
    since: Moment | None = Field(None, description="Dead since this moment or later.")
    until: Moment | None = Field(None, description="Dead before this moment.")
    delivery_id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")] | None = None
    q: Text | None = Field(None, description="Text in the last error, in capitals or not.")


class MeantSelection(ReplaySelection):
    """Which dead letters a job means."""

    system: str | None = Field(description="Only this system's events; the command may ask for that.")


class NewReplay(BaseModel):
    """A request for a replay."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    selection: ReplaySelection
    why: Annotated[str, Field(max_length=500)] = ""
    rate_per_s: Annotated[float, Field(gt=0, le=RATE_MAX_PER_S, allow_inf_nan=False)] = DEFAULT_RATE_PER_S
    target: WebhookId | None = Field(
        None, description="Another webhook, which gets them all as tests; null: each goes to its own."
    )


class Preview(BaseModel):
    """A request to see what a selection means."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    selection: ReplaySelection


class Previewed(BaseModel):
    """What a selection means now, as the delivery log knows it."""

    model_config = ConfigDict(extra="forbid")

    deliveries: int
    more: bool = Field(description="Whether there are more than were counted.")
    by_reason: dict[str, int]
    by_fault: dict[str, int] = Field(description="`subscriber`, `tocsin`, or `nobody`.")
    sample: list[DeliveryItem] = Field(description="Some of the newest.")


class Replay(BaseModel):
    """A job: a replay, or what the command started for this organization."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(description="It is the `run` of every delivery that it sets going.")
    kind: Literal["replay", "recover", "purge"]
    state: Literal["requested", "running", "paused", "done", "cancelled", "failed"]
    wanted: Literal["run", "pause", "cancel"] = Field(description="The state follows it in a moment.")
    selection: MeantSelection
    target: str | None
    why: str
    requested_by: str
    requested_at: str
    rate_per_s: float
    selected: int | None = Field(description="Deliveries it is about; null before it has counted them.")
    replayed: int
    read: int = Field(description="Records it has looked at.")
    eta_s: float | None = Field(
        description="Seconds until it is done, at the least; null while it does not run."
    )
    error: str | None
    updated_at: str | None


class ReplayPage(BaseModel):
    """A page of replays, the newest first."""

    model_config = ConfigDict(extra="forbid")

    data: list[Replay]
    next: str | None = Field(description="Give it as `after` to get the next page; null on the last.")
