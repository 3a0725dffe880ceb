"""The local stack, really started: a second one beside the user's, on ports and in a directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from deploy.local import environment, ports, settings, stack
from deploy.local.process import identity
from deploy.local.settings import CHECKOUT, LocalSettings
from deploy.local.stack import Stack
from tests.harness.installation import free_port

PORTS = ("kafka_port", "kafka_controller_port", "registry_port", "registry_management_port")


@pytest.fixture(scope="module")
def own_settings(tmp_path_factory: pytest.TempPathFactory) -> LocalSettings:
    """A stack of this module's own that shares nothing but the downloads."""
    home = tmp_path_factory.mktemp("stack")
    shared = settings.load().lib
    shared.mkdir(parents=True, exist_ok=True)
    (home / "lib").symlink_to(shared)
    return LocalSettings.model_validate({"home": home, **{name: free_port() for name in PORTS}})


@pytest.fixture(scope="module")
def started(own_settings: LocalSettings) -> Iterator[LocalSettings]:
    yield own_settings
    stack.down(own_settings)


@pytest.fixture
def running(started: LocalSettings) -> Stack:
    return stack.up(started)


def variables(local: LocalSettings) -> Mapping[str, str]:
    """The environment in which `python -m deploy.local` means this stack."""
    moved = {f"TOCSIN_{name}".upper(): str(getattr(local, name)) for name in (*PORTS, "home")}
    return {**os.environ, **moved}


def command(local: LocalSettings, verb: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.local", verb],
        cwd=CHECKOUT,
        env=variables(local),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def pids(running: Stack) -> list[int]:
    found = [service.process.pid() for service in running.services]
    return [pid for pid in found if pid is not None]


def admin(running: Stack) -> AdminClient:
    return AdminClient({"bootstrap.servers": running.kafka, "log_level": 0})


def create_topic(running: Stack, name: str) -> None:
    # The client must outlive its futures.
    client = admin(running)
    for created in client.create_topics([NewTopic(name, 1)]).values():
        created.result(30)


def registry_call(local: LocalSettings, method: str, path: str, body: object = None) -> object:
    connection = HTTPConnection("127.0.0.1", local.registry_port, timeout=10)
    try:
        connection.request(
            method, f"/apis/ccompat/v7{path}", json.dumps(body), {"content-type": "application/json"}
        )
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_both_services_listen_on_their_ports_on_loopback_and_nowhere_else(running: Stack) -> None:
    found = [listener for pid in pids(running) for listener in ports.listeners_of(pid)]
    expected = {port.number for service in running.services for port in service.ports}
    assert {listener.port for listener in found} == expected
    assert all(listener.address.is_loopback for listener in found)


def test_up_of_a_running_stack_returns_at_once_and_starts_nothing(running: Stack) -> None:
    before, began = pids(running), time.monotonic()
    said: list[str] = []
    again = stack.up(running.broker.settings, said.append)
    assert time.monotonic() - began < 1
    assert (pids(again), said) == (before, ["already running\n"])


def test_up_leaves_the_addresses_where_programs_look_for_them(running: Stack) -> None:
    found = environment.read(running.broker.settings.environment_file)
    assert (found["TOCSIN_KAFKA"], found["TOCSIN_REGISTRY"]) == (running.kafka, running.registry)


def test_killed_broker_comes_back_with_its_data_and_the_registry_goes_on(running: Stack) -> None:
    create_topic(running, "kept")
    registry_call(running.broker.settings, "POST", "/subjects/kept/versions", {"schema": '"string"'})
    running.service("kafka").kill()
    assert not stack.status(running.broker.settings)[0].answers
    again = stack.up(running.broker.settings)
    assert "kept" in admin(again).list_topics(timeout=10).topics
    registry_call(running.broker.settings, "POST", "/subjects/later/versions", {"schema": '"long"'})
    subjects = registry_call(running.broker.settings, "GET", "/subjects")
    assert isinstance(subjects, list)
    assert {"kept", "later"} <= set(subjects)


def test_frozen_registry_is_silent_until_up_thaws_it(running: Stack) -> None:
    running.service("registry").freeze()
    frozen = stack.status(running.broker.settings)[1]
    assert frozen.pid is not None
    assert not frozen.answers
    stack.up(running.broker.settings)
    assert stack.status(running.broker.settings)[1].answers


def test_two_who_start_the_stack_at_once_start_it_once(running: Stack) -> None:
    running.service("kafka").kill()
    both = [command(running.broker.settings, "up") for _ in range(2)]
    said = [process.communicate(timeout=90)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("starting Kafka" in text for text in said) == 1, said
    assert sum("already running" in text for text in said) == 1, said


def test_stack_that_another_process_started_is_ended_by_down(running: Stack) -> None:
    """The starter is gone; `down` finds the services by their pid files."""
    stack.down(running.broker.settings)
    starter = command(running.broker.settings, "up")
    assert starter.wait(90) == 0, starter.communicate()[0]
    starter.communicate()
    before = pids(running)
    assert len(before) == 2
    stack.down(running.broker.settings)
    assert [identity(pid) for pid in before] == [None, None]
    for service in running.services:
        service.require_ports()


def test_reset_deletes_data_and_nothing_else(running: Stack) -> None:
    create_topic(running, "lost")
    stack.reset(running.broker.settings)
    assert (running.broker.settings.home / "lib").exists()
    assert "lost" not in admin(stack.up(running.broker.settings)).list_topics(timeout=10).topics


def test_group_may_have_a_session_of_6_seconds(running: Stack) -> None:
    group = ConfigResource(ResourceType.GROUP, "impatient")
    group.add_incremental_config(
        ConfigEntry("consumer.session.timeout.ms", "6000", incremental_operation=AlterConfigOpType.SET)
    )
    client = admin(running)
    for altered in client.incremental_alter_configs([group]).values():
        altered.result(30)
