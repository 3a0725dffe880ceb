"""The control API, as the command calls it."""

from __future__ import annotations

from typing import Final

from tocsin.client import Client

AGENT: Final = "tocsin-cli"


def client() -> Client:
    """Return a client; use it as a context manager.

    Raises:
        ConfigurationError: No API key is set.
    """
    return Client(user_agent=AGENT)
