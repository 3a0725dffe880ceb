"""The Kubernetes API's own types, generated from its OpenAPI document, as a check without a cluster."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Final

import msgspec

_MODULES: Final = {
    "ConfigMap": "core_v1",
    "Deployment": "apps_v1",
    "Job": "batch_v1",
    "NetworkPolicy": "networking_v1",
    "PodDisruptionBudget": "policy_v1",
    "Service": "core_v1",
}


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """What the generated classes inherit from: a name that the API does not have is refused, not passed over."""


def check(resource: Mapping[str, Any]) -> bool:
    """Return whether the API itself knows this kind of resource; msgspec.ValidationError if it would refuse this one."""
    module = _MODULES.get(resource["kind"])
    if module is None:
        return False
    _provide_schema()
    model = getattr(importlib.import_module(f"lightkube.models.{module}"), resource["kind"])
    msgspec.convert(resource, model)
    return True


def _provide_schema() -> None:
    """Stand in for the client that the generated classes usually come with: only its three names are wanted."""
    schema = ModuleType("lightkube.core.schema")
    vars(schema).update(DictMixin=_Strict, dataclass=lambda made: made, field=_field)
    sys.modules.setdefault("lightkube.core", ModuleType("lightkube.core"))
    sys.modules.setdefault(schema.__name__, schema)


def _field(metadata: Mapping[str, str], default: Any = msgspec.NODEFAULT) -> Any:
    return msgspec.field(name=metadata["json"], default=default)
