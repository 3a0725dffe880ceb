"""A client of the control API, for every system: the key says which.

with tocsin.Client(api_key="toc_…") as client:
    webhook = client.webhooks.create(url="https://example.com/hooks", events=["*"])
    print(webhook.id, webhook.secret)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tocsin import settings as settings_module
from tocsin.errors import ApiUnavailable, ConfigurationError, RequestRefused

WEBHOOKS: Final = "/v1/webhooks"
EVENTS: Final = "/v1/events"
_TIMEOUT_S: Final = 15.0
_PAGE: Final = 250


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as the API shows it.

    Attributes:
        id: Its id.
        url: Where events go; without its path where the path is a secret.
        events: Event types and globs.
        active: Whether it gets events.
        version: Raised at every change; give it to `Webhooks.change` so that nobody's change is undone unseen.
        secret: The signing secret, in what `create` and `rotate_secret` return, and never again.
        fields: All that the API said, such as `effective_at` and the fields of a system's scope.
    """

    id: str
    url: str
    events: tuple[str, ...]
    active: bool
    version: int
    secret: str | None = field(default=None, repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Client:
    """A client of the control API; one instance serves all threads of a process.

    Args:
        api_url: Address of the API; `TOCSIN_API` when None.
        api_key: The key; `TOCSIN_API_KEY` when None.
        timeout_s: How long an answer may take.
        user_agent: What the API's logs call the caller.
        gateway_url: Address of the gateway, for `events`; `TOCSIN_GATEWAY` when None.

    Raises:
        ConfigurationError: There is no key.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = _TIMEOUT_S,
        user_agent: str = "tocsin-python",
        gateway_url: str | None = None,
    ) -> None:
        settings = settings_module.load()
        if api_key is None and settings.api_key is not None:
            api_key = settings.api_key.get_secret_value()
        if not api_key:
            reason = "no API key; `tocsin keys create --organization … --system …` makes one"
            raise ConfigurationError("TOCSIN_API_KEY", "", reason)
        self.api_url = api_url or settings.api
        self.gateway_url = gateway_url or settings.gateway
        self.webhooks = Webhooks(self)
        self.events = Events(self)
        self._http = httpx.Client(
            headers={"X-API-Key": api_key, "User-Agent": user_agent},
            timeout=timeout_s,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def event_types(self) -> list[dict[str, Any]]:
        """Return the event types of the key's system, with schema and example; raises as `call`."""
        found: list[dict[str, Any]] = self.call("GET", "/v1/event-types")["data"]
        return found

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        at: str | None = None,
    ) -> Any:
        """Make one request and return its answer.

        Args:
            at: Another address than the control API's.

        Raises:
            RequestRefused: The API said no; the error has its words.
            ApiUnavailable: It does not answer; a change may or may not have been made.
        """
        try:
            url = (at or self.api_url).rstrip("/") + path
            answer = self._http.request(method, url, json=body, params=query, headers=headers)
        except httpx.TransportError as error:
            what = f"gateway at {at}" if at else f"control API at {self.api_url}"
            told = f"the {what} does not answer ({type(error).__name__})"
            raise ApiUnavailable(told) from error
        if not answer.is_success:
            raise RequestRefused(answer.status_code, said(answer.content, answer.reason_phrase))
        return answer.json() if answer.content else None


class Events:
    """Events by way of the gateway, with a key of scope `publish`. Every method raises as `Client.call`.

    A service that can reach Kafka has `tocsin.Publisher`, which is faster and knows at once what does not fit.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def publish(self, event_type: str, data: Mapping[str, Any], **attributes: Any) -> str:
        """Publish one event and return its id once the broker has acknowledged it.

        Args:
            event_type: Event type of the key's system.
            data: The event's data, as its schema says.
            attributes: `id`, `source`, `time` (RFC 3339), `subject`, `extensions`. Name an `id` to be able to repeat
                the call after an error: every subscriber gets the event once.
        """
        event = {"type": event_type, "data": data, **attributes}
        accepted: dict[str, str] = self._client.call("POST", EVENTS, body=event, at=self._client.gateway_url)
        return accepted["id"]

    def publish_batch(self, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Publish up to 1,000 events and return what became of each: `id`, `status` 202, 400 or 503, and why.

        Args:
            events: Each with `type`, `data` and, if wanted, what `publish` takes as attributes.
        """
        answer = self._client.call("POST", EVENTS, body=events, at=self._client.gateway_url)
        results: list[dict[str, Any]] = answer["results"]
        return results


class Webhooks:
    """The webhooks of the key's organization. Every method raises as `Client.call`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, *, url: str, events: Sequence[str], **fields: Any) -> Webhook:
        """Register a webhook; the answer has its signing secret, this once.

        Args:
            url: Where to POST to.
            events: Event types; `*` stands for any run of characters.
            fields: `secret` (your own), `description`, `headers`, `format`, `filters`, `active`, and a system's scope fields.
        """
        asked = {"url": url, "events": list(events), **fields}
        return _webhook(self._client.call("POST", WEBHOOKS, body=asked))

    def list(self, *, page_size: int = _PAGE) -> Iterator[Webhook]:
        """Yield every webhook, oldest first; so many are asked for at once."""
        after: str | None = None
        while True:
            query = {"limit": page_size} | ({"after": after} if after else {})
            page = self._client.call("GET", WEBHOOKS, query=query)
            yield from map(_webhook, page["data"])
            after = page.get("next")
            if not after:
                return

    def get(self, webhook_id: str) -> Webhook:
        """Return a webhook."""
        return _webhook(self._client.call("GET", f"{WEBHOOKS}/{webhook_id}"))

    def change(self, webhook_id: str, *, if_version: int | None = None, **fields: Any) -> Webhook:
        """Change a webhook and return it; what is left out stays as it is.

        Args:
            webhook_id: Which.
            if_version: Refuse (412) if it is another version by now; None changes whatever there is.
            fields: `active`, `url`, `events`, `filters`, `description`, `headers`.
        """
        headers = None if if_version is None else {"If-Match": f'"{if_version}"'}
        return _webhook(self._client.call("PATCH", f"{WEBHOOKS}/{webhook_id}", body=fields, headers=headers))

    def rotate_secret(self, webhook_id: str, *, expires_in_s: int = 86_400) -> Webhook:
        """Give a webhook a new signing secret and return it, this once; the old one holds for a while."""
        asked = {"expires_in_s": expires_in_s}
        return _webhook(self._client.call("POST", f"{WEBHOOKS}/{webhook_id}/secret", body=asked))

    def test(self, webhook_id: str, event_type: str | None = None) -> str:
        """Send a test event to a webhook, even one that is not active, and return its delivery id."""
        asked = {"webhook_id": webhook_id, "event_type": event_type}
        sent: dict[str, str] = self._client.call("POST", f"{WEBHOOKS}/test", body=asked)
        return sent["delivery_id"]

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook. What is still to be delivered to it becomes dead letters."""
        self._client.call("DELETE", f"{WEBHOOKS}/{webhook_id}")


def said(content: bytes, otherwise: str) -> str:
    """Return the words of a problem document (RFC 9457), field errors included.

    Args:
        content: The answer's body.
        otherwise: What to say when it is no problem document.
    """
    try:
        problem = json.loads(content)
    except ValueError:
        return otherwise
    if not isinstance(problem, dict):
        return otherwise
    words = str(problem.get("detail") or problem.get("title") or otherwise)
    faults = [fault for fault in problem.get("errors") or () if isinstance(fault, dict)]
    told = [f"{fault.get('field', '?')}: {fault.get('reason', '')}" for fault in faults]
    return "; ".join([words, *(text for text in told if text not in words)])


def _webhook(fields: Mapping[str, Any]) -> Webhook:
    return Webhook(
        id=fields["id"],
        url=fields["url"],
        events=tuple(fields["events"]),
        active=fields["active"],
        version=fields["version"],
        secret=fields.get("secret"),
        fields=fields,
    )
