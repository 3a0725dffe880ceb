"""`tocsin topics acls`: who may do what in Kafka."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import manifest, output
from tocsin.cli.failure import usage

if TYPE_CHECKING:
    from tocsin.kafka.permissions import Grant, Rule

_TOOL: Final = "kafka-acls.sh --bootstrap-server $KAFKA --command-config admin.properties --add"


class Format(StrEnum):
    """How access control lists are shown."""

    TABLE = "table"
    KAFKA_ACLS = "kafka-acls"
    STRIMZI = "strimzi"


class Authentication(StrEnum):
    """How a user that Strimzi makes proves who it is."""

    SCRAM = "scram-sha-512"
    TLS = "tls"


def acls(
    program: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one. May be repeated.")
    ] = None,
    format: Annotated[Format, typer.Option(help="For people, or for what keeps the cluster.")] = (
        Format.TABLE
    ),
    principal: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="How principals are named; {program} stands for the program."),
    ] = None,
    authentication: Annotated[
        Authentication, typer.Option(help="Of the users, for --format strimzi.")
    ] = Authentication.SCRAM,
    cluster: manifest.Cluster = "kafka",
    as_json: output.AsJson = False,
) -> None:
    """Show what each program may do in Kafka, as little as it works with: one principal for each. Asks no broker.

    The brokers must deny what no list allows: a standard authorizer, and allow.everyone.if.no.acl.found=false.
    """
    grants = _chosen(program)
    name = _naming(principal)
    if format is Format.STRIMZI:
        from tocsin.kafka import strimzi

        # The operator itself names the principal, after the resource.
        manifest.show(
            strimzi.user(
                grant,
                cluster=cluster,
                name=_naming(None)(grant.program).removeprefix("User:"),
                authentication=authentication.value,
            )
            for grant in grants
        )
    elif format is Format.KAFKA_ACLS:
        for grant in grants:
            print(f"# {grant.program}: {grant.permission.purpose}")
            for rule in grant.rules:
                print(command(rule, name(grant.program)))
    elif as_json:
        output.json_document([_document(grant, name(grant.program)) for grant in grants])
    else:
        _show(grants)


def command(rule: Rule, principal: str) -> str:
    """Return the command of Kafka's own tool that adds a rule."""
    operations = " ".join(f"--operation {operation}" for operation in rule.operations)
    pattern = {"literal": "literal", "prefix": "prefixed"}[rule.pattern]
    return (
        f"{_TOOL} --allow-principal {shlex.quote(principal)} {operations} --{rule.resource} {shlex.quote(rule.name)} "
        f"--resource-pattern-type {pattern}"
    )


def _chosen(programs: Sequence[str] | None) -> list[Grant]:
    from tocsin import settings
    from tocsin.cli.contracts import unknown
    from tocsin.kafka import permissions
    from tocsin.kafka.topics import Topics
    from tocsin.wire.systems import load_systems

    grants = permissions.grants(Topics(settings.load().topic_prefix), load_systems())
    known = {grant.program: grant for grant in grants}
    for name in programs or ():
        if name not in known:
            raise unknown("program", name, known)
    return [known[name] for name in programs] if programs else grants


def _naming(template: str | None) -> Callable[[str], str]:
    from tocsin import settings

    chosen = template if template is not None else f"User:{settings.load().topic_prefix}-{{program}}"
    if "{program}" not in chosen:
        raise usage("--principal has to say where the program's name stands: {program}")
    return lambda program: chosen.replace("{program}", program)


def _document(grant: Grant, principal: str) -> dict[str, Any]:
    return {
        "program": grant.program,
        "principal": principal,
        "acls": [
            {
                "resource": rule.resource,
                "name": rule.name,
                "pattern": rule.pattern,
                "operations": list(rule.operations),
            }
            for rule in grant.rules
        ],
    }


def _show(grants: Sequence[Grant]) -> None:
    def starred(rule: Rule) -> str:
        return rule.name + ("*" if rule.pattern == "prefix" else "")

    output.table(
        ("program", "on", "name", "may"),
        [
            (
                output.styled(grant.program if number == 0 else "", "cyan"),
                rule.resource,
                starred(rule),
                ", ".join(rule.operations),
            )
            for grant in grants
            for number, rule in enumerate(grant.rules)
        ],
        empty="no programs",
    )
