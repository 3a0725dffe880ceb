"""How a program reaches Kafka and the schema registry, and proves who it is: settings, and what clients make of them.

The functions are pure but for looking whether a named file is there. A combination that cannot work, or would send a
password in the clear, is refused at start by the variable at fault; no message and no `repr` holds a secret.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

from tocsin.errors import ConfigurationError

Protocol = Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

_READABLE: Final = frozenset({"PLAIN", "OAUTHBEARER"})
"""Mechanisms that hand the secret over as it is; SCRAM only proves to know it."""


class Access(BaseSettings):
    """Settings about transport and identity. Every secret may be in a file instead: `<variable>_FILE` names it."""

    kafka_security: Protocol = Field("plaintext", description="TLS, SASL, both or neither.")
    kafka_mechanism: Mechanism | None = Field(None, description="How SASL proves who the program is.")
    kafka_username: str | None = Field(None, description="User; with OAUTHBEARER the client id.")
    kafka_password: SecretStr | None = Field(
        None, description="Its password; with OAUTHBEARER the client secret."
    )
    kafka_token_url: str | None = Field(None, description="Where OAUTHBEARER gets its tokens (OIDC).")
    kafka_token_scope: str | None = Field(None, description="Scope of these tokens.")
    kafka_ca_file: Path | None = Field(None, description="Authorities of the brokers' certificates, PEM.")
    kafka_certificate_file: Path | None = Field(None, description="The program's own certificate, PEM.")
    kafka_key_file: Path | None = Field(None, description="The certificate's private key, PEM.")
    kafka_key_password: SecretStr | None = Field(None, description="What opens the private key.")
    kafka_options: dict[str, str] = Field(
        default_factory=dict, repr=False, description="Further librdkafka options of every client, as JSON."
    )
    registry_username: str | None = Field(None, description="User at the registry (basic authentication).")
    registry_password: SecretStr | None = Field(None, description="Its password.")
    registry_token: SecretStr | None = Field(None, description="Bearer token for the registry.")
    registry_ca_file: Path | None = Field(None, description="Authorities of the registry's certificate, PEM.")
    registry_certificate_file: Path | None = Field(None, description="The program's certificate for it, PEM.")
    registry_key_file: Path | None = Field(None, description="The certificate's private key, PEM.")


def kafka(access: Access) -> dict[str, str]:
    """Return the librdkafka options of a connection.

    Raises:
        ConfigurationError: The settings do not go together, or a file is not there.
    """
    _check_kafka(access)
    return {
        "security.protocol": access.kafka_security,
        **_sasl(access),
        **_given(
            {
                "ssl.ca.location": access.kafka_ca_file,
                "ssl.certificate.location": access.kafka_certificate_file,
                "ssl.key.location": access.kafka_key_file,
                "ssl.key.password": _shown(access.kafka_key_password),
            }
        ),
        **access.kafka_options,
    }


@dataclass(frozen=True, slots=True)
class RegistryAccess:
    """Who asks the registry, and whom it is trusted to be.

    Attributes:
        authorization: Value of the `Authorization` header.
        ca_file: Authorities of its certificate; the machine's own when None.
        certificate_file: The program's own certificate.
        key_file: The certificate's private key.
    """

    authorization: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


def registry(access: Access, url: str) -> RegistryAccess:
    """Return how the registry is reached; raises as `kafka`."""
    _check_registry(access, url)
    return RegistryAccess(
        _authorization(access),
        access.registry_ca_file,
        access.registry_certificate_file,
        access.registry_key_file,
    )


def _authorization(access: Access) -> str | None:
    if access.registry_token is not None:
        return f"Bearer {_shown(access.registry_token)}"
    if access.registry_username is not None:
        pair = f"{access.registry_username}:{_shown(access.registry_password)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return None


def _sasl(access: Access) -> dict[str, str]:
    if access.kafka_mechanism != "OAUTHBEARER":
        return _given(
            {
                "sasl.mechanism": access.kafka_mechanism,
                "sasl.username": access.kafka_username,
                "sasl.password": _shown(access.kafka_password),
            }
        )
    return _given(
        {
            "sasl.mechanism": access.kafka_mechanism,
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.token.endpoint.url": access.kafka_token_url,
            "sasl.oauthbearer.client.id": access.kafka_username,
            "sasl.oauthbearer.client.secret": _shown(access.kafka_password),
            "sasl.oauthbearer.scope": access.kafka_token_scope,
            "https.ca.location": access.kafka_ca_file,
        }
    )


def _check_kafka(access: Access) -> None:
    sasl, tls = access.kafka_security.startswith("sasl"), access.kafka_security.endswith("ssl")
    mechanism = access.kafka_mechanism
    require = _Requiring(access)
    if not sasl:
        for name in ("kafka_mechanism", "kafka_username", "kafka_password", "kafka_token_url"):
            require.absent(name, "is for SASL: set TOCSIN_KAFKA_SECURITY to sasl_ssl")
    else:
        require.present("kafka_mechanism", "is missing: SASL needs PLAIN, SCRAM-SHA-512 or OAUTHBEARER")
        if mechanism in _READABLE and not tls:
            require.fail("kafka_security", f"{mechanism} would show its secret to the network: use sasl_ssl")
        for name in ("kafka_username", "kafka_password"):
            require.present(name, f"is missing: {mechanism} needs it")
        if mechanism == "OAUTHBEARER":
            require.present("kafka_token_url", "is missing: the token endpoint of the identity provider")
            require.private("kafka_token_url", access.kafka_token_url or "")
        else:
            require.absent("kafka_token_url", f"is for OAUTHBEARER, not for {mechanism}")
    for name in ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file", "kafka_key_password"):
        if not tls:
            require.absent(name, "is for TLS: set TOCSIN_KAFKA_SECURITY to ssl or sasl_ssl")
    require.pair("kafka_certificate_file", "kafka_key_file")
    require.files("kafka_ca_file", "kafka_certificate_file", "kafka_key_file")


def _check_registry(access: Access, url: str) -> None:
    require = _Requiring(access)
    require.pair("registry_username", "registry_password")
    require.pair("registry_certificate_file", "registry_key_file")
    if access.registry_token is not None:
        require.absent("registry_username", "and TOCSIN_REGISTRY_TOKEN exclude each other: take one away")
    for name in ("registry_password", "registry_token"):
        require.private(name, url)
    if not url.startswith("https:"):
        for name in ("registry_ca_file", "registry_certificate_file"):
            require.absent(name, "is for TLS, and TOCSIN_REGISTRY is no https address")
    require.files("registry_ca_file", "registry_certificate_file", "registry_key_file")


class _Requiring:
    """Looks at the settings by name, so that a complaint names the variable."""

    def __init__(self, access: Access) -> None:
        self._value: Callable[[str], Any] = lambda name: getattr(access, name)

    def fail(self, name: str, reason: str) -> None:
        raise ConfigurationError(variable(name), "", reason)

    def present(self, name: str, reason: str) -> None:
        if not _shown(self._value(name)):
            self.fail(name, reason)

    def absent(self, name: str, reason: str) -> None:
        if self._value(name) is not None:
            self.fail(name, reason)

    def private(self, name: str, url: str) -> None:
        """Fail where a setting would have a secret sent to `url` in the clear, off this machine."""
        if self._value(name) is not None and not url.startswith("https:") and not _is_here(url):
            self.fail(name, "would send a secret over an open line: its address has to be https")

    def pair(self, one: str, other: str) -> None:
        for name, partner in ((one, other), (other, one)):
            if self._value(partner) is not None:
                self.present(name, f"is missing: {variable(partner)} is of no use alone")

    def files(self, *names: str) -> None:
        for name in names:
            path = self._value(name)
            if path is not None and not path.is_file():
                self.fail(name, f"{path} is no file that can be read")


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"TOCSIN_{name.upper()}"


def _is_here(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _given(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in options.items() if value is not None}
