"""The names that OpenTelemetry's semantic conventions give to what a span tells; ours begin with `tocsin.`.

Messaging is still under development there: so the version is fixed here, and names change in this file alone.
"""

from __future__ import annotations

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

MESSAGING_SYSTEM: Final = "messaging.system"
MESSAGING_OPERATION_NAME: Final = "messaging.operation.name"
MESSAGING_OPERATION_TYPE: Final = "messaging.operation.type"
MESSAGING_DESTINATION_NAME: Final = "messaging.destination.name"
MESSAGING_DESTINATION_PARTITION_ID: Final = "messaging.destination.partition.id"
MESSAGING_BATCH_MESSAGE_COUNT: Final = "messaging.batch.message_count"
MESSAGING_KAFKA_OFFSET: Final = "messaging.kafka.offset"
MESSAGING_MESSAGE_ID: Final = "messaging.message.id"
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_REQUEST_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
URL_FULL: Final = "url.full"
ERROR_TYPE: Final = "error.type"

KAFKA: Final = "kafka"
SEND: Final = "send"
PROCESS: Final = "process"

EVENT_TYPE: Final = "tocsin.event.type"
SYSTEM: Final = "tocsin.system"
DELIVERY_ID: Final = "tocsin.delivery.id"
SUBSCRIPTION_ID: Final = "tocsin.subscription.id"
RUN: Final = "tocsin.run"
STEP: Final = "tocsin.step"
VERDICT: Final = "tocsin.verdict"
LINK: Final = "tocsin.link"
"""Of a link: `origin`, the event's own trace, or `previous`, the attempt before."""
