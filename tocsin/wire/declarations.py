"""What a `system.toml` or a format's TOML may say: read strictly, so that a typing error is not a default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tocsin import tiers
from tocsin.errors import ConfigurationError
from tocsin.wire import carried_headers
from tocsin.wire.contracts import read_toml
from tocsin.wire.signing import SecretFormat, SignatureScheme, Signed

HeaderName = Annotated[str, Field(pattern=f"^{carried_headers.NAME}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
Visible = Annotated[str, Field(pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$", max_length=200)]


class Declared(BaseModel):
    """Base of every table: unknown keys are errors, values keep their type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SignatureTable(Declared):
    """`[signature]`: how requests are signed."""

    header: HeaderName
    content: Annotated[list[Signed], Field(min_length=1)] = ["body"]
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    id_header: HeaderName | None = None
    timestamp_header: HeaderName | None = None
    multiple: bool = False

    @model_validator(mode="after")
    def _verifiable(self) -> SignatureTable:
        if self.content[-1] != "body" or len(set(self.content)) != len(self.content):
            raise ValueError("content names each part once and ends in 'body'")
        for part, header in (("id", self.id_header), ("timestamp", self.timestamp_header)):
            if part in self.content and header is None:
                raise ValueError(f"{part!r} is signed, so {part}_header must carry it")
        return self


class SecretTable(Declared):
    """`[secret]`: what signing secrets look like; see `SecretFormat`."""

    key: Literal["text", "base64"] = "text"
    prefix: Annotated[str, Field(pattern=r"^([a-z]{1,16}_)?$")] = "whsec_"
    min_bytes: Annotated[int, Field(ge=24)] = 24
    max_bytes: Annotated[int, Field(le=1024)] = 256
    made_here: bool = True


class SecretFieldTable(Declared):
    """`[secret_field]`: the field of the body that carries the secret, put in when it is sent."""

    path: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class WireTable(Declared):
    """What a system's own format and an open format have in common."""

    title: Annotated[str, Field(min_length=1)]
    documentation: list[str] = []
    notes: list[str] = []
    url_is_secret: bool = False
    user_agent: Visible | None = None
    content_type: Visible = "application/json"
    body: str | dict[str, Any]
    headers: dict[str, str] = {}
    maps: dict[Name, dict[str, str]] = {}
    secret: SecretTable = SecretTable()

    def scheme(self, table: SignatureTable | None) -> SignatureScheme:
        """Return the signature scheme that a signature table and this secret table make."""
        secret = SecretFormat(**self.secret.model_dump())
        if table is None:
            return SignatureScheme(secret=secret)
        fields = table.model_dump()
        return SignatureScheme(**{**fields, "content": tuple(table.content)}, secret=secret)


class FormatFile(WireTable):
    """`formats/<name>.toml`.

    `signature = "system"` signs as the event's system does; `"none"` carries no signature.
    """

    signature: SignatureTable | Literal["system", "none"]
    secret_field: SecretFieldTable | None = None


class EndpointTable(Declared):
    """`[endpoint]`: rules for where a system's events may go.

    `formats` maps a host to the open format that it understands instead of the system's own.
    """

    https_only: bool = False
    formats: dict[str, Name] = {}


class DisableTable(Declared):
    """`[disable]`: when an endpoint is switched off."""

    consecutive_failures: Annotated[int, Field(ge=1)]


class ApiTable(Declared):
    """`[api]`: what the control API owes this system's clients.

    Attributes:
        paths: Where its clients manage webhooks, besides `/v1/webhooks`.
        rate_per_minute: Requests a key may make, or None for the installation's own limit.
        scope: Data fields by which a subscription may be narrowed.
        created: Keys of the answer to a creation, in order; empty for the API's own.
    """

    paths: list[Annotated[str, Field(pattern=r"^(/[a-z0-9-]+)+$")]] = []
    rate_per_minute: Annotated[int, Field(ge=1)] | None = None
    scope: list[Name] = []
    created: list[Name] = []


class TrialTable(Declared):
    """`[test]`: the event that a test sends; without `data`, the example of the type that is asked for."""

    event_type: str | None = None
    data: dict[str, Any] | None = None


class SystemFile(WireTable):
    """`<system>/system.toml`."""

    signature: SignatureTable
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 30.0
    retries: list[str]
    endpoint: EndpointTable = EndpointTable()
    disable: DisableTable | None = None
    api: ApiTable = ApiTable()
    test: TrialTable = TrialTable()

    @field_validator("retries")
    @classmethod
    def _tiers(cls, names: list[str]) -> list[str]:
        unknown = tiers.unknown(names)
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no tier; there are {', '.join(tiers.TIERS)}")
        return names


_File = TypeVar("_File", SystemFile, FormatFile)


def read(path: Path, model: type[_File]) -> _File:
    """Read a declaration.

    Raises:
        ConfigurationError: Naming the file, the key and what is wrong with it.
    """
    found = read_toml(path)
    try:
        return model.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        key = _key(found, first["loc"], missing=first["type"] == "missing")
        raise ConfigurationError(str(path), key, first["msg"].removeprefix("Value error, ")) from error


def _key(document: Any, loc: tuple[int | str, ...], *, missing: bool) -> str:
    """Return the dotted key of an error: pydantic's place without the names of its own union branches."""
    key: list[str] = []
    for part in loc:
        inside = dict(enumerate(document)) if isinstance(document, list) else document
        if isinstance(inside, dict) and part in inside:
            document = inside[part]
        elif not (missing and part == loc[-1]):
            continue
        key.append(str(part))
    return ".".join(key)
