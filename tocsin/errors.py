"""Every error Tocsin raises on purpose.

TocsinError
├── ConfigurationError      a contract or setting is malformed; nothing starts
├── EventInvalid            the publisher's data does not fit the contract; nothing was sent
├── NotAcknowledged         the broker did not acknowledge a write in time; it may or may not be stored
├── Undecodable             bytes on a topic are poison; they belong in quarantine
├── RegistryUnavailable     the schema registry does not answer; wait and try again
│   └── RegistryRefuses     it answers, and not to what it was asked: a right that is missing, another service
├── KafkaUnavailable        no broker answers
│   └── KafkaRefuses        one answers, and says no: a permission, a policy, too few brokers, no such topic
├── LedgerUnavailable       the delivery log's store is absent, of another version, or does not answer
├── RenderError             a wire format cannot express this event
├── NoSecret                no usable signing secret; nothing may leave
├── SecretInvalid           a signing secret is empty, too short or malformed
├── SignatureInvalid        a received webhook does not verify
├── UrlInvalid              the text is not a URL we accept
├── DestinationNotAllowed   policy refuses where this would go
├── FilterInvalid           a subscription's filters are none
├── ApiUnavailable          the control API does not answer
└── RequestRefused          the control API said no
"""

from __future__ import annotations


class TocsinError(Exception):
    """The root: catch this to catch every error Tocsin raises on purpose."""


class ConfigurationError(TocsinError):
    """A contract or a setting is malformed.

    Args:
        file: The file or the environment variable at fault.
        key: The key inside it, dotted; empty when the whole file is at fault.
        reason: What is wrong with it, and what would be right.
    """

    def __init__(self, file: str, key: str, reason: str) -> None:
        super().__init__(f"{file}: {key}: {reason}" if key else f"{file}: {reason}")
        self.file, self.key, self.reason = file, key, reason


class EventInvalid(TocsinError):
    """An event does not fit its contract; nothing was sent.

    Args:
        field: Dotted path of the field at fault, such as `data.drift_score`.
        reason: What is wrong with it.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class NotAcknowledged(TocsinError):
    """The broker did not acknowledge a write in time; repeat it with the same event id."""


class Undecodable(TocsinError):
    """Bytes on a topic cannot be read as what they should be, now or later."""


class RegistryUnavailable(TocsinError):
    """The schema registry does not answer; the record is fine, wait and try again."""


class RegistryRefuses(RegistryUnavailable):
    """The registry answers, and not to what it was asked; that is waited for like one that is away."""


class KafkaUnavailable(TocsinError):
    """No broker answers at the configured address."""


class KafkaRefuses(KafkaUnavailable):
    """A broker answers, and says no; that is waited for like one that is away, since an administrator may mend it."""


class LedgerUnavailable(TocsinError):
    """The delivery log's store is absent, of another version than this program, or does not answer now."""


class RenderError(TocsinError):
    """The schema allows this event, but a wire format cannot express it."""


class NoSecret(TocsinError):
    """No usable signing secret: nothing may leave."""


class SecretInvalid(TocsinError):
    """A signing secret is empty, too short or malformed."""


class SignatureInvalid(TocsinError):
    """A received webhook does not verify."""


class UrlInvalid(TocsinError):
    """The text is not a URL that a webhook may have."""


class DestinationNotAllowed(TocsinError):
    """Policy refuses the place this would go to."""


class FilterInvalid(TocsinError):
    """A subscription's filters are not what filters may be.

    Args:
        field: Dotted place at fault, such as `filters.0.any.1.exact`.
        reason: What is wrong with it.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class ApiUnavailable(TocsinError):
    """The control API does not answer; what it was asked to change may or may not have been changed."""


class RequestRefused(TocsinError):
    """The control API answered with a problem.

    Args:
        status: HTTP status.
        detail: The problem's own words.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{detail} (HTTP {status})")
        self.status, self.detail = status, detail
