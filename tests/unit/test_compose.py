"""`docker-compose.yml` starts what the local stack starts: same versions, ports, settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import kafka, registry
from deploy.local.settings import CHECKOUT, KAFKA_VERSION, REGISTRY_VERSION, LocalSettings

SETTINGS = LocalSettings.model_construct(home=Path("/home"))
"""The defaults, whatever the environment says."""

PLACES = {
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "inter.broker.listener.name",
    "controller.listener.names",
    "controller.quorum.voters",
    "log.dirs",
}
"""Kafka's settings that say where things are; a container has other places than a process."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"])


def variable(key: str) -> str:
    """The environment variable that both images read for a setting."""
    return re.sub(r"[^A-Za-z0-9]", "_", key).upper()


def test_images_are_of_the_versions_that_the_local_stack_runs(services: dict[str, Any]) -> None:
    assert services["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert services["registry"]["image"] == f"apicurio/apicurio-registry:{REGISTRY_VERSION}"


def test_ports_are_the_local_stacks_and_published_on_loopback_only(services: dict[str, Any]) -> None:
    expected = {
        "kafka": [SETTINGS.kafka_port],
        "registry": [SETTINGS.registry_port, SETTINGS.registry_management_port],
    }
    for name, ports in expected.items():
        assert services[name]["ports"] == [f"127.0.0.1:{port}:{port}" for port in ports]


def test_kafka_has_the_local_stacks_settings_and_no_others(services: dict[str, Any]) -> None:
    given = dict(services["kafka"]["environment"])
    assert given.pop("CLUSTER_ID") == kafka.CLUSTER_ID
    assert given.pop("KAFKA_HEAP_OPTS") == kafka.HEAP
    placed = {f"KAFKA_{variable(key)}" for key in PLACES}
    assert placed <= given.keys()
    assert {key: value for key, value in given.items() if key not in placed} == {
        f"KAFKA_{variable(key)}": value for key, value in kafka.POLICY.items()
    }


def test_places_are_all_that_the_local_stack_adds_to_kafkas_policy() -> None:
    assert kafka.properties(SETTINGS).keys() - kafka.POLICY.keys() == PLACES


def test_kafka_tells_the_host_an_address_that_it_can_reach(services: dict[str, Any]) -> None:
    advertised = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert f"CLIENTS://{SETTINGS.kafka}" in advertised


def test_registry_has_the_local_stacks_settings_and_no_others(services: dict[str, Any]) -> None:
    assert services["registry"]["environment"] == {
        **{variable(key): value for key, value in registry.POLICY.items()},
        "JAVA_OPTS_APPEND": " ".join(registry.JVM),
        "QUARKUS_HTTP_PORT": str(SETTINGS.registry_port),
        "QUARKUS_MANAGEMENT_PORT": str(SETTINGS.registry_management_port),
        "APICURIO_KAFKASQL_BOOTSTRAP_SERVERS": "kafka:9092",
    }
