"""The schema registry: registering with a compatibility rule, and looking up by id.

Speaks the Confluent API, which Apicurio serves too. Answers are cached for good: an id never changes its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from tocsin import access
from tocsin.errors import ConfigurationError, RegistryUnavailable, Undecodable
from tocsin.kafka.registry_http import RegistryHttp, RegistrySaidNo
from tocsin.settings import Settings

JsonSchema = Mapping[str, Any]
Patiently = Callable[[Callable[[], int]], int]

BACKWARD: Final = "BACKWARD_TRANSITIVE"
"""Old bytes live for weeks in delay and dead-letter topics: new readers must read every old version."""
FULL: Final = "FULL_TRANSITIVE"
"""Tables are read by programs older than their writer, too."""


class Registry:
    """The schema registry of an installation.

    Args:
        settings: Where its Confluent-compatible API is, and who asks.
        timeout_s: Bound on one request.
        patiently: How registering waits for a registry that does not answer, such as `Stop.patiently`; it does not
            when None.
    """

    def __init__(
        self, settings: Settings, timeout_s: float = 5.0, *, patiently: Patiently | None = None
    ) -> None:
        self._patiently: Patiently = patiently or (lambda ask: ask())
        url = settings.registry
        self._http = RegistryHttp(url, timeout_s, access.registry(settings, url))
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
        self._set_rule(subject, compatibility)
        wanted = {"schema": json.dumps(schema), "schemaType": "AVRO"}
        try:
            answer = self._http.ask("POST", "subjects", subject, "versions", body=wanted)
        except RegistrySaidNo as error:
            raise ConfigurationError(subject, "", f"the registry refuses this schema: {error}") from error
        schema_id = int(answer["id"])
        self._by_id[schema_id] = dict(schema)
        return schema_id

    def ping(self) -> None:
        """Ask for a schema that nobody has: only its storage knows; RegistryUnavailable without an answer."""
        with suppress(RegistrySaidNo):
            self._http.ask("GET", "schemas", "ids", "0")

    def schema(self, schema_id: int) -> dict[str, Any]:
        """Return the schema with this id.

        Raises:
            Undecodable: No schema has this id, or none of a record in Avro.
            RegistryUnavailable: No answer.
        """
        known = self._by_id.get(schema_id)
        if known is None:
            known = self._by_id[schema_id] = self._look_up(f"schema id {schema_id}", "ids", str(schema_id))
        return known

    def schema_by_guid(self, guid: str) -> dict[str, Any]:
        """Return the schema with this GUID; raises as `schema` does."""
        known = self._by_guid.get(guid)
        if known is None:
            known = self._by_guid[guid] = self._look_up(f"schema GUID {guid}", "guids", guid)
        return known

    def _look_up(self, what: str, kind: str, key: str) -> dict[str, Any]:
        try:
            found = self._http.ask("GET", "schemas", kind, key)
        except RegistrySaidNo as error:
            raise Undecodable(f"unknown {what}: {error}") from error
        if found.get("schemaType", "AVRO") != "AVRO":
            raise Undecodable(f"{what} is {found['schemaType']}, not Avro")
        if not isinstance(found.get("schema"), str):
            raise RegistryUnavailable(f"the registry answered without a schema for {what}")
        try:
            parsed = json.loads(found["schema"])
        except (ValueError, RecursionError) as error:
            raise Undecodable(f"{what} is not JSON") from error
        if not isinstance(parsed, dict):
            raise Undecodable(f"{what} is not a record")
        return parsed

    def _set_rule(self, subject: str, compatibility: str) -> None:
        if self.rule(subject) == compatibility:
            return
        try:
            self._http.ask("PUT", "config", subject, body={"compatibility": compatibility})
        except RegistrySaidNo as error:
            # Another process that starts at this moment was quicker.
            if self.rule(subject) != compatibility:
                raise ConfigurationError(subject, "compatibility", f"cannot be set: {error}") from error

    def rule(self, subject: str) -> str | None:
        """Return a subject's compatibility rule, or None if it has none of its own; raises as `ping`."""
        try:
            answer = self._http.ask("GET", "config", subject)
        except RegistrySaidNo:
            return None
        return str(answer.get("compatibilityLevel") or answer.get("compatibility"))
