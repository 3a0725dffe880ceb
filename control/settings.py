"""Where the control API listens (`TOCSIN_CONTROL_*`)."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tocsin import settings
from tocsin.settings import LOCAL_ENV


class ControlSettings(BaseSettings):
    """Settings of this program alone."""

    model_config = SettingsConfigDict(
        env_prefix="TOCSIN_CONTROL_", env_file=LOCAL_ENV, extra="ignore", frozen=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    rate_per_minute: int = Field(
        600, ge=1, description="Requests a key may make, where its system documents no other number."
    )
    port: int = Field(8600, ge=1, le=65535, description="TCP port to listen on.")


def load() -> ControlSettings:
    """Read the settings.

    Raises:
        ConfigurationError: A variable is malformed; the message names it.
    """
    return settings.read(ControlSettings)
