"""How a program reaches Kafka and the registry: what clients are given, and what is refused before anything starts."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, KafkaException

from control import settings as control_settings
from producers.gateway import settings as gateway_settings
from tocsin import access, settings
from tocsin.access import RegistryAccess
from tocsin.errors import ConfigurationError
from tocsin.kafka import clients
from tocsin.settings import Settings

ROOT: Final = Path(__file__).parents[2]
CANARY: Final = "canary-5f1c"
SCRAM: Final = {
    "kafka_security": "sasl_ssl",
    "kafka_mechanism": "SCRAM-SHA-512",
    "kafka_username": "router",
    "kafka_password": CANARY,
}
OPEN: Final = {"registry": "http://registry:8081"}
OAUTH: Final = SCRAM | {"kafka_mechanism": "OAUTHBEARER", "kafka_token_url": "https://id.example.com/token"}


def made(**fields: Any) -> Settings:
    return Settings(_env_file=None, **fields)  # type: ignore[call-arg]


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    file = tmp_path / "some.pem"
    file.write_text("-")
    return file


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {"security.protocol": "plaintext"}),
        ({"kafka_security": "ssl"}, {"security.protocol": "ssl"}),
        (
            SCRAM,
            {
                "security.protocol": "sasl_ssl",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": "router",
                "sasl.password": CANARY,
            },
        ),
        (
            OAUTH | {"kafka_token_scope": "kafka"},
            {
                "security.protocol": "sasl_ssl",
                "sasl.mechanism": "OAUTHBEARER",
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.token.endpoint.url": "https://id.example.com/token",
                "sasl.oauthbearer.client.id": "router",
                "sasl.oauthbearer.client.secret": CANARY,
                "sasl.oauthbearer.scope": "kafka",
            },
        ),
        (
            {"kafka_options": {"client.rack": "a", "security.protocol": "ssl"}},
            {"client.rack": "a", "security.protocol": "ssl"},
        ),
    ],
)
def test_settings_become_options_that_the_client_knows(
    fields: Mapping[str, Any], options: Mapping[str, str]
) -> None:
    assert access.kafka(made(**fields)) == options
    Consumer({**options, "group.id": "g", "bootstrap.servers": "127.0.0.1:1"}).close()


def test_certificates_become_options_of_both_clients(pem: Path) -> None:
    mutual = {"kafka_ca_file": pem, "kafka_certificate_file": pem, "kafka_key_file": pem}
    assert access.kafka(made(kafka_security="ssl", kafka_key_password=CANARY, **mutual)) == {
        "security.protocol": "ssl",
        "ssl.ca.location": str(pem),
        "ssl.certificate.location": str(pem),
        "ssl.key.location": str(pem),
        "ssl.key.password": CANARY,
    }
    assert access.registry(made(registry_ca_file=pem), "https://registry") == RegistryAccess(ca_file=pem)


@pytest.mark.parametrize(
    ("fields", "variable", "remedy"),
    [
        ({"kafka_username": "router"}, "KAFKA_USERNAME", "sasl_ssl"),
        ({"kafka_mechanism": "PLAIN"}, "KAFKA_MECHANISM", "sasl_ssl"),
        ({"kafka_security": "sasl_ssl"}, "KAFKA_MECHANISM", "SCRAM-SHA-512"),
        (SCRAM | {"kafka_password": None}, "KAFKA_PASSWORD", "needs it"),
        (SCRAM | {"kafka_password": ""}, "KAFKA_PASSWORD", "needs it"),
        (SCRAM | {"kafka_username": None}, "KAFKA_USERNAME", "needs it"),
        (SCRAM | {"kafka_token_url": "https://id"}, "KAFKA_TOKEN_URL", "OAUTHBEARER"),
        (OAUTH | {"kafka_token_url": None}, "KAFKA_TOKEN_URL", "endpoint"),
        (OAUTH | {"kafka_security": "sasl_plaintext"}, "KAFKA_SECURITY", "sasl_ssl"),
        (
            SCRAM | {"kafka_mechanism": "PLAIN", "kafka_security": "sasl_plaintext"},
            "KAFKA_SECURITY",
            "sasl_ssl",
        ),
        ({"kafka_ca_file": "/x.pem"}, "KAFKA_CA_FILE", "sasl_ssl"),
        ({"kafka_security": "ssl", "kafka_ca_file": "/no/such"}, "KAFKA_CA_FILE", "/no/such"),
        ({"kafka_security": "ssl", "kafka_certificate_file": "/x"}, "KAFKA_KEY_FILE", "CERTIFICATE_FILE"),
        ({"registry_username": "u"}, "REGISTRY_PASSWORD", "REGISTRY_USERNAME"),
        (
            {"registry_username": "u", "registry_password": "p", "registry_token": CANARY},
            "REGISTRY_USERNAME",
            "TOKEN",
        ),
        ({"registry_ca_file": "/x.pem"}, "REGISTRY_CA_FILE", "https"),
        (OPEN | {"registry_username": "u", "registry_password": CANARY}, "REGISTRY_PASSWORD", "https"),
        (OPEN | {"registry_token": CANARY}, "REGISTRY_TOKEN", "https"),
        ({"registry": "http://[", "registry_token": CANARY}, "REGISTRY_TOKEN", "https"),
        (OAUTH | {"kafka_token_url": "http://id.example.com/token"}, "KAFKA_TOKEN_URL", "https"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_variable_and_the_remedy(
    fields: Mapping[str, Any], variable: str, remedy: str
) -> None:
    wrong = made(**fields)
    with pytest.raises(ConfigurationError) as refused:
        access.kafka(wrong), access.registry(wrong, wrong.registry)
    assert refused.value.file == f"TOCSIN_{variable}"
    assert remedy in refused.value.reason
    assert CANARY not in str(refused.value)


def test_secrets_stand_in_no_repr_and_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(**SCRAM, registry_token=CANARY, kafka_options={"ssl.key.password": CANARY})
    assert CANARY not in repr(whole) + str(whole)
    with pytest.raises(KafkaException) as failed:
        clients.admin(whole.model_copy(update={"kafka_options": {"no.such.option": "x"}}))
    assert CANARY not in str(failed.value)
    monkeypatch.setenv("TOCSIN_KAFKA_SECURITY", CANARY)
    with pytest.raises(ConfigurationError, match="TOCSIN_KAFKA_SECURITY") as refused:
        settings.load()
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("TOCSIN_ALLOW_CIDRS", f"{CANARY}/8", "not JSON"),
        ("TOCSIN_PORTS", f"443,{CANARY}", "not JSON"),
        ("TOCSIN_PORTS", f'["{CANARY}"]', "valid integer"),
        ("TOCSIN_PARTITIONS_EARLIER", f"12,{CANARY}", "not JSON"),
        ("TOCSIN_KAFKA_OPTIONS", f"ssl.key.password={CANARY}", "not JSON"),
        ("TOCSIN_KAFKA_OPTIONS", f'{{"ssl.key.password": ["{CANARY}"]}}', "valid string"),
        ("TOCSIN_CONTROL_PORT", CANARY, "valid integer"),
        ("TOCSIN_GATEWAY_HELD_MAX_BYTES", CANARY, "valid integer"),
    ],
)
def test_malformed_setting_is_refused_by_its_variable_without_its_value(
    variable: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=reason) as refused:
        settings.load(), control_settings.load(), gateway_settings.load()
    assert refused.value.file == variable
    assert CANARY not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("name", ["kafka_password", "registry_token", "api_key", "ledger"])
def test_secret_is_read_from_the_file_that_its_variable_names(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{CANARY}\n")
    variable = f"{access.variable(name)}_FILE"
    assert settings.from_files({variable: str(file)})[name].get_secret_value() == CANARY
    with pytest.raises(ConfigurationError, match="both"):
        settings.from_files({variable: str(file), access.variable(name): "x"})
    with pytest.raises(ConfigurationError, match=variable):
        settings.from_files({variable: str(tmp_path / "none")})
    file.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        settings.from_files({variable: str(file)})


@pytest.mark.parametrize(
    ("fields", "header"),
    [
        ({}, None),
        ({"registry_username": "u", "registry_password": "p:q"}, "Basic dTpwOnE="),
        ({"registry_token": "t"}, "Bearer t"),
    ],
)
def test_registry_is_asked_with_the_credentials_that_are_set(
    fields: Mapping[str, str], header: str | None
) -> None:
    reached = access.registry(made(**fields), "https://registry")
    assert access.registry(made(**fields), "http://127.0.0.1:8081") == reached
    assert reached.authorization == header
    assert header is None or header not in repr(reached)


def clients_made(file: Path) -> Iterator[str]:
    """Yield the clients that a module makes itself."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in {"Producer", "Consumer", "AdminClient", "SchemaRegistryClient", "AIOProducer"}:
                yield name


def test_kafka_clients_are_made_in_one_place() -> None:
    """So no program, command or check can reach Kafka without the operator's settings."""
    found = {
        str(file.relative_to(ROOT)): sorted(set(names))
        for folder in ("tocsin", "consumers", "control", "producers", "deploy", "examples", "bench")
        for file in sorted((ROOT / folder).rglob("*.py"))
        if (names := list(clients_made(file)))
    }
    assert found == {
        "deploy/local/kafka.py": ["AdminClient"],  # whether the local broker answers at all
        # A service of somebody's, which has nothing of ours.
        "examples/publish_with_confluent_serializer.py": ["Producer", "SchemaRegistryClient"],
        "tocsin/kafka/clients.py": ["AdminClient", "Consumer", "Producer"],
    }
