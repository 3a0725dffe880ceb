"""How a command fails: one line on stderr that names the remedy, and an exit code."""

from __future__ import annotations

from typing import Final

from tocsin.errors import (
    ApiUnavailable,
    ConfigurationError,
    DestinationNotAllowed,
    EventInvalid,
    KafkaRefuses,
    KafkaUnavailable,
    NotAcknowledged,
    RegistryUnavailable,
    TocsinError,
    UrlInvalid,
)

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
INTERRUPTED: Final = 130

_REMEDIES: Final[tuple[tuple[type[TocsinError], str], ...]] = (
    (KafkaRefuses, ""),
    (KafkaUnavailable, "`make up` starts a local one, TOCSIN_KAFKA names another"),
    (RegistryUnavailable, "`make up` starts a local one, TOCSIN_REGISTRY names another"),
    (ApiUnavailable, "`make up` starts it, TOCSIN_API names another"),
    (NotAcknowledged, "it may or may not be stored"),
    (EventInvalid, "nothing was sent"),
)


class Failure(TocsinError):
    """A command cannot do what it was asked to.

    Args:
        reason: One line: what is wrong, and what mends it.
        code: The exit code.
    """

    def __init__(self, reason: str, code: int = FAILED) -> None:
        super().__init__(reason)
        self.code = code


def usage(reason: str) -> Failure:
    """Return the failure of a command line that cannot be meant."""
    return Failure(reason, USAGE)


def line(error: TocsinError) -> str:
    """Return the line that tells of an error."""
    remedy = next((text for kind, text in _REMEDIES if isinstance(error, kind)), None)
    said = " ".join(str(error).split())
    return f"tocsin: {said}; {remedy}" if remedy else f"tocsin: {said}"


def exit_code(error: TocsinError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, Failure):
        return error.code
    if isinstance(error, (DestinationNotAllowed, UrlInvalid)):
        return REFUSED
    return USAGE if isinstance(error, ConfigurationError) and error.file == "system" else FAILED
