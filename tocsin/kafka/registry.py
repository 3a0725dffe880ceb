"""The schema registry: registering with a compatibility rule, and looking up by id.

Speaks the Confluent API, which Apicurio serves too. Answers are cached for good: an id never changes its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tocsin.errors import ConfigurationError, RegistryUnavailable, Undecodable

JsonSchema = Mapping[str, Any]
Patiently = Callable[[Callable[[], int]], int]

BACKWARD: Final = "BACKWARD_TRANSITIVE"
"""Old bytes live for weeks in delay and dead-letter topics: new readers must read every old version."""
FULL: Final = "FULL_TRANSITIVE"
"""Tables are read by programs older than their writer, too."""

_NOT_FOUND = 404
_INCOMPATIBLE = 409


class Registry:
    """A schema registry at one address.

    Args:
        url: Base address of the Confluent-compatible API.
        timeout_s: Bound on one request.
        patiently: How registering waits for a registry that does not answer, such as `Stop.patiently`; it does not
            when None.
    """

    def __init__(self, url: str, timeout_s: float = 5.0, *, patiently: Patiently | None = None) -> None:
        from confluent_kafka.schema_registry import SchemaRegistryClient

        self.url = url
        self._patiently: Patiently = patiently or (lambda ask: ask())
        self._client = SchemaRegistryClient({"url": url, "timeout": timeout_s, "max.retries": 0})
        self._by_id: dict[int, dict[str, Any]] = {}
        self._by_guid: dict[str, dict[str, Any]] = {}

    def register(self, subject: str, schema: JsonSchema, compatibility: str = BACKWARD) -> int:
        """Make sure that `subject` has the rule and the schema, and return the schema's id.

        Raises:
            ConfigurationError: The registry refuses the schema as incompatible with an earlier version.
            RegistryUnavailable: No answer.
        """
        return self._patiently(lambda: self._register(subject, schema, compatibility))

    def _register(self, subject: str, schema: JsonSchema, compatibility: str) -> int:
        from confluent_kafka.schema_registry import Schema

        self._set_rule(subject, compatibility)
        try:
            schema_id = self._ask(
                self._client.register_schema, subject, Schema(json.dumps(schema), schema_type="AVRO")
            )
        except _RegistrySaidNo as error:
            raise ConfigurationError(subject, "", f"the registry refuses this schema: {error}") from error
        self._by_id[schema_id] = dict(schema)
        return int(schema_id)

    def ping(self) -> None:
        """Ask for anything; RegistryUnavailable without an answer."""
        self._ask(self._client.get_subjects)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def schema(self, schema_id: int) -> dict[str, Any]:
        """Return the schema with this id.

        Raises:
            Undecodable: No schema has this id.
            RegistryUnavailable: No answer.
        """
        known = self._by_id.get(schema_id)
        if known is None:
            known = self._by_id[schema_id] = self._look_up(
                f"schema id {schema_id}", self._client.get_schema, schema_id
            )
        return known

    def schema_by_guid(self, guid: str) -> dict[str, Any]:
        """Return the schema with this GUID; raises as `schema` does."""
        known = self._by_guid.get(guid)
        if known is None:
            known = self._by_guid[guid] = self._look_up(
                f"schema GUID {guid}", self._client.get_schema_by_guid, guid
            )
        return known

    def _look_up(self, what: str, method: Any, key: int | str) -> dict[str, Any]:
        try:
            found = self._ask(method, key)
        except _RegistrySaidNo as error:
            raise Undecodable(f"unknown {what}: {error}") from error
        if found.schema_type not in (None, "AVRO"):
            raise Undecodable(f"{what} is {found.schema_type}, not Avro")
        parsed: dict[str, Any] = json.loads(found.schema_str)
        return parsed

    def _set_rule(self, subject: str, compatibility: str) -> None:
        from confluent_kafka.schema_registry import ConfigCompatibilityLevel, ServerConfig

        if self.rule(subject) == compatibility:
            return
        try:
            config = ServerConfig(compatibility=ConfigCompatibilityLevel(compatibility))
            self._ask(self._client.set_config, subject, config)
        except _RegistrySaidNo as error:
            # Another process that starts at this moment was quicker.
            if self.rule(subject) != compatibility:
                raise ConfigurationError(subject, "compatibility", f"cannot be set: {error}") from error

    def rule(self, subject: str) -> str | None:
        """Return a subject's compatibility rule, or None if it has none of its own; raises as `ping`."""
        try:
            config = self._ask(self._client.get_config, subject)
        except _RegistrySaidNo:
            return None
        rule = config.compatibility_level or config.compatibility
        return str(getattr(rule, "value", rule))

    def _ask(self, method: Any, *args: Any) -> Any:
        import httpx
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return method(*args)
        except SchemaRegistryError as error:
            if error.http_status_code in (_NOT_FOUND, _INCOMPATIBLE, 422):
                raise _RegistrySaidNo(error.error_message) from error
            raise RegistryUnavailable(f"{self.url} answered {error.http_status_code}") from error
        except Exception as error:
            # The client carries its own copy of httpx under a changing name; a transport error of either is meant.
            if isinstance(error, httpx.TransportError) or type(error).__module__.startswith("httpx"):
                raise RegistryUnavailable(f"{self.url} does not answer: {error}") from error
            raise


class _RegistrySaidNo(Exception):
    """The registry answered, and the answer is no."""
