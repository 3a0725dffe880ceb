"""docs/how-to.md, done as a reader would do it: its files, its commands in their order, in one shell, on real programs.

What the page leaves to people, such as an endpoint that breaks or a process that is restarted, happens in between.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.local.demo.receiver import Answer, Received
from deploy.local.demo.verification import DOCUMENTED
from deploy.local.programs import STOP_S
from deploy.local.settings import CHECKOUT
from deploy.local.stack import Stack
from tests.harness import page
from tests.harness.distribution import program
from tests.harness.installation import Api, Installation, await_effect, free_port, installation
from tests.harness.receiver import Receiver
from tests.harness.shell import Shell
from tocsin import Publisher
from tocsin.kafka import clients
from tocsin.kafka.writer import Outgoing
from tocsin.wire.systems import load_systems

PAGE: Final = page.blocks(CHECKOUT / "docs" / "how-to.md")
COMMANDS: Final = [block for block in PAGE if block.language == "sh"]
SECTIONS: Final = list(dict.fromkeys(block.section for block in COMMANDS if block.section))
PORTS: Final = ("8081", "8082")
"""The page's own, in whose place free ones are put."""

KEYRING: Final = "keyring.txt"


@dataclass(slots=True)
class World:
    """A reader's installation, and what stands around it.

    Attributes:
        made: The installation.
        api: Its control API, as the organization of the page.
        shell: Where the page's commands are run.
        lasting: What is to end with it.
        webhook: The endpoint that this test has an eye on, as the API answered.
        receiver: Where it is.
        refusing: While it is set, that receiver says that it is gone.
    """

    made: Installation
    api: Api
    shell: Shell
    lasting: ExitStack
    webhook: dict[str, Any] = field(default_factory=dict)
    receiver: Receiver = field(default_factory=Receiver)
    refusing: threading.Event = field(default_factory=threading.Event)

    def subscribe(self, event_type: str = "drift.alert") -> None:
        """Make an endpoint whose receiver verifies as GovernLayer's documents say."""
        receiver = self.lasting.enter_context(Receiver(answer=self._answer))
        webhook = self.api.subscribe(receiver.url, [event_type])

        def verify(request: Received) -> None:
            assert DOCUMENTED["governlayer"](request.headers, request.body, webhook["secret"])

        receiver.verify = verify
        self.webhook, self.receiver = webhook, receiver

    def publish(self, count: int) -> None:
        """Publish events that the endpoint wants."""
        (event_type,) = self.webhook["events"]
        example = load_systems()["governlayer"].event_types[event_type].example
        with Publisher("governlayer", source="/tests", settings=self.made.settings) as publisher:
            for _ in range(count):
                publisher.publish(event_type, example, organization="acme")

    def restart(self, *names: str) -> None:
        """Stop programs in good order and start them again."""
        programs = [each for each in self.made.fleet.programs if each.name in names]
        for each in programs:
            each.process.signal(signal.SIGTERM)
        for each in programs:
            each.process.await_end(STOP_S)
            each.start(wait=False)
        for each in programs:
            each.await_ready()

    def _answer(self, request: Received, earlier: int) -> Answer:
        return (410 if self.refusing.is_set() else 204), {}


@pytest.fixture(scope="module")
def world(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A folder as a checkout looks to the page's commands, with the page's files, and programs that read it."""
    home = tmp_path_factory.mktemp("how-to")
    shutil.copytree(CHECKOUT / "schemas", home / "schemas")
    (home / "examples").symlink_to(CHECKOUT / "examples")
    page.write_files(PAGE, home)
    for name, package in (("jq", "jq"), ("node", "nodejs")):
        program(name, package, f"{name}, which docs/how-to.md uses,")
    with ExitStack() as lasting, installation(stack, home) as made:
        own = {"TOCSIN_CONTRACTS": str(home / "schemas"), "TOCSIN_KEYRING_FILE": str(home / KEYRING)}
        environment = {**made.fleet.environment, **own, "TOCSIN_API": made.api_url}
        (home / KEYRING).write_text(environment.pop("TOCSIN_KEYRING") + "\n")
        made.fleet.environment = environment
        made.start("control", "router", "delivery", "replay")
        lasting.callback(_delete_topic, made, made.topics.events("modelwatch"))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with Shell(home, {**inherited, **environment, "PATH": path}) as shell:
            shell.run(next(block.text for block in COMMANDS if block.name == "begin"))
            yield World(made, Api(made.api_url, made.api_key("governlayer", "acme")), shell, lasting)


def break_endpoint(world: World) -> None:
    """Two events are refused for good, a third is not sent because the endpoint is disabled."""
    world.subscribe("drift.resolved")  # nothing else on the page is one
    await_effect(world.webhook)
    world.refusing.set()
    world.publish(2)
    key = world.webhook["id"].encode()
    world.made.wait_for(world.made.topics.dlq, lambda message: message.key() == key, count=2)
    changed = world.api.call("PATCH", f"/v1/webhooks/{world.webhook['id']}", json={"active": False})
    await_effect(changed.json())
    world.publish(1)


def find_all_delivered(world: World) -> None:
    """Two refused, the test, the two again, and the one that was never sent; then the endpoint goes."""
    world.receiver.wait_for(6)
    bodies = [request.body for request in world.receiver.settle(0.3)]
    assert (len(bodies), len(set(bodies))) == (6, 4)
    world.api.call("DELETE", f"/v1/webhooks/{world.webhook['id']}")


def publish_json(world: World) -> None:
    """Publish as somebody does who has not read the page."""
    headers = [("ce_type", b"drift.alert"), ("ce_organization", b"acme")]
    topic = world.made.topics.events("governlayer")
    world.made.write(Outgoing(topic, b"acme", b'{"system_name": "bot"}', headers))
    world.made.wait_for(world.made.topics.quarantine, lambda message: True)


def find_still_delivered(world: World) -> None:
    """The old key is in no process any more."""
    world.restart("delivery", "control")
    before = len(world.receiver.requests)
    world.publish(1)
    world.receiver.wait_for(before + 1)


BEFORE: Final[Mapping[str, Callable[[World], None]]] = {
    "quarantine": publish_json,
    "incident-look": break_endpoint,
    "incident-test": lambda world: world.refusing.clear(),
    "rotate-endpoint": World.subscribe,
    "keyring-primary": lambda world: world.restart("delivery", "control"),
    "keyring-rewrap": lambda world: world.restart("control"),
}
"""What happens before the commands of a block."""

AFTER: Final[Mapping[str, Callable[[World], object]]] = {
    "incident-recover": find_all_delivered,
    "rotate-endpoint-test": lambda world: world.receiver.wait_for(1),
    "keyring-end": find_still_delivered,
}
"""What has to hold after them."""

SAYS: Final[Mapping[str, str]] = {
    "begin": "",
    "publish-python": r"^check-4711 is stored: \S+\.events\.governlayer, partition \d, offset \d+$",
    "publish-any-language": r"governlayer-tocsin\.governlayer\.DriftAlert +\d+$[^$]*^published: \S+\.events\.governlayer",
    "quarantine": r"unknown magic byte 0x7b$[^$]*7b 22 73 79 73",
    "redrive": r"^1 record is on the way$",
    "receive-python": r"Running on http://127\.0\.0\.1:\d+$",
    "receive-python-test": r"^drift\.alert$",
    "receive-node": r"^listening on http://127\.0\.0\.1:\d+/webhooks$",
    "receive-node-test": r"^drift\.alert$",
    "receive-end": r"is removed$[^$]*is removed$",
    "system-check": r"^modelwatch +quality\.dropped +1 +A model answers worse than it did\.$",
    "system-receive": r"^listening on \S+, verifying signatures",
    "system-publish": r"quality\.dropped +\S+ +✓ verified  200$",
    "incident-look": r"^✓ topics$[^$]*^\S+ +\w{8} +drift\.resolved +wh_\S+ +gone +subscriber +410 ",
    "incident-show": r"^reason +gone: [^$]*✗ dead_letter",
    "incident-test": r"^endpoint \S+ is enabled$",
    "incident-replay": r"^2 deliveries would be replayed[^$]*^✓ 2 deliveries replayed",
    "incident-watch": r" done +2 +2 +its ingress is repaired$[^$]*✗ dead_letter",
    "incident-recover": r"1 not delivered: 1 never sent$[^$]*^✓ 1 delivery replayed",
    "incident-audit": r" replay\.begun [^$]* recover\.begun ",
    "rotate-endpoint": "",
    "rotate-endpoint-test": r"^test on its way as delivery ",
    "rotate-key": r"key \w{12} of acme is revoked$",
    "keyring-new": "",
    "keyring-primary": "",
    "keyring-rewrap": r"^sealed again: [1-9]\d* subscriptions; all that is sealed is under 2026-12$",
    "keyring-end": "",
}
"""What the commands of a block say, or what they have started."""


def test_every_block_of_commands_has_what_it_must_say() -> None:
    assert [block.name for block in COMMANDS] == list(SAYS)
    assert {*BEFORE, *AFTER} <= SAYS.keys()


@pytest.mark.parametrize("section", SECTIONS)
def test_section_does_what_it_says(world: World, section: str) -> None:
    ports = {port: str(free_port()) for port in PORTS}
    for block in COMMANDS:
        if block.section == section and block.name is not None:
            BEFORE.get(block.name, _nothing)(world)
            text = block.text
            for port, free in ports.items():
                text = text.replace(port, free)
            world.shell.run(text)
            world.shell.await_said(SAYS[block.name])
            AFTER.get(block.name, _nothing)(world)


def _nothing(world: World) -> None:
    """Do nothing."""


def _delete_topic(made: Installation, topic: str) -> None:
    admin = clients.admin(made.settings)
    for future in admin.delete_topics([topic]).values():
        future.result()
