"""`tocsin events`: which events there are, and what each one says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.cli import output
from tocsin.cli.failure import usage

if TYPE_CHECKING:
    from tocsin.wire.systems import EventType, System


def events(
    system: Annotated[str | None, typer.Argument(metavar="SYSTEM", help="Only this system's.")] = None,
    event_type: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="Show this one's fields and example.")
    ] = None,
    asyncapi: Annotated[
        bool, typer.Option("--asyncapi", help="Print an AsyncAPI 3 document of all topics.")
    ] = False,
    register: Annotated[
        bool,
        typer.Option(
            "--register",
            help="Register their schemas, for publishers whose serializers may not; show the subjects.",
        ),
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """List event types, or show one: its fields and an example."""
    from tocsin.cli.contracts import known_system, known_type
    from tocsin.wire import catalogue
    from tocsin.wire.systems import load_systems

    if asyncapi:
        if system is not None or register:
            raise usage("--asyncapi tells of all topics: name neither a system nor --register beside it")
        _document()
        return
    if system is not None and event_type is not None:
        if register:
            raise usage("--register is about all of a system's events: name no type beside it")
        chosen = known_system(system)
        _show(chosen, chosen.notices.get(event_type) or known_type(chosen, event_type), as_json)
        return
    loaded = load_systems()
    systems = [known_system(system)] if system is not None else [loaded[name] for name in loaded]
    if register:
        _register(systems, as_json)
        return
    rows = [(each, known) for each in systems for known in each.catalogue()]
    if as_json:
        output.json_document([catalogue.entry(each, known) for each, known in rows])
        return
    output.table(
        ("system", "event type", "version", "description"),
        [
            (
                output.styled(each.name, "cyan"),
                output.styled(known.name, "bold"),
                str(known.version),
                known.description,
            )
            for each, known in rows
        ],
        empty="this installation knows no events",
    )


def fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a record's fields for a reader: name, type in words, whether required, what it means."""
    return [
        {
            "name": field["name"],
            "type": type_name(field["type"]),
            "required": "default" not in field,
            "description": field.get("doc", ""),
        }
        for field in schema["fields"]
    ]


def type_name(node: Any) -> str:
    """Return an Avro type in words: `string`, `string or null`, `list of double`, `object of string`."""
    if isinstance(node, list):
        return " or ".join([type_name(each) for each in node if each != "null"] + ["null"] * ("null" in node))
    if not isinstance(node, dict):
        return str(node).rpartition(".")[2]
    if node["type"] == "array":
        return f"list of {type_name(node['items'])}"
    if node["type"] == "map":
        return f"object of {type_name(node['values'])}"
    if node["type"] == "record":
        return "object {" + ", ".join(field["name"] for field in node["fields"]) + "}"
    if node["type"] == "enum":
        return " | ".join(node["symbols"])
    return type_name(node["type"])


def _document() -> None:
    from importlib.metadata import version

    from tocsin import settings
    from tocsin.kafka import asyncapi
    from tocsin.kafka.topics import Topics
    from tocsin.wire.systems import load_systems

    topics = Topics(settings.load().topic_prefix)
    output.json_document(asyncapi.document(load_systems(), topics, version("tocsin")))


def _register(systems: list[System], as_json: bool) -> None:
    from tocsin import settings
    from tocsin.encoding import EventEncoder
    from tocsin.kafka.registry import Registry
    from tocsin.kafka.topics import Topics

    chosen = settings.load()
    registry, topics = Registry(chosen), Topics(chosen.topic_prefix)
    rows = [
        row
        for system in systems
        for row in EventEncoder(registry, topics.events(system.name), system).prepare().items()
    ]
    if as_json:
        output.json_document([{"subject": subject, "schema_id": schema_id} for subject, schema_id in rows])
        return
    output.table(
        ("subject", "schema id"),
        [(output.styled(subject, "cyan"), str(schema_id)) for subject, schema_id in rows],
        empty="this installation knows no events",
    )


def _show(system: System, known: EventType, as_json: bool) -> None:
    from tocsin.wire import catalogue

    described = fields(dict(known.schema))
    if as_json:
        output.json_document(catalogue.entry(system, known) | {"record": known.fullname, "fields": described})
        return
    import orjson

    out = output.console()
    out.print(
        output.styled(f"{known.name}  ", "bold"),
        output.styled(f"{system.title}, {known.fullname}, version {known.version}", "dim"),
        sep="",
    )
    out.print(output.styled(known.description))
    out.print()
    output.table(
        ("field", "type", "required", "meaning"),
        [
            (
                output.styled(field["name"], "cyan"),
                field["type"],
                "yes" if field["required"] else "",
                field["description"],
            )
            for field in described
        ],
        empty="it has no fields",
    )
    out.print()
    out.print(output.styled("Example", "bold"))
    print(orjson.dumps(dict(known.example), option=orjson.OPT_INDENT_2).decode())
