"""What the API takes and gives, as its OpenAPI document shows it.

A request is strict: no unknown field, no conversion between types. Each system has a model of its own, because its
scope fields (such as `contract_id`) are fields of the request.
"""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, WithJsonSchema, create_model

from tocsin.filters import TEXT_MAX, Combining, Comparing
from tocsin.http.problems import Fault, invalid_body
from tocsin.wire.systems import System, Systems

_Events = Annotated[list[str], Field(min_length=1, max_length=100)]
_FILTER: Final = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        **{
            dialect: {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "string", "minLength": 1, "maxLength": TEXT_MAX},
            }
            for dialect in get_args(Comparing)
        },
        **{
            dialect: {"type": "array", "minItems": 1, "items": {"type": "object"}}
            for dialect in get_args(Combining)
        },
        "not": {"type": "object"},
    },
    "examples": [{"exact": {"data.risk_level": "HIGH"}}],
}
_Filters = Annotated[list[Any], WithJsonSchema({"type": "array", "items": _FILTER})]
_ScopeValue = Annotated[str, Field(min_length=1, max_length=200)]

M = TypeVar("M", bound=BaseModel)


class NewWebhook(BaseModel):
    """A request for a new webhook."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    url: str = Field(description="Where to POST to.")
    events: _Events = Field(description="Event types; `*` stands for any run of characters.")
    filters: _Filters = Field(
        [],
        description="Which of these events, as the CloudEvents Subscriptions API says it: all expressions must hold.",
    )
    description: str = Field("", max_length=500)
    active: bool = True
    format: str | None = Field(None, description="An open wire format; null is the system's own.")
    secret: SecretStr | None = Field(None, description="Your own signing secret; else one is made.")
    headers: dict[str, str] = Field({}, description="Request headers of your own.")


class WebhookChange(BaseModel):
    """A request to change a webhook: what is left out stays as it is. System, scope and format never change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    url: str = Field(default_factory=str, description="Where to POST to from now on.")
    events: _Events = Field(default_factory=list, description="In the place of those before.")
    filters: _Filters = Field(
        default_factory=list, description="In the place of those before; empty is none."
    )
    description: str = Field(default_factory=str, max_length=500)
    active: bool = Field(
        default_factory=bool, description="False disables; true enables, whatever disabled it before."
    )
    headers: dict[str, str] = Field(default_factory=dict, description="In the place of those before.")

    def given(self) -> dict[str, Any]:
        """Return what was asked for."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Rotation(BaseModel):
    """A request for a new signing secret."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    expires_in_s: int = Field(
        86_400, ge=0, le=30 * 86_400, description="How long the old one holds yet; 0 ends it at once."
    )
    secret: SecretStr | None = Field(None, description="Your own signing secret; else one is made.")


class Rewrap(BaseModel):
    """A request to seal again what is sealed with other keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    key_id: str = Field(min_length=1, max_length=100, description="The key that has to be the primary one.")


class Rewrapped(BaseModel):
    """What was sealed again."""

    model_config = ConfigDict(extra="forbid")

    key_id: str
    rewrapped: int = Field(description="Webhooks that this request wrote.")
    left: int = Field(description="Webhooks that still hold something sealed with another key.")
    unopened: list[str] = Field(description="Of these, what cannot be opened with any key of this node.")


class Trial(BaseModel):
    """A request to send a test event."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    webhook_id: str = Field(min_length=1, max_length=100, description="Whom to send it to.")
    event_type: str | None = Field(None, max_length=200, description="Null is the one that is documented.")


class TrialSent(BaseModel):
    """A test event is on its way."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: str = Field(description="As its attempts show it.")
    event_id: str
    event_type: str
    webhook_id: str


class SecretInfo(BaseModel):
    """What is shown of a signing secret."""

    model_config = ConfigDict(extra="forbid")

    id: str
    created_at: str
    expires_at: str | None


class Webhook(BaseModel):
    """A webhook.

    On a system's own documented path an answer has the documented fields alone; on `/v1/webhooks` all of them, and
    the system's scope fields besides.
    """

    model_config = ConfigDict(extra="allow")

    id: str
    url: str = Field(description="Without its path where the path is a secret.")
    events: list[str]
    filters: list[Any] | None = Field(None, description="Which of these events; all expressions must hold.")
    active: bool
    created_at: str
    secret: str | None = Field(None, description="The signing secret, in the answer to the creation alone.")
    format: str | None = None
    description: str | None = None
    headers: dict[str, str] | None = Field(None, description="Your own request headers; values are hidden.")
    secrets: list[SecretInfo] | None = None
    disabled_reason: str | None = None
    effective_at: str | None = Field(
        None, description="From here on every matching event is certain to be delivered under this version."
    )
    updated_at: str | None = None
    version: int | None = Field(None, description="Raised at every change; the `ETag` holds it too.")


class WebhookPage(BaseModel):
    """A page of webhooks, oldest first."""

    model_config = ConfigDict(extra="forbid")

    data: list[Webhook]
    next: str | None = Field(description="Give it as `after` to get the next page; null on the last.")


class EventTypeInfo(BaseModel):
    """One event type."""

    model_config = ConfigDict(extra="forbid")

    system: str
    type: str
    version: int = Field(description="Raised at each change of the schema.")
    description: str
    # Not named `schema` here: that is a method of every model.
    data_schema: dict[str, Any] = Field(alias="schema", description="JSON Schema of the event's data.")
    example: dict[str, Any] = Field(description="The data of an example.")
    example_source: str = Field(description="Whose example it is: the system's `documentation`, or ours.")
    body: dict[str, Any] = Field(description="The example as a receiver gets it, in the system's own format.")


class EventTypes(BaseModel):
    """The catalogue of a system."""

    model_config = ConfigDict(extra="forbid")

    data: list[EventTypeInfo]


class Requests:
    """The request models of all systems."""

    def __init__(self, systems: Systems) -> None:
        self._models = {system.name: _request_model(system) for system in systems.values()}

    def read(self, system: System, body: bytes) -> NewWebhook:
        """Read a request's body.

        Raises:
            Problem: 400, with every field at fault.
        """
        return read(self._models[system.name], body)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of a request, as OpenAPI shows it."""
        schemas = [model.model_json_schema() for model in self._models.values()]
        return {"anyOf": schemas}


def read(model: type[M], body: bytes) -> M:
    """Read a request's body.

    Raises:
        Problem: 400, with every field at fault.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid_body(_faults(error, model)) from None


def scope_of(asked: NewWebhook, system: System) -> dict[str, str]:
    """Return what a request asks of an event's data; what is null asks nothing."""
    named = {name: getattr(asked, name) for name in system.api.scope}
    return {name: value for name, value in named.items() if value is not None}


def _request_model(system: System) -> type[NewWebhook]:
    fields: dict[str, Any] = {
        name: (_ScopeValue | None, Field(None, description="Only events whose data has this value."))
        for name in system.api.scope
    }
    return create_model(f"NewWebhook for {system.title}", __base__=NewWebhook, **fields)


_WORDS: Final = {
    "missing": "is missing",
    "string_type": "is not a string",
    "list_type": "is not an array",
    "bool_type": "is not true or false",
    "dict_type": "is not an object",
    "model_type": "is not a JSON object",
    "too_short": "is empty",
    "string_too_short": "is empty",
}


def _faults(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    found = []
    for each in error.errors(include_input=False, include_url=False):
        field = ".".join(str(part) for part in each["loc"]) or "body"
        if each["type"] == "extra_forbidden":
            near = difflib.get_close_matches(field, model.model_fields, n=1)
            reason = "is not a field" + (f"; did you mean {near[0]}?" if near else "")
        else:
            reason = _WORDS.get(each["type"], each["msg"])
        found.append(Fault(field=field[:100], reason=reason))
    return found
