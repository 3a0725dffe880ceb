"""Contracts keep the promise they made: today's schemas read what was ever written with a released one.

`tests/data/released/<version>.json` holds every schema as it was released. It is added to at a release and never
changed: `python -m tests.harness.release VERSION` writes it.
"""

from __future__ import annotations

import copy
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.harness import release
from tocsin.errors import ConfigurationError
from tocsin.kafka import pipeline
from tocsin.kafka.registry import BACKWARD, FULL, Registry
from tocsin.settings import Settings

RELEASES = sorted((Path(__file__).parents[1] / "data" / "released").glob("*.json"))
CURRENT = release.schemas()


@pytest.fixture(scope="module")
def registry(stack: Stack) -> Registry:
    return Registry(Settings(_env_file=None, registry=stack.registry))  # type: ignore[call-arg]


def rule(name: str) -> str:
    """Return the compatibility rule of a contract: tables keep the strict one."""
    folder, _, record = name.partition("/")
    return pipeline.RECORDS[record].compatibility if folder == "pipeline" else BACKWARD  # type: ignore[index]


@pytest.mark.parametrize("name", sorted(CURRENT))
def test_schema_is_compatible_with_every_release(registry: Registry, name: str) -> None:
    subject = f"test.{uuid.uuid4().hex[:8]}-{name.replace('/', '.')}"
    for path in RELEASES:
        released = json.loads(path.read_text())
        if name in released:
            registry.register(subject, released[name], rule(name))
    registry.register(subject, CURRENT[name], rule(name))


def test_no_released_schema_has_gone() -> None:
    released = {name for path in RELEASES for name in json.loads(path.read_text())}
    assert RELEASES
    assert released - CURRENT.keys() == set()


@pytest.mark.parametrize("kind", [BACKWARD, FULL])
def test_incompatible_change_is_refused_naming_the_subject(registry: Registry, kind: str) -> None:
    """The guard itself works: this is what the test above would say."""
    subject = f"test.{uuid.uuid4().hex[:8]}"
    schema = dict(CURRENT["pipeline/subscription"])
    registry.register(subject, schema, kind)
    with pytest.raises(ConfigurationError, match=subject):
        registry.register(subject, changed(schema), kind)


def changed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with one more field that old records do not have."""
    broken = copy.deepcopy(schema)
    broken["fields"].append({"name": "must_be_there", "type": "string"})
    return broken


def test_table_schemas_are_registered_under_the_strict_rule() -> None:
    assert {name for name, placed in pipeline.RECORDS.items() if placed.compatibility == FULL} == {
        "subscription",
        "endpoint_health",
        "api_key",
    }
