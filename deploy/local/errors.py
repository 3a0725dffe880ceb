"""The one error of the local stack."""

from __future__ import annotations

from tocsin.errors import TocsinError


class StackError(TocsinError):
    """The local stack cannot do what was asked; the message is one line and ends with the remedy."""
