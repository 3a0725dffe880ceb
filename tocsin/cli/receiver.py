"""A small webhook receiver: it verifies what arrives, answers as it was told, and hands on what it saw."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import orjson

from tocsin.errors import SignatureInvalid

BODY_MAX_BYTES: Final = 2_000_000
_STOP_EVERY_S: Final = 0.05
IDLE_S: Final = 75.0
"""How long a kept-alive connection may be silent."""

Verify = Callable[[Sequence[tuple[str, str]], bytes], None]
"""Raises SignatureInvalid for a request that does not verify."""

_TYPE_HEADER = re.compile(r"(?:ce-type|.*-event|.*-event-type)\Z", re.IGNORECASE)
_ID_HEADER = re.compile(r"(?:webhook-id|.*-delivery|.*-delivery-id|ce-id|.*-id)\Z", re.IGNORECASE)
_TYPE_FIELDS: Final = ("type", "event", "event_type")
_ID_FIELDS: Final = ("id", "event_id", "delivery_id")


@dataclass(frozen=True, slots=True)
class Answers:
    """How requests are answered.

    Attributes:
        status: The status of those that are to fail.
        fail_first: How many of the first requests fail; None lets all of them fail.
        delay_s: How long each answer is held back.
    """

    status: int = 503
    fail_first: int | None = 0
    delay_s: float = 0.0

    def status_of(self, number: int) -> int:
        """Return the status of the n-th request, counted from 1."""
        return self.status if self.fail_first is None or number <= self.fail_first else 200


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it was received and answered.

    Attributes:
        at_ms: When it was complete, milliseconds since the epoch.
        number: Which request this is, from 1.
        seen: How often its id has been received, this time included.
        verified: Whether its signature is right; None when there was nothing to verify it with.
        reason: Why it does not verify.
        status: What it was answered.
    """

    at_ms: int
    number: int
    seen: int
    event_type: str
    id: str
    verified: bool | None
    reason: str | None
    status: int
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def named(headers: Sequence[tuple[str, str]], body: bytes) -> tuple[str, str]:
    """Return a request's event type and id, from wherever webhooks carry them; empty where it says none.

    Headers come before the body: an id there is the delivery's, which is the same over retries.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    fields: Mapping[str, Any] = document if isinstance(document, dict) else {}
    return (
        _first(headers, _TYPE_HEADER, fields, _TYPE_FIELDS),
        _first(headers, _ID_HEADER, fields, _ID_FIELDS),
    )


class Receiver:
    """Listens on an address and calls `show` for every request, one at a time.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes any that is free.
        answers: How requests are answered.
        show: Called with each request, after it was answered.
        tls: Speaks HTTPS with these settings; HTTP without.

    Raises:
        OSError: The address cannot be listened on.
    """

    def __init__(
        self,
        host: str,
        port: int,
        answers: Answers,
        show: Callable[[Received], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.verify: Verify | None = None
        self._answers = answers
        self._show = show
        self._lock = threading.Lock()
        self._number = 0
        self._seen: dict[str, int] = {}
        self._server = _Server((host, port), self, tls)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Start to answer."""
        threading.Thread(
            target=self._server.serve_forever, args=(_STOP_EVERY_S,), name="receiver", daemon=True
        ).start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def receive(self, path: str, headers: Sequence[tuple[str, str]], body: bytes) -> Received:
        """Judge one request."""
        event_type, request_id = named(headers, body)
        verified, reason = self._judge(headers, body)
        with self._lock:
            self._number += 1
            self._seen[request_id] = seen = self._seen.get(request_id, 0) + 1
            number = self._number
        status = 401 if verified is False else self._answers.status_of(number)
        at_ms = round(time.time() * 1000)
        return Received(
            at_ms, number, seen, event_type, request_id, verified, reason, status, path, tuple(headers), body
        )

    def answered(self, received: Received) -> None:
        """Hand on a request that was answered."""
        with self._lock:
            self._show(received)

    def wait(self) -> None:
        """Hold an answer back as long as it was told."""
        if self._answers.delay_s:
            time.sleep(self._answers.delay_s)

    def _judge(self, headers: Sequence[tuple[str, str]], body: bytes) -> tuple[bool | None, str | None]:
        if self.verify is None:
            return None, None
        try:
            self.verify(headers, body)
        except SignatureInvalid as error:
            return False, str(error)
        return True, None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], receiver: Receiver, tls: ssl.SSLContext | None = None
    ) -> None:
        self.receiver = receiver
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        if tls is not None:
            # Hands are shaken with the first read, on the connection's own thread: who is silent holds up nobody.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is nothing to look at."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_MAX_BYTES:
            self.close_connection = True
            self._answer(411 if not length.isdigit() else 413)
            return
        body = self.rfile.read(int(length))
        receiver = self.server.receiver
        received = receiver.receive(self.path, self.headers.items(), body)
        receiver.wait()
        self._answer(received.status)
        receiver.answered(received)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def version_string(self) -> str:
        return "tocsin-listen"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what arrived is shown by whoever asked for it."""


def _first(
    headers: Sequence[tuple[str, str]],
    header: re.Pattern[str],
    fields: Mapping[str, Any],
    names: Sequence[str],
) -> str:
    found = [value for name, value in headers if header.match(name)]
    found += [str(fields[name]) for name in names if isinstance(fields.get(name), (str, int))]
    return found[0] if found else ""
