"""What the OpenAPI document says of answers and bodies that the framework does not see."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel

from tocsin.http.problems import MEDIA_TYPE, ProblemDocument

ALWAYS: Final = (400, 401, 403, 429, 503)
"""What any route may answer."""
_PROBLEM: Final = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
BODY: Final = (408, 413, 415)
"""What besides a route may answer that takes a body."""


def problems(*statuses: int | str) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of answers that are problem documents."""
    # "default" also keeps the framework from documenting a 422 that is never answered.
    return {status: {"model": ProblemDocument} for status in ("default", *statuses)}


def told(document: dict[str, Any]) -> dict[str, Any]:
    """Return an app's document with problem documents under their media type: the framework knows one for all answers."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {})
                if content.get("application/json", {}).get("schema") == _PROBLEM:
                    answer["content"] = {MEDIA_TYPE: content["application/json"]}
    return document


def body(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the documentation of a body that is read by hand."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON schema, those of nested models in their places: a reference would lead nowhere."""
    whole = model.model_json_schema()
    known = whole.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(
                known[node["$ref"].rpartition("/")[2]] | {k: v for k, v in node.items() if k != "$ref"}
            )
        return {name: resolved(value) for name, value in node.items()}

    found: dict[str, Any] = resolved(whole)
    return found
