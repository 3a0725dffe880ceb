"""The control API, as the command calls it."""

from __future__ import annotations

from typing import Final

from tocsin import settings as settings_module
from tocsin.cli.failure import Failure
from tocsin.client import Client

AGENT: Final = "tocsin-cli"


def client() -> Client:
    """Return a client; use it as a context manager.

    Raises:
        Failure: No API key is set.
    """
    settings = settings_module.load()
    if settings.api_key is None:
        raise Failure(
            "no API key; set TOCSIN_API_KEY (`tocsin keys create --organization … --system …` makes a key)"
        )
    return Client(settings.api, settings.api_key.get_secret_value(), user_agent=AGENT)
