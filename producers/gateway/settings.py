"""Where the gateway listens, and how much it takes (`TOCSIN_GATEWAY_*`)."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from producers.gateway.modes import EVENTS_MAX
from tocsin import settings
from tocsin.settings import LOCAL_ENV


class GatewaySettings(BaseSettings):
    """Settings of this program alone."""

    model_config = SettingsConfigDict(
        env_prefix="TOCSIN_GATEWAY_", env_file=LOCAL_ENV, extra="ignore", frozen=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8700, ge=1, le=65535, description="TCP port to listen on.")
    events_per_minute: int = Field(
        1_200_000, ge=EVENTS_MAX, description="Events a key may publish at one process, batched or not."
    )
    held_max_bytes: int = Field(
        64 * 1024 * 1024, ge=2 * 1024 * 1024, description="Bodies of all open requests together."
    )


def load() -> GatewaySettings:
    """Read the settings.

    Raises:
        ConfigurationError: A variable is malformed; the message names it.
    """
    return settings.read(GatewaySettings)
