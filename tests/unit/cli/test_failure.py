from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from confluent_kafka import KafkaError, KafkaException

from tocsin.cli import app, failure, run
from tocsin.errors import (
    ConfigurationError,
    DestinationNotAllowed,
    EventInvalid,
    KafkaUnavailable,
    RegistryUnavailable,
    RequestRefused,
    TocsinError,
    UrlInvalid,
)
from tocsin.kafka import clients

SHOWING = {
    "publish",
    "events",
    "listen",
    "add",
    "list",
    "check",
    "tail",
    "show",
    "replay",
    "status",
    "create",
    "test",
    "rotate",
}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (failure.Failure("no"), failure.FAILED),
        (failure.usage("no"), failure.USAGE),
        (DestinationNotAllowed("private"), failure.REFUSED),
        (UrlInvalid("no host"), failure.REFUSED),
        (EventInvalid("data.x", "is required"), failure.FAILED),
        (RequestRefused(403, "no scope"), failure.FAILED),
        (ConfigurationError("TOCSIN_PARTITIONS", "", "not a number"), failure.FAILED),
    ],
)
def test_exit_code_tells_refusal_from_failure(error: TocsinError, code: int) -> None:
    assert failure.exit_code(error) == code


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (KafkaUnavailable("Kafka at h:1 does not answer"), "TOCSIN_KAFKA"),
        (RegistryUnavailable("http://h does not answer"), "TOCSIN_REGISTRY"),
        (EventInvalid("data.x", "is required"), "nothing was sent"),
    ],
)
def test_line_names_the_remedy(error: TocsinError, remedy: str) -> None:
    assert failure.line(error).startswith("tocsin: ")
    assert remedy in failure.line(error)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "tocsin: t: no; `tocsin topics acls` says who may do what"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "tocsin: t: no; `tocsin topics acls` says who may do what"),
        (KafkaError.INVALID_REPLICATION_FACTOR, "tocsin: t: no"),
        (KafkaError._INVALID_ARG, "tocsin: t: no"),
        (KafkaError._TRANSPORT, "tocsin: t: no; `make up` starts a local one, TOCSIN_KAFKA names another"),
    ],
)
def test_broker_that_says_no_is_not_taken_for_one_that_is_away(code: int, told: str) -> None:
    assert failure.line(clients.unavailable("t", KafkaException(KafkaError(code, "no")))) == told


def test_unknown_option_of_the_client_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOCSIN_KAFKA_OPTIONS", '{"no.such.option": "x"}')
    assert run(["keys", "list"]) == failure.FAILED
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "no.such.option" in err
    assert "make up" not in err


def test_error_of_the_client_that_nobody_maps_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*_: Any, **__: Any) -> None:
        raise KafkaException(KafkaError(KafkaError.POLICY_VIOLATION, "the policy says no"))

    monkeypatch.setattr("tocsin.cli.app", command)
    assert run(["topics", "create"]) == failure.FAILED
    assert capsys.readouterr().err == "tocsin: the policy says no\n"


def test_line_is_one_line_whatever_the_error_says() -> None:
    assert failure.line(failure.Failure("first\n  second")) == "tocsin: first second"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'; `tocsin --help` tells more"),
        (["publish", "governlayer"], "Missing argument 'TYPE'; `tocsin publish --help` tells more"),
        (["listen", "--port", "70000"], "`tocsin listen --help` tells more"),
        (["listen", "--certificate", "no.pem"], "no.pem: No such file or directory; it has to be a PEM file"),
        (["listen", "--certificate", "/dev/null"], "/dev/null: holds none; it has to be a PEM file"),
        (["replay"], "say --why"),
        (["deliveries", "tail", "--from-start", "--since", "1h"], "exclude each other"),
        (["deliveries", "tail", "--verdict", "lost"], "'lost' is none; there are delivered"),
        (["deliveries", "tail", "--since", "soon"], "--since: 'soon' is no time"),
        (["dlq", "list", "--reason", "exausted"], "did you mean exhausted?"),
        (["dlq", "show", "3f"], "at least 6 characters"),
        (["keyring", "new", "a:b"], "no colon"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == failure.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tocsin: ")
    assert err.count("\n") == 1
    assert said in err


def test_malformed_setting_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOCSIN_PARTITIONS", "many")
    assert run(["keys", "list"]) == failure.FAILED
    assert capsys.readouterr().err.startswith("tocsin: TOCSIN_PARTITIONS: ")


def test_group_without_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["endpoints"]) == failure.USAGE
    out, err = capsys.readouterr()
    assert "Register an endpoint" in out + err
    assert "tocsin: " not in err


def test_help_and_version_succeed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == failure.OK
    assert run(["--version"]) == failure.OK
    assert capsys.readouterr().out.splitlines()[-1].startswith("tocsin ")


def test_command_starts_without_what_only_some_commands_need() -> None:
    heavy = {
        "confluent_kafka",
        "fastavro",
        "httpx",
        "pydantic",
        "rich",
        "tocsin.settings",
        "tocsin.wire.systems",
    }
    code = f"import sys, tocsin.cli; print(*sorted({heavy!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that does something."""
    inner = getattr(command, "commands", {})
    if not inner or command.invoke_without_command:
        yield path
    for name, each in inner.items():
        yield from commands(each, (*path, name))


COMMANDS = list(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_every_command_has_an_example_of_it(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--help"]) == failure.OK
    out = " ".join(capsys.readouterr().out.split())
    _, _, example = out.partition("Example: ")
    assert f"tocsin {' '.join(words)}" in example


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[-1] in SHOWING])
def test_command_that_shows_something_has_json(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--help"]) == failure.OK
    assert "--json" in capsys.readouterr().out
