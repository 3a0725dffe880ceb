"""What the API takes and gives about API keys, as its OpenAPI document shows it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Scope = Literal["publish", "manage", "read", "replay", "admin"]
"""`tocsin.keys.SCOPES`, as a type."""

_YEARS_10_S = 10 * 366 * 86_400


class NewKey(BaseModel):
    """A request for a new API key of the caller's organization."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    scopes: Annotated[list[Scope], Field(min_length=1, max_length=5)] = Field(
        description="What it allows; `admin` allows all the others."
    )
    system: str | None = Field(
        None, max_length=100, description="Whose events it is about; else the caller's."
    )
    description: str = Field("", max_length=500, description="What it is for.")
    expires_in_s: int | None = Field(None, ge=1, le=_YEARS_10_S, description="When it ends; null is never.")


class Key(BaseModel):
    """An API key, without the key itself."""

    model_config = ConfigDict(extra="forbid")

    id: str
    organization: str
    system: str
    scopes: list[str]
    state: Literal["active", "expired", "revoked"]
    description: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None


class CreatedKey(Key):
    """A new API key."""

    key: str = Field(description="The key itself, shown in this answer and never again.")


class KeyPage(BaseModel):
    """A page of API keys, oldest first."""

    model_config = ConfigDict(extra="forbid")

    data: list[Key]
    next: str | None = Field(description="Give it as `after` to get the next page; null on the last.")


class Organization(BaseModel):
    """Who the caller is."""

    model_config = ConfigDict(extra="forbid")

    organization: str
    system: str
    key: Key
