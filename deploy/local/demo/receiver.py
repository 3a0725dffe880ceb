"""Somebody else's server, for the demo and for tests: receives webhooks, verifies each at the moment it arrives, and
answers as it is told."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

Answer = tuple[int, Mapping[str, str]]
"""Status and headers."""

Verifier = Callable[["Received"], None]
"""Raises if the request does not verify."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; header names in lower case, `at` on the monotonic clock."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(slots=True)
class Receiver:
    """An HTTP server on a loopback port of its own.

    Attributes:
        answer: Called with each request and how many came before it; decides the answer.
        verify: Called with each request; what it raises is kept in `refused`.
        tls: Makes it speak HTTPS.
    """

    answer: Callable[[Received, int], Answer] = lambda request, earlier: (200, {})
    verify: Verifier | None = None
    tls: ssl.SSLContext | None = None
    requests: list[Received] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _moved: threading.Condition = field(default_factory=threading.Condition)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/hook"

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the receiver is not started")
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if self.tls is not None:
            # The handshake belongs to the request's thread: a client that never begins it holds up nobody.
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def wait_for(self, count: int, timeout_s: float = 30.0) -> list[Received]:
        """Return the requests once there are at least `count`; TimeoutError if that takes longer."""
        with self._moved:
            came = self._moved.wait_for(lambda: len(self.requests) >= count, timeout_s)
            if not came:
                raise TimeoutError(f"{len(self.requests)} of {count} requests after {timeout_s:.0f} s")
            return list(self.requests)

    def settle(self, quiet_s: float) -> list[Received]:
        """Return the requests once none has come for `quiet_s`."""
        with self._moved:
            while self._moved.wait(quiet_s):
                pass
            return list(self.requests)

    def take(self, request: Received) -> Answer:
        """Note a request and decide the answer; called on the request's thread."""
        if self.verify is not None:
            try:
                self.verify(request)
            except Exception as error:  # an assertion's, a library's: any of them means it does not verify
                self.refused.append(f"{type(error).__name__}: {error}")
        with self._moved:
            earlier = len(self.requests)
            self.requests.append(request)
            self._moved.notify_all()
        return self.answer(request, earlier)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is nothing to look at."""


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, extra = receiver.take(Received(self.path, headers, body, time.monotonic()))
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
