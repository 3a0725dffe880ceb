"""The registry is asked over plain HTTP: what is sent, and what each answer means."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final, cast

import pytest

from tests.hostile import certificates
from tocsin import lifecycle
from tocsin.errors import ConfigurationError, RegistryUnavailable, Undecodable
from tocsin.kafka.registry import Registry
from tocsin.settings import Settings

SCHEMA: Final = {"type": "record", "name": "Alert", "fields": []}
NO: Final = {"error_code": 40401, "message": "nobody knows it"}


@dataclass
class Scripted:
    """A registry that says what a test wants, and remembers what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heads: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)


def serve(scripted: Scripted, folder: Path | None = None) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            question = f"{self.command} {self.path}"
            scripted.asked.append(question)
            scripted.heads.append(dict(self.headers))
            if length := int(self.headers.get("Content-Length", 0)):
                scripted.bodies.append(json.loads(self.rfile.read(length)))
            status, said = scripted.answers.get(question, (404, NO))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(said if isinstance(said, bytes) else json.dumps(said).encode())

        do_GET = do_POST = do_PUT = answer

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if folder is not None:
        context = certificates.authority(folder).server("127.0.0.1")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scripted.url = f"http{'s' if folder else ''}://127.0.0.1:{server.server_port}/apis/v7"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    with serve(made) as server:
        yield made
        server.shutdown()


def registry(url: str, **settings: Any) -> Registry:
    return Registry(Settings(_env_file=None, registry=url, **settings))  # type: ignore[call-arg]


def test_registering_sets_the_rule_first_where_the_subject_has_another(scripted: Scripted) -> None:
    """A schema that got in before the rule would never have been compared."""
    scripted.answers = {
        "PUT /apis/v7/config/a%2Fb-Alert": (200, {"compatibility": "BACKWARD_TRANSITIVE"}),
        "POST /apis/v7/subjects/a%2Fb-Alert/versions": (200, {"id": 7}),
    }
    made = registry(scripted.url)
    assert made.register("a/b-Alert", SCHEMA) == 7
    assert scripted.asked == ["GET /apis/v7/config/a%2Fb-Alert", *scripted.answers]
    assert scripted.bodies[0] == {"compatibility": "BACKWARD_TRANSITIVE"}
    assert json.loads(scripted.bodies[1]["schema"]) == SCHEMA
    assert made.schema(7) == SCHEMA
    assert len(scripted.asked) == 3


def test_registering_again_asks_two_questions(scripted: Scripted) -> None:
    scripted.answers = {
        "GET /apis/v7/config/s": (200, {"compatibilityLevel": "BACKWARD_TRANSITIVE"}),
        "POST /apis/v7/subjects/s/versions": (200, {"id": 7}),
    }
    registry(scripted.url).register("s", SCHEMA)
    assert scripted.asked == list(scripted.answers)


def test_refused_schema_is_told_by_its_subject_with_the_registrys_words(scripted: Scripted) -> None:
    scripted.answers = {
        "GET /apis/v7/config/s": (200, {"compatibilityLevel": "BACKWARD_TRANSITIVE"}),
        "POST /apis/v7/subjects/s/versions": (409, {"message": "field must_be_there"}),
    }
    with pytest.raises(ConfigurationError, match=r"s.*field must_be_there"):
        registry(scripted.url).register("s", SCHEMA)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ((404, NO), Undecodable, "nobody knows it"),
        ((404, b"<html>"), Undecodable, "<html>"),
        ((200, {"schema": "x", "schemaType": "PROTOBUF"}), Undecodable, "PROTOBUF, not Avro"),
        ((200, {"schema": '"string"'}), Undecodable, "not a record"),
        ((200, {"schema": '["null", "string"]'}), Undecodable, "not a record"),
        ((200, {"schema": "x"}), Undecodable, "not JSON"),
        ((200, {"schema": "[" * 100_000}), Undecodable, "not JSON"),
        ((200, {"schema": None}), RegistryUnavailable, "without a schema"),
        ((200, {}), RegistryUnavailable, "without a schema"),
        ((200, b"<html>"), RegistryUnavailable, "no JSON object"),
        ((200, [1]), RegistryUnavailable, "no JSON object"),
        ((302, b""), RegistryUnavailable, "answered 302"),
        ((401, b""), RegistryUnavailable, "answered 401"),
        ((503, b""), RegistryUnavailable, "answered 503"),
    ],
)
def test_answer_to_a_look_up_is_poison_or_unavailable(
    scripted: Scripted, answer: tuple[int, Any], error: type[Exception], said: str
) -> None:
    """Poison is set aside for good, so only a clear no may be taken for it."""
    scripted.answers = {"GET /apis/v7/schemas/ids/5": answer}
    with pytest.raises(error, match=said):
        registry(scripted.url).schema(5)


def test_schema_is_looked_up_once_by_id_and_by_guid(scripted: Scripted) -> None:
    found = (200, {"schema": json.dumps(SCHEMA)})
    scripted.answers = {"GET /apis/v7/schemas/ids/5": found, "GET /apis/v7/schemas/guids/g": found}
    made = registry(scripted.url)
    assert [made.schema(5), made.schema(5), made.schema_by_guid("g"), made.schema_by_guid("g")] == 4 * [
        SCHEMA
    ]
    assert scripted.asked == list(scripted.answers)


def test_registry_that_says_no_is_there(scripted: Scripted) -> None:
    registry(scripted.url).ping()
    assert registry(scripted.url).rule("s") is None


def test_nobody_who_listens_is_unavailable_and_named(scripted: Scripted) -> None:
    with pytest.raises(RegistryUnavailable, match=r"http://127\.0\.0\.1:1 does not answer: .*refused"):
        registry("http://127.0.0.1:1").ping()


@pytest.mark.parametrize(("listens", "running"), [(True, False), (False, True)])
def test_program_asks_whether_the_registry_runs_only_where_it_does_not_answer(
    scripted: Scripted, listens: bool, running: bool
) -> None:
    class Once:
        """It does not wait."""

        def patiently(self, ask: Callable[[], None]) -> None:
            ask()

    scripted.answers = {"GET /apis/v7/schemas/ids/0": (401, b"")}
    settings = Settings(_env_file=None, registry=scripted.url if listens else "http://127.0.0.1:1")  # type: ignore[call-arg]
    with pytest.raises(RegistryUnavailable) as told:
        lifecycle.wait_for_registry(settings, cast(Any, Once()))
    assert ("is it running?" in str(told.value)) is running


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({}, None),
        ({"registry_token": "t0ken"}, "Bearer t0ken"),
        ({"registry_username": "u", "registry_password": "p:ä"}, "Basic dTpwOsOk"),
    ],
)
def test_questions_carry_who_asks(
    scripted: Scripted, settings: Mapping[str, str], header: str | None
) -> None:
    registry(scripted.url, **settings).ping()
    assert scripted.heads[0].get("Authorization") == header


def test_certificate_is_verified_with_the_authority_that_was_named(tmp_path: Path) -> None:
    made = Scripted()
    with serve(made, tmp_path) as server:
        registry(made.url, registry_ca_file=tmp_path / "ca.pem").ping()
        with pytest.raises(RegistryUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            registry(made.url).ping()
        server.shutdown()
    assert len(made.asked) == 1


@pytest.mark.parametrize(
    "url", ["", "registry:8081", "ftp://registry", "http://", "http://u:canary@registry"]
)
def test_address_that_is_none_is_refused_at_start_without_what_it_holds(url: str) -> None:
    with pytest.raises(ConfigurationError, match="TOCSIN_REGISTRY") as told:
        registry(url)
    assert "canary" not in str(told.value)
