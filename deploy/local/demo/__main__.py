"""`python -m deploy.local.demo`: see `deploy/local/demo/__init__.py`. Exit code 0 only if all of it is true."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from deploy.local import environment, programs, stack, terminal
from deploy.local.authority import Authority
from deploy.local.demo.scene import Scene, Subscriber, documented_examples
from deploy.local.errors import StackError
from deploy.local.progress import aloud, step
from deploy.local.settings import LocalSettings
from deploy.local.settings import load as load_local_settings
from tocsin import settings as settings_module

RETRYING = "driftguard"
"""Its schedule is the shortest of the documented ones: now, after 5 s, after 25 s."""
OPEN_TO = "governlayer"
"""Its two documented events differ in their risk level."""
ARRIVE_S = 30.0
SCHEDULE_S = 60.0


def main() -> int:
    """Run the demo and return its exit code."""
    return terminal.ended(_run)


def _run() -> int:
    settings = load_local_settings()
    had_stack = all(status.answers for status in stack.status(settings))
    had_programs = all(program.process.pid() for program in programs.local_fleet(settings).programs)
    try:
        programs.up(settings, aloud)
        return _play(settings)
    finally:
        if not had_programs:
            programs.local_fleet(settings).stop(aloud)
        if not had_stack:
            stack.down(settings, aloud)


def _play(settings: LocalSettings) -> int:
    os.environ.update(environment.read(settings.environment_file))
    authority = Authority(settings.home / "authority")
    with ExitStack() as cleanup:
        scene = Scene(settings_module.load(), authority.server_context(), cleanup)
        with step(aloud, "registering a subscriber of every documented system"):
            steady = [scene.subscribe(system) for system in documented_examples()]
            steady += [
                scene.subscribe(OPEN_TO, "filter: critical", only={"risk_level": "CRITICAL"}),
                scene.subscribe(OPEN_TO, "Standard Webhooks", wire_format="standard-webhooks"),
                scene.subscribe(OPEN_TO, "CloudEvents", wire_format="cloudevents-binary"),
            ]
            flaky = scene.subscribe(RETRYING, "fails twice", failures=2)
            broken = scene.subscribe(RETRYING, "broken, replayed", failures=None)
            scene.await_effective()
        with step(aloud, "publishing the documented example events"):
            for subscriber in (*steady, flaky, broken):
                scene.publish_examples(subscriber)
        with step(aloud, "waiting for the webhooks"):
            for subscriber in steady:
                subscriber.await_delivered(ARRIVE_S)
        with step(aloud, "waiting for retries: after 5 s and after 25 s"):
            flaky.await_delivered(SCHEDULE_S)
            dead = scene.await_dead_letters(broken, SCHEDULE_S)
        broken.repair()
        with step(aloud, f"replaying {dead} dead letters to the repaired endpoint"):
            _replay(broken)
            broken.await_delivered(ARRIVE_S)
        return _report([*steady, flaky, broken])


def _replay(subscriber: Subscriber) -> None:
    command = [
        str(Path(sys.executable).with_name("tocsin")),
        "replay",
        "--subscription",
        subscriber.id,
        "--yes",
        "--json",
    ]
    done = subprocess.run(
        [*command, "--why", "the demo's endpoint is repaired"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise StackError(f"the replay failed: {done.stderr.strip() or done.stdout.strip()}")


def _report(subscribers: list[Subscriber]) -> int:
    table = Table(
        title="Every documented system, verified with the code of its own documents",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("system", "subscriber", "verified"):
        table.add_column(column, no_wrap=True)
    for column in ("events", "requests", "delivered"):
        table.add_column(column, justify="right", no_wrap=True)
    for subscriber in subscribers:
        refused = len(subscriber.receiver.refused)
        table.add_row(
            subscriber.system,
            subscriber.story,
            "[green]all[/]" if not refused else f"[red]{refused} refused[/]",
            str(len(subscriber.published)),
            str(len(subscriber.receiver.requests)),
            f"[{'green' if subscriber.complete() else 'red'}]{len(subscriber.delivered())}[/]",
        )
    Console().print(table)
    systems = {subscriber.system for subscriber in subscribers}
    verified = {system for system in systems if all(s.complete() for s in subscribers if s.system == system)}
    delivered = sum(len(subscriber.delivered()) for subscriber in subscribers)
    lost = sum(len(subscriber.published) for subscriber in subscribers) - delivered
    print(f"demo: {len(verified)} of {len(systems)} systems verified, {delivered} delivered, {lost} lost")
    return 0 if verified == systems and len(systems) == len(documented_examples()) and not lost else 1


if __name__ == "__main__":
    sys.exit(main())
