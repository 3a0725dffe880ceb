"""Where the local stack listens and keeps its files: the one home of its ports, versions and paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tocsin.settings import read

KAFKA_VERSION = "4.3.1"
REGISTRY_VERSION = "3.3.3"

CHECKOUT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Port:
    """A TCP port of the stack, with the words that a message about it needs.

    Args:
        number: The port.
        role: Who listens there, such as `Kafka`.
        variable: The environment variable that moves it.
    """

    number: int
    role: str
    variable: str


class LocalSettings(BaseSettings):
    """What may be set in the environment (`TOCSIN_*`), so that a second stack can run beside the first."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_", extra="ignore", frozen=True)

    home: Path = Field(CHECKOUT / ".tocsin", description="Data, downloads, logs and pid files.")
    kafka_port: int = Field(19092, ge=1024, le=65535)
    kafka_controller_port: int = Field(19093, ge=1024, le=65535)
    registry_port: int = Field(18081, ge=1024, le=65535)
    registry_management_port: int = Field(18082, ge=1024, le=65535)
    control_port: int = Field(8600, ge=1024, le=65535)
    gateway_port: int = Field(8700, ge=1024, le=65535)

    @property
    def kafka(self) -> str:
        """Bootstrap server."""
        return f"{HOST}:{self.kafka_port}"

    @property
    def registry(self) -> str:
        """Confluent-compatible address of the registry."""
        return f"http://{HOST}:{self.registry_port}/apis/ccompat/v7"

    @property
    def api(self) -> str:
        """Address of the control API."""
        return f"http://{HOST}:{self.control_port}"

    @property
    def gateway(self) -> str:
        """Address of the gateway."""
        return f"http://{HOST}:{self.gateway_port}"

    @property
    def lib(self) -> Path:
        """Downloads."""
        return self.home / "lib"

    @property
    def data(self) -> Path:
        """What Kafka and the registry keep; `reset` deletes it, and what is known from it alone: the two below."""
        return self.home / "data"

    @property
    def first_key(self) -> Path:
        """The API key that `make up` shows; it stands in Kafka, so `reset` deletes it too."""
        return self.home / "first.key"

    @property
    def ledger(self) -> Path:
        """The delivery log, an SQLite file; it is projected from Kafka, so `reset` deletes it too."""
        return self.home / "ledger.db"

    @property
    def logs(self) -> Path:
        """One file per service."""
        return self.home / "log"

    @property
    def run(self) -> Path:
        """Pid files and the lock."""
        return self.home / "run"

    @property
    def environment_file(self) -> Path:
        """Where programs and the `tocsin` command find the stack's addresses."""
        return self.home / "local.env"


def load() -> LocalSettings:
    """Read the environment.

    Raises:
        ConfigurationError: A variable is malformed; the message names it.
    """
    settings = read(LocalSettings)
    # A child process has no use for the directory its starter stood in.
    return settings.model_copy(update={"home": settings.home.expanduser().resolve()})
