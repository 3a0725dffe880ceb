"""`docker-compose.yml` starts what the local stack starts, and every program: confined, apart, with secrets of its own."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pydantic import SecretStr
from sqlalchemy import make_url

from deploy.local import kafka, registry
from deploy.local.programs import MODULES
from deploy.local.settings import CHECKOUT, KAFKA_VERSION, REGISTRY_VERSION, LocalSettings
from tocsin import secrets
from tocsin.settings import Settings
from tocsin.telemetry import probes
from tocsin.telemetry.probes import PLAIN, Probes

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


PROBES: Final = 9464
"""Where programs answer in a container, as the image says."""


@pytest.fixture(scope="module")
def file() -> dict[str, Any]:
    return dict(yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text()))


@pytest.fixture(scope="module")
def services(file: dict[str, Any]) -> dict[str, Any]:
    return dict(file["services"])


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
        "control": [SETTINGS.control_port],
        "gateway": [SETTINGS.gateway_port],
        "prometheus": [9090],
        "grafana": [3000],
    }
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {
        name: [f"127.0.0.1:{port}:{port}" for port in ports] for name, ports in expected.items()
    }


def test_kafka_has_the_local_stacks_settings_and_no_others(services: dict[str, Any]) -> None:
    given = dict(services["kafka"]["environment"])
    assert given.pop("CLUSTER_ID") == kafka.CLUSTER_ID
    assert given.pop("KAFKA_HEAP_OPTS") == kafka.HEAP
    assert given.pop("KAFKA_JVM_PERFORMANCE_OPTS") == kafka.COLLECTOR
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


class TestPrograms:
    def test_every_program_runs_as_on_this_machine(self, services: dict[str, Any]) -> None:
        started = {name: services[name]["command"] for name in MODULES}
        assert started == {name: ["python", "-m", module] for name, module in MODULES.items()}

    def test_whatever_runs_the_image_may_write_nothing_and_gain_nothing(
        self, services: dict[str, Any]
    ) -> None:
        ours = {name: service for name, service in services.items() if service["image"] == "tocsin"}
        assert ours.keys() == MODULES.keys() | {"keyring", "password", "first-key"}
        for service in ours.values():
            assert service["read_only"] is True
            assert service["tmpfs"] == ["/tmp"]
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
            assert "cap_add" not in service
            assert "user" not in service

    def test_stop_waits_longer_than_programs_take_to_end_their_work(self, services: dict[str, Any]) -> None:
        deadline_s = Settings.model_fields["stop_deadline_s"].default
        for name in MODULES:
            assert int(services[name]["stop_grace_period"].removesuffix("s")) > deadline_s + 5

    def test_every_setting_exists(self, services: dict[str, Any]) -> None:
        given = {variable for name in MODULES for variable in services[name]["environment"]}
        known = {f"TOCSIN_{name}".upper() for name in Settings.model_fields}
        secret = {f"{variable}_FILE" for variable in known}
        foreign = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
        assert given - known - secret - foreign == set()

    def test_image_listens_for_probes_where_health_checks_and_prometheus_ask(
        self, services: dict[str, Any]
    ) -> None:
        dockerfile = (CHECKOUT / "deploy" / "image" / "Dockerfile").read_text()
        assert f"{probes.VARIABLE}=0.0.0.0:{PROBES}" in dockerfile
        (job, _) = yaml.safe_load((CHECKOUT / "deploy" / "compose" / "prometheus.yml").read_text())[
            "scrape_configs"
        ]
        (found,) = job["dns_sd_configs"]
        assert found["port"] == PROBES
        assert set(found["names"]) == MODULES.keys()
        assert all(f"/{PROBES} " in services[name]["healthcheck"]["test"][-1] for name in MODULES)

    @pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
    def test_health_is_what_readyz_says(self, services: dict[str, Any], status: int, healthy: bool) -> None:
        sock = probes.listen("127.0.0.1:0")
        port = sock.getsockname()[1]
        answering = Probes(sock, {"/readyz": lambda: (status, PLAIN, b"as it is\n")})
        try:
            assert _healthy(services["router"], PROBES, port) is healthy
        finally:
            answering.close()
        assert not _healthy(services["router"], PROBES, port)

    def test_registry_is_asked_in_the_same_way(self, services: dict[str, Any]) -> None:
        sock = probes.listen("127.0.0.1:0")
        answering = Probes(sock, {"/health/ready": lambda: (200, PLAIN, b"")})
        try:
            assert _healthy(services["registry"], SETTINGS.registry_management_port, sock.getsockname()[1])
        finally:
            answering.close()


class TestSystem:
    def test_every_image_is_of_one_version(self, services: dict[str, Any]) -> None:
        images = {service["image"] for service in services.values()} - {"tocsin"}
        assert [image for image in images if not re.search(r":v?\d+\.\d+(\.\d+)?(-bookworm)?$", image)] == []

    def test_what_is_waited_for_can_say_that_it_is_there(self, services: dict[str, Any]) -> None:
        for service in services.values():
            for name, need in service.get("depends_on", {}).items():
                if need["condition"] == "service_healthy":
                    assert "healthcheck" in services[name]
                else:
                    assert need["condition"] == "service_completed_successfully"
                    assert "restart" not in services[name]

    def test_only_what_the_host_uses_and_delivery_have_a_way_out(
        self, file: dict[str, Any], services: dict[str, Any]
    ) -> None:
        open_ones = {name for name, network in file["networks"].items() if not network.get("internal")}
        assert open_ones == {"front", "egress"}
        members = {
            name: {each for each, service in services.items() if name in service.get("networks", ())}
            for name in file["networks"]
        }
        assert members["egress"] == {"delivery"}
        assert members["front"] == {name for name, service in services.items() if "ports" in service}
        assert members["store"] == {"postgres", "control", "ledger"}

    def test_secrets_are_with_those_who_need_them_and_nowhere_in_the_file(
        self, services: dict[str, Any]
    ) -> None:
        holders = {
            volume: {name for name, service in services.items() if _mounts(service, volume)}
            for volume in ("keyring", "database", "first-key")
        }
        assert holders == {
            "keyring": {"keyring", "control", "delivery"},
            "database": {"password", "postgres", "control", "ledger"},
            "first-key": {"first-key"},
        }
        told = re.compile(r"password|secret|key", re.IGNORECASE)
        inline = [
            variable
            for service in services.values()
            for variable in service.get("environment", {})
            if told.search(variable) and not variable.endswith("_FILE")
        ]
        assert inline == []

    def test_every_file_that_is_mounted_exists(self, services: dict[str, Any]) -> None:
        sources = [
            volume.split(":")[0]
            for service in services.values()
            for volume in service.get("volumes", ())
            if isinstance(volume, str) and volume.startswith("./")
        ]
        assert len(sources) > 5
        assert [source for source in sources if not (CHECKOUT / source).exists()] == []


class TestSecrets:
    def test_keyring_is_made_once_for_its_owner_alone(self, services: dict[str, Any], tmp_path: Path) -> None:
        _run(services["keyring"], tmp_path)
        made = (tmp_path / "keyring").read_text()
        assert secrets.parse_keyring("keyring", made).primary == "compose"
        _run(services["keyring"], tmp_path)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"keyring": made}
        assert stat.S_IMODE((tmp_path / "keyring").stat().st_mode) == 0o600

    def test_database_password_is_made_once_and_stands_in_the_address(
        self, services: dict[str, Any], tmp_path: Path
    ) -> None:
        _run(services["password"], tmp_path)
        made = {path.name: path.read_text() for path in tmp_path.iterdir()}
        address = make_url(made["address"].strip())
        assert (address.username, address.host, address.database) == ("tocsin", "postgres", "tocsin")
        assert address.password == made["password"]
        assert len(made["password"]) >= 32
        _run(services["password"], tmp_path)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == made
        assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}

    def test_nobody_who_is_asked_over_http_starts_before_there_is_a_key(
        self, services: dict[str, Any]
    ) -> None:
        waiting = {name for name in MODULES if "first-key" in services[name]["depends_on"]}
        assert waiting == {"control", "gateway"}

    def test_first_key_is_kept(self, services: dict[str, Any], tmp_path: Path) -> None:
        (tmp_path / "key").write_text("toc_kept")
        _run(services["first-key"], tmp_path)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"key": "toc_kept"}

    def test_half_a_password_is_made_anew_with_its_address(
        self, services: dict[str, Any], tmp_path: Path
    ) -> None:
        (tmp_path / "password").write_text("half")
        (tmp_path / "address.part").write_text("postgresql://")
        _run(services["password"], tmp_path)
        password = (tmp_path / "password").read_text()
        assert password != "half"
        assert password in SecretStr((tmp_path / "address").read_text()).get_secret_value()


def _mounts(service: dict[str, Any], volume: str) -> bool:
    return any(
        each.get("source") == volume if isinstance(each, dict) else each.startswith(f"{volume}:")
        for each in service.get("volumes", ())
    )


def _healthy(service: dict[str, Any], port: int, instead: int) -> bool:
    """Return what a health check says, run here against another port."""
    kind, *command = service["healthcheck"]["test"]
    assert kind == "CMD"
    script = command[-1].replace(f"/{port} ", f"/{instead} ").replace("$$", "$")
    return (
        subprocess.run([*command[:-1], script], capture_output=True, check=False, timeout=10).returncode == 0
    )


def _run(service: dict[str, Any], folder: Path) -> None:
    """Run what a service runs, in a folder."""
    *command, script = service["command"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(
        [*command, script.replace("$$", "$")], cwd=folder, env={"PATH": path}, check=True, timeout=60
    )
