"""Kubernetes resources as they are printed: YAML, for `kubectl apply -f -`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

Cluster = Annotated[
    str, typer.Option(metavar="NAME", help="The Kafka resource that they belong to, for --format strimzi.")
]


def show(resources: Iterable[dict[str, Any]]) -> None:
    """Print resources, each as a document of its own."""
    for resource in resources:
        print("---")
        for line in yaml_lines(resource):
            print(line)


def yaml_lines(value: Any, indent: str = "") -> Iterator[str]:
    """Yield a document of objects, lists, strings and numbers as YAML; strings are quoted as in JSON, which is YAML."""
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(each, dict | list) and each:
                yield f"{indent}{key}:"
                yield from yaml_lines(each, indent + "  ")
            else:
                yield f"{indent}{key}: {json.dumps(each)}"
    else:
        for each in value:
            if not isinstance(each, dict):
                yield f"{indent}- {json.dumps(each)}"
                continue
            first, *rest = yaml_lines(each, indent + "  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
