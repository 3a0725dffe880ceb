"""`tocsin topics`: making the topics of an installation, and who may do what with them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tocsin.cli import acls, manifest, output

if TYPE_CHECKING:
    from tocsin.kafka.topics import TopicSpec
    from tocsin.settings import Settings

app = typer.Typer(no_args_is_help=True)


class Format(StrEnum):
    """How topics are shown."""

    TABLE = "table"
    STRIMZI = "strimzi"


@app.callback()
def topics() -> None:
    """The topics of an installation, and who may do what with them."""


@app.command(epilog="Example: TOCSIN_PARTITIONS=64 TOCSIN_REPLICATION=3 tocsin topics create")
def create(as_json: output.AsJson = False) -> None:
    """Make the topics that are missing, and leave the others as they are.

    Programs do that too when they start, unless TOCSIN_CREATE_TOPICS=false: then they need no permission for it, and
    wait for their topics. TOCSIN_PARTITIONS and TOCSIN_REPLICATION count at this moment alone; `grow` changes the first.
    """
    from tocsin.cli.cluster import Cluster
    from tocsin.kafka import topics
    from tocsin.wire.systems import load_systems

    cluster = Cluster()
    created = sorted(topics.ensure(cluster.settings, load_systems()))
    if as_json:
        output.json_document(created)
    else:
        for name in created:
            print(name)
        output.notice(f"{len(created)} topics made" if created else "every topic is there")


@app.command(epilog="Example: tocsin topics grow 64")
def grow(
    partitions: Annotated[int, typer.Argument(min=1, max=1024, help="How many each topic gets.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Give topics more partitions, for more processes; docs/upgrades.md has the whole procedure.

    Router, delivery, delay and replay have to be stopped, each by itself: what one that was killed wrote last would be
    written again, to another partition, where nobody knows that it was sent. Publishing may go on.
    """
    from tocsin.cli import counting
    from tocsin.cli.cluster import Cluster
    from tocsin.kafka import growth
    from tocsin.wire.systems import load_systems

    settings = Cluster().settings
    planned = growth.plan(settings, load_systems(), partitions)
    if planned.before:
        growth.require_stopped(settings)
        question = f"Give {len(planned.before)} topics {partitions} partitions? It cannot be taken back."
        counting.agree(question, "without a terminal to ask on, say --yes", yes=yes)
        growth.carry_out(settings, planned)
    if as_json:
        output.json_document({"partitions": partitions, "before": dict(planned.before)})
        return
    output.table(
        ("topic", "partitions before", "now"),
        [(name, str(size), str(partitions)) for name, size in planned.before.items()],
        empty="every topic has so many",
    )
    if planned.before:
        earlier = ",".join(str(size) for size in sorted({*planned.earlier, *settings.partitions_earlier}))
        output.notice(
            f"now set TOCSIN_PARTITIONS={partitions} and TOCSIN_PARTITIONS_EARLIER=[{earlier}] everywhere, and start"
        )


@app.command(
    "list", epilog="Example: tocsin topics list --format strimzi --cluster events | kubectl apply -f -"
)
def list_(
    format: Annotated[Format, typer.Option(help="For people, or for what keeps the cluster.")] = (
        Format.TABLE
    ),
    cluster: manifest.Cluster = "kafka",
    as_json: output.AsJson = False,
) -> None:
    """List the topics of an installation as they are made: partitions and configuration. Asks no broker."""
    from tocsin.kafka import strimzi
    from tocsin.kafka import topics as kafka_topics

    settings, specs = _installation()
    if format is Format.STRIMZI:
        sizes = {"partitions": settings.partitions, "replication": settings.replication}
        manifest.show(strimzi.topic(spec, cluster=cluster, **sizes) for spec in specs)
        return
    rows = [(spec, kafka_topics.config(spec, settings.replication)) for spec in specs]
    if as_json:
        output.json_document(
            [
                {
                    "name": spec.name,
                    "partitions": spec.partitions or settings.partitions,
                    "replication": settings.replication,
                    "config": config,
                }
                for spec, config in rows
            ]
        )
        return
    output.table(
        ("topic", "partitions", "configuration"),
        [
            (
                spec.name,
                str(spec.partitions or settings.partitions),
                " ".join(f"{k}={v}" for k, v in config.items()),
            )
            for spec, config in rows
        ],
        empty="no topics",
    )


app.command(epilog="Example: tocsin topics acls --program router --format kafka-acls")(acls.acls)


def _installation() -> tuple[Settings, list[TopicSpec]]:
    from tocsin import settings
    from tocsin.kafka.topics import Topics
    from tocsin.wire.systems import load_systems

    own = settings.load()
    return own, Topics(own.topic_prefix).specs(load_systems())
