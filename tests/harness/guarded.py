"""A Kafka of a test's own that lets nobody in unknown and nobody do what no list allows, as in production.

The straight way stays open to the test itself, as the superuser; programs come by TLS with SASL, or with certificates.
"""

from __future__ import annotations

import base64
import datetime
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.authority import Authority
from deploy.local.kafka import Kafka, properties
from deploy.local.settings import HOST, LocalSettings
from tests.harness.installation import free_port

_PREFIX: Final = "listener.name"
_SECURITY: Final = "org.apache.kafka.common.security"
_OPERATIONS: Final = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


@dataclass(slots=True)
class Guarded:
    """The broker.

    Attributes:
        kafka: The superuser's way in, which asks for nothing.
        sasl: Where SASL over TLS is spoken: SCRAM-SHA-512, PLAIN (user `plain`, password `plain`), OAUTHBEARER with
            unsigned tokens.
        mutual: Where a certificate is asked for.
        authority: Signs the broker's certificate.
        certificate: The one that the broker trusts, with its key beside it, `client.key`: `CN=tocsin-router`.
        passwords: User to password, of those made by `grant`.
    """

    kafka: str
    sasl: str
    mutual: str
    authority: Authority
    certificate: Path
    passwords: dict[str, str]

    def environment(self, user: str) -> dict[str, str]:
        """Return the settings with which a program comes in as `user`."""
        return {
            "TOCSIN_KAFKA": self.sasl,
            "TOCSIN_KAFKA_SECURITY": "sasl_ssl",
            "TOCSIN_KAFKA_MECHANISM": "SCRAM-SHA-512",
            "TOCSIN_KAFKA_USERNAME": user,
            "TOCSIN_KAFKA_PASSWORD": self.passwords[user],
            "TOCSIN_KAFKA_CA_FILE": str(self.authority.ca_file),
        }

    def grant(self, lists: Iterable[Mapping[str, Any]]) -> None:
        """Make a user with a password for each list that `tocsin topics acls --json` shows, and allow it that."""
        admin = AdminClient({"bootstrap.servers": self.kafka})
        bindings: list[AclBinding] = []
        users: list[UserScramCredentialAlteration] = []
        for each in lists:
            user = each["principal"].removeprefix("User:")
            self.passwords[user] = secrets.token_hex(16)
            info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
            users.append(UserScramCredentialUpsertion(user, info, self.passwords[user].encode()))
            bindings += [
                _binding(rule, operation, each["principal"])
                for rule in each["acls"]
                for operation in rule["operations"]
            ]
        for future in (
            *admin.alter_user_scram_credentials(users).values(),
            *admin.create_acls(bindings).values(),
        ):
            future.result()


@contextmanager
def guarded(home: Path, lib: Path) -> Iterator[Guarded]:
    """Run it with fresh data.

    Args:
        home: Where its data lies.
        lib: Downloads of the local stack.
    """
    home.mkdir(parents=True)
    (home / "lib").symlink_to(lib)
    settings = LocalSettings(home=home, kafka_port=free_port(), kafka_controller_port=free_port())  # type: ignore[call-arg]
    authority = Authority(home / "tls")
    authority.ensure(datetime.datetime.now(datetime.UTC))
    made = Guarded(
        settings.kafka, f"{HOST}:{free_port()}", f"{HOST}:{free_port()}", authority, _certificate(home), {}
    )
    broker = Kafka(settings, overrides=_overrides(properties(settings), made))
    try:
        broker.start()
        yield made
    finally:
        broker.kill()


def _overrides(usual: Mapping[str, str], made: Guarded) -> dict[str, str]:
    trusted = made.certificate.with_name("trusted.pem")
    trusted.write_bytes(made.authority.ca_file.read_bytes() + made.certificate.read_bytes())
    store = {"ssl.keystore.type": "PEM", "ssl.truststore.type": "PEM"} | {
        "ssl.keystore.location": str(made.authority.server_file),
        "ssl.truststore.location": str(trusted),
    }
    sasl = f"{_PREFIX}.sasl"
    return {
        **store,
        "listeners": f"{usual['listeners']},SASL://{made.sasl},MUTUAL://{made.mutual}",
        "advertised.listeners": f"{usual['advertised.listeners']},SASL://{made.sasl},MUTUAL://{made.mutual}",
        "listener.security.protocol.map": f"{usual['listener.security.protocol.map']},SASL:SASL_SSL,MUTUAL:SSL",
        f"{_PREFIX}.mutual.ssl.client.auth": "required",
        f"{sasl}.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN,OAUTHBEARER",
        f"{sasl}.scram-sha-512.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
        f"{sasl}.plain.sasl.jaas.config": (
            f'{_SECURITY}.plain.PlainLoginModule required username="plain" password="plain" user_plain="plain";'
        ),
        f"{sasl}.oauthbearer.sasl.jaas.config": (
            f'{_SECURITY}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        ),
        # With the local stack's haste the controller takes its broker for dead on a machine that has other work.
        "broker.session.timeout.ms": "9000",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": "User:ANONYMOUS",
    }


def _certificate(folder: Path) -> Path:
    """Make a certificate that a program shows, signed by itself, and return its file; the key lies beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tocsin-router")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "client.pem"
    file.write_bytes(certificate.public_bytes(pem))
    file.with_suffix(".key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


def _binding(rule: Mapping[str, Any], operation: str, principal: str) -> AclBinding:
    pattern = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}[
        rule["pattern"]
    ]
    kind = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}[rule["resource"]]
    return AclBinding(
        kind, rule["name"], pattern, principal, "*", _OPERATIONS[operation], AclPermissionType.ALLOW
    )


def unsigned_token(subject: str, now_s: int, valid_s: int = 600) -> str:
    """Return a token as an identity provider would issue it, but for the signature, which this broker does not want."""

    def part(claims: Mapping[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part({'sub': subject, 'iat': now_s, 'exp': now_s + valid_s})}."
