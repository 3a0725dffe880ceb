"""The control API, as the command calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tocsin import settings as settings_module
from tocsin.cli.failure import Failure
from tocsin.errors import RequestRefused
from tocsin.settings import Settings

WEBHOOKS: Final = "/v1/webhooks"
_TIMEOUT_S: Final = 15.0
_PAGE: Final = 250


class Api:
    """A client of the control API; use it as a context manager.

    Raises:
        Failure: No API key is set.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or settings_module.load()
        if self._settings.api_key is None:
            raise Failure(
                "no API key; set TOCSIN_API_KEY (`tocsin keys create --organization … --system …` makes a key)"
            )
        self._client = httpx.Client(
            base_url=self._settings.api,
            headers={"X-API-Key": self._settings.api_key.get_secret_value(), "User-Agent": "tocsin-cli"},
            timeout=_TIMEOUT_S,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._client.close()

    def add(self, endpoint: Mapping[str, Any]) -> dict[str, Any]:
        """Register an endpoint and return what the API says of it, its secret included; raises as `call`."""
        created: dict[str, Any] = self.call("POST", WEBHOOKS, body=endpoint)
        return created

    def endpoints(self) -> Iterator[dict[str, Any]]:
        """Yield the endpoints of the key's organization; raises as `call`."""
        after: str | None = None
        while True:
            page = self.call("GET", WEBHOOKS, query={"limit": _PAGE} | ({"after": after} if after else {}))
            yield from page["data"]
            after = page.get("next")
            if not after:
                return

    def remove(self, endpoint_id: str) -> None:
        """Remove an endpoint; raises as `call`."""
        self.call("DELETE", f"{WEBHOOKS}/{endpoint_id}")

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Any:
        """Send one request and return its answer.

        Raises:
            RequestRefused: The API said no; the error has its words.
            Failure: It does not answer.
        """
        try:
            answer = self._client.request(method, path, json=body, params=query)
        except httpx.TransportError as error:
            raise Failure(
                f"the control API at {self._settings.api} does not answer ({type(error).__name__}); "
                "`make up` starts it, TOCSIN_API names another"
            ) from error
        if not answer.is_success:
            raise RequestRefused(answer.status_code, said(answer.content, answer.reason_phrase))
        return answer.json() if answer.content else None


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
