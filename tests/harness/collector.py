"""An OpenTelemetry collector that only remembers: OTLP over HTTP, on a loopback port of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Takes what programs export.

    Attributes:
        spans: Service name and span, as they came.
        metrics: Service name and metric, likewise.
        bodies: What came, byte for byte.
    """

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        self.metrics: list[tuple[str, Any]] = []
        self.bodies: list[bytes] = []
        self._moved = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """What `OTEL_EXPORTER_OTLP_ENDPOINT` is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_until(self, seen: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Return once `seen`, asked again at whatever comes; AssertionError if that takes longer."""
        with self._moved:
            assert self._moved.wait_for(seen, timeout_s), [span.name for _, span in self.spans]

    def take(self, path: str, body: bytes) -> None:
        """Remember an export."""
        with self._moved:
            self.bodies.append(body)
            if path == "/v1/traces":
                for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                    service = _service(each.resource)
                    self.spans += [(service, span) for scope in each.scope_spans for span in scope.spans]
            else:
                for found in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    service = _service(found.resource)
                    self.metrics += [
                        (service, metric) for scope in found.scope_metrics for metric in scope.metrics
                    ]
            self._moved.notify_all()


def attributes(of: Any) -> dict[str, Any]:
    """Return the attributes of a span, a link or a data point."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


def _service(resource: Any) -> str:
    return str(attributes(resource)["service.name"])


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
