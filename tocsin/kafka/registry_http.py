"""Questions to a schema registry over the standard library's HTTP, one connection each.

The registry client that comes with confluent-kafka does the same with an HTTP stack, an OAuth library and caches of its
own: they took 0.2 s of CPU at the start of every program and command, and each asks some ten questions in its life.
"""

from __future__ import annotations

import json
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tocsin.access import RegistryAccess
from tocsin.errors import ConfigurationError, RegistryRefuses, RegistryUnavailable

_NO: Final = (404, 409, 422)
_ANSWER_MAX_BYTES: Final = 16 * 1024 * 1024
_MEDIA_TYPE: Final = "application/vnd.schemaregistry.v1+json"


class RegistrySaidNo(Exception):
    """The registry answered, and the answer is no."""


class RegistryHttp:
    """The HTTP side of one registry.

    Args:
        url: Base address.
        timeout_s: How long connecting, and each wait for bytes, may take.
        access: Who asks.

    Raises:
        ConfigurationError: The address is none, or holds a password.
    """

    def __init__(self, url: str, timeout_s: float, access: RegistryAccess) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise ConfigurationError("TOCSIN_REGISTRY", "", "is no http:// or https:// address")
        if self._url.username is not None:
            reason = "holds a user: TOCSIN_REGISTRY_USERNAME and TOCSIN_REGISTRY_PASSWORD are for that"
            raise ConfigurationError("TOCSIN_REGISTRY", "", reason)
        self._timeout_s = timeout_s
        self._tls = _tls(access) if self._url.scheme == "https" else None
        self._headers = {"Accept": f"{_MEDIA_TYPE}, application/json", "Content-Type": _MEDIA_TYPE}
        if access.authorization is not None:
            self._headers["Authorization"] = access.authorization

    def ask(self, method: str, *path: str, body: Any = None) -> dict[str, Any]:
        """Make one request and return the answer.

        Args:
            path: What follows the base address, segment by segment, not yet quoted.
            body: Sent as JSON unless None.

        Raises:
            RegistrySaidNo: 404, 409 or 422; the text is the registry's.
            RegistryUnavailable: No answer, or one that says nothing about the question.
        """
        target = "/".join((self._url.path.rstrip("/"), *(quote(segment, safe="") for segment in path)))
        try:
            status, answer = self._exchange(method, target, None if body is None else json.dumps(body))
        except (OSError, HTTPException) as error:
            said = str(error) or type(error).__name__
            raise RegistryUnavailable(f"{self._url.geturl()} does not answer: {said}") from error
        if status in _NO:
            raise RegistrySaidNo(_message(answer))
        if status != 200:
            raise RegistryRefuses(f"{self._url.geturl()} answered {status}")
        found = _json(answer)
        if not isinstance(found, dict):
            raise RegistryRefuses(f"{self._url.geturl()} answered with what is no JSON object")
        return found

    def _exchange(self, method: str, target: str, body: str | None) -> tuple[int, bytes]:
        connection = self._connection()
        try:
            connection.request(method, target, body, self._headers)
            response = connection.getresponse()
            return response.status, response.read(_ANSWER_MAX_BYTES)
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        host, port = str(self._url.hostname), self._url.port
        if self._tls is None:
            return HTTPConnection(host, port, timeout=self._timeout_s)
        return HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)


def _tls(access: RegistryAccess) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
        if access.certificate_file is not None:
            context.load_cert_chain(access.certificate_file, access.key_file, password="")
    except OSError as error:
        raise ConfigurationError(
            "TOCSIN_REGISTRY", "", f"its certificates cannot be read: {error}"
        ) from error
    return context


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _message(answer: bytes) -> str:
    found = _json(answer)
    return str(found.get("message", "")) if isinstance(found, dict) else answer[:200].decode(errors="replace")
