"""The gateway: events over HTTP, for services that speak no Kafka.

In: `POST /v1/events`, one event or a batch, with an API key of scope `publish`. Out: `tocsin.events.<system>`, the
key's system. It keeps nothing: what it has answered with 202 is acknowledged by the broker, and what it has not may be
sent again with the same ids, which forks nothing. So it scales by copies, beside the control API or under one address
with it.
"""
