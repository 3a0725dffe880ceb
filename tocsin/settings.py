"""What an operator may set, read from the environment (`TOCSIN_*`) and from `.tocsin/local.env`.

Every default works for the local stack, so that a first run needs nothing configured. Policy lives here; what
a program remembers while it runs does not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from tocsin import access
from tocsin.access import Access
from tocsin.errors import ConfigurationError

LOCAL_ENV = Path(".tocsin/local.env")
"""Written by the local stack; it lets every command work in a checkout without settings."""


T = TypeVar("T", bound=BaseSettings)

_NO_JSON: Final = """is not JSON, such as [443, 8443], ["10.0.0.0/8"] or {"client.rack": "a"}"""


PORTS: Final = (443, 8443, 80, 8080)
"""What an endpoint's port may be where nobody says otherwise."""


class Settings(Access):
    """Settings that more than one program or the library itself reads."""

    model_config = SettingsConfigDict(
        env_prefix="TOCSIN_", env_file=LOCAL_ENV, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka: str = Field("127.0.0.1:19092", description="Bootstrap servers, comma separated.")
    registry: str = Field(
        "http://127.0.0.1:18081/apis/ccompat/v7", description="Confluent-compatible schema registry."
    )
    topic_prefix: str = Field("tocsin", pattern=r"^[a-zA-Z0-9._-]{1,60}$", description="Begins every topic.")
    partitions: int = Field(12, ge=1, le=1024, description="Partitions of the keyed topics, at creation.")
    partitions_earlier: tuple[int, ...] = Field(
        (), description="Partition counts before `tocsin topics grow`, as JSON: what lies there is found."
    )
    replication: int = Field(1, ge=1, le=9, description="Replication factor of topics, at creation.")
    create_topics: bool = Field(
        True, description="Make missing topics at start; false where `tocsin topics create` does it."
    )
    session_s: float = Field(
        10.0, ge=1, description="Consumer group session: how soon a dead process is replaced."
    )
    stop_deadline_s: float = Field(25.0, gt=0, description="How long a SIGTERM lets open work finish.")
    api: str = Field("http://127.0.0.1:8600", description="Address of the control API.")
    gateway: str = Field("http://127.0.0.1:8700", description="Address of the gateway.")
    api_key: SecretStr | None = Field(None, description="API key of the `tocsin` command.")
    keyring: SecretStr | None = Field(
        None, description="Keys for secrets at rest: `id:base64,…`, primary first."
    )
    keyring_file: Path | None = Field(None, description="File with the same, one key a line.")
    allow_http: bool = Field(False, description="Accept http:// endpoints where a system does not forbid it.")
    allow_cidrs: tuple[str, ...] = Field(
        (), description="Address ranges opened although policy refuses them, as JSON."
    )
    ports: tuple[int, ...] = Field(PORTS, description="Ports an endpoint may have, as JSON.")
    nat64_prefixes: tuple[str, ...] = Field(
        (), description="Translation prefixes of an IPv6-only host, as JSON."
    )
    denied_cidrs: tuple[str, ...] = Field(
        (), description="The operator's own ranges, refused besides the table, as JSON."
    )
    ca_file: Path | None = Field(
        None, description="PEM file with authorities trusted besides the public ones."
    )
    ledger: SecretStr = Field(
        SecretStr("sqlite:///.tocsin/ledger.db"),
        description="Store of the delivery log: `sqlite:///file`, or `postgresql://user:password@host/database`.",
    )
    disable_after_failing_s: float = Field(
        5 * 86_400, gt=0, description="An endpoint that fails for this long without a success is disabled."
    )
    probe_every_s: float = Field(
        0,
        ge=0,
        description="How often a disabled endpoint is sent a test, whose success enables it; 0 is never.",
    )
    ledger_retention_days: int = Field(30, ge=1, description="How long the delivery log keeps a delivery.")
    probes: str | None = Field(
        None,
        description="Where `/livez`, `/readyz` and `/metrics` answer, as `host:port`; nowhere when unset.",
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info")


def load() -> Settings:
    """Read the settings.

    Raises:
        ConfigurationError: A variable is malformed, or two do not go together; the message names it, never its value.
    """
    settings = read(Settings, **from_files(os.environ))
    access.kafka(settings)
    access.registry(settings, settings.registry)
    return settings


def read(kind: type[T], **given: Any) -> T:
    """Read settings of a kind from the environment.

    Args:
        given: Settings that are known already, by name.

    Raises:
        ConfigurationError: A variable is malformed; the message names it, never its value.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name, reason = str(first["loc"][0]), str(first["msg"])
    except SettingsError as error:
        # What is no JSON: its field stands in the words alone, and its value in the cause.
        name, reason = str(error).partition('"')[2].partition('"')[0], _NO_JSON
    raise ConfigurationError(f"{kind.model_config['env_prefix']}{name}".upper(), "", reason)


def from_files(environ: Mapping[str, str]) -> dict[str, SecretStr]:
    """Return the secrets that `TOCSIN_<NAME>_FILE` names a file of, by the setting's name.

    Raises:
        ConfigurationError: A file cannot be read, or the secret is given twice.
    """
    found = {}
    for name, field in Settings.model_fields.items():
        own, by_file = access.variable(name), access.variable(f"{name}_file")
        is_secret = SecretStr in (field.annotation, *get_args(field.annotation))
        if not is_secret or f"{name}_file" in Settings.model_fields or not environ.get(by_file):
            continue
        if environ.get(own):
            raise ConfigurationError(by_file, "", f"and {own} are both set: take one away")
        try:
            found[name] = SecretStr(Path(environ[by_file]).read_text().strip())
        except OSError as error:
            raise ConfigurationError(by_file, "", f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigurationError(by_file, "", "is not UTF-8") from None
    return found
