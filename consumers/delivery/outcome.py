"""What one POST came to: an answer or a failure, as values, bounded and safe to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

FailureKind = Literal["timeout", "connect", "dns", "tls", "protocol", "reset", "refused_by_policy", "local"]

REACHED: Final[Mapping[FailureKind, bool | None]] = {
    "timeout": False,
    "connect": False,
    "dns": False,
    "tls": True,
    "protocol": True,
    "reset": True,
    "refused_by_policy": None,
    "local": False,
}
"""Whether the endpoint was connected to; None where nobody tried. Whoever answers was."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The endpoint answered.

    Attributes:
        status: 200 to 599.
        headers: The first of its headers, names in lower case, at most 16 KiB in all.
        body: The first of its body, at most 16 KiB.
        body_complete: The whole body is in `body`: it neither broke off nor was cut.
        duration_s: From the start to the end of the body, or to giving it up.
        retry_after: The first `Retry-After` header, even where `headers` was cut before it.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    body_complete: bool
    duration_s: float
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer came that counts.

    Attributes:
        kind: `local` is our own host's failure, such as no free file descriptor; all others are the endpoint's.
        error: In words, without any address: a tenant may read it.
        duration_s: From the start to the failure; 0 for a refusal, so that it tells nothing about our network.
    """

    kind: FailureKind
    error: str
    duration_s: float


Outcome = Answered | Failed
