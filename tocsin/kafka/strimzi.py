"""Topics and users as resources of the Strimzi operator, which keeps a Kafka cluster in Kubernetes as they say.

Source: the custom resource definitions `kafkatopics` and `kafkausers`, version v1, of Strimzi 0.49 and later.
"""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from tocsin.kafka import topics
from tocsin.kafka.permissions import Grant, Rule
from tocsin.kafka.topics import TopicSpec

Authentication = Literal["scram-sha-512", "tls"]

_API: Final = "kafka.strimzi.io/v1"
_CLUSTER: Final = "strimzi.io/cluster"


def topic(spec: TopicSpec, *, cluster: str, partitions: int, replication: int) -> dict[str, Any]:
    """Return a `KafkaTopic`.

    Args:
        cluster: Name of the `Kafka` resource.
        partitions: The installation's partition count, where the topic has none of its own.
        replication: Replication factor.
    """
    return {
        "apiVersion": _API,
        "kind": "KafkaTopic",
        "metadata": {"name": resource_name(spec.name), "labels": {_CLUSTER: cluster}},
        "spec": {
            "topicName": spec.name,
            "partitions": spec.partitions or partitions,
            "replicas": replication,
            "config": topics.config(spec, replication),
        },
    }


def user(grant: Grant, *, cluster: str, name: str, authentication: Authentication) -> dict[str, Any]:
    """Return a `KafkaUser`; the operator writes its password or certificate into a Secret of the same name."""
    return {
        "apiVersion": _API,
        "kind": "KafkaUser",
        "metadata": {"name": resource_name(name), "labels": {_CLUSTER: cluster}},
        "spec": {
            "authentication": {"type": authentication},
            "authorization": {"type": "simple", "acls": [_acl(rule) for rule in grant.rules]},
        },
    }


def resource_name(name: str) -> str:
    """Return a name that Kubernetes takes for a resource: lower case, digits, `-` and `.`."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")


def _acl(rule: Rule) -> dict[str, Any]:
    resource = {"type": rule.resource, "name": rule.name, "patternType": rule.pattern}
    return {"resource": resource, "operations": list(rule.operations), "host": "*"}
