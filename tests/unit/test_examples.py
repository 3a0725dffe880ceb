"""The examples work as they stand, for every system."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from starlette.testclient import TestClient

from tocsin.wire.signing import sign
from tocsin.wire.systems import load_systems

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SYSTEMS = load_systems()
SECRET, OLD = "whsec_" + "c" * 40, "whsec_" + "d" * 40


@pytest.fixture(params=sorted(SYSTEMS))
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A system whose webhooks the examples are set up to receive."""
    monkeypatch.setenv("TOCSIN_SYSTEM", request.param)
    monkeypatch.setenv("WEBHOOK_SECRET", f"{SECRET} {OLD}")
    return str(request.param)


def example(name: str) -> ModuleType:
    """Import an example anew."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def signed(system: str, secret: str) -> tuple[bytes, dict[str, str]]:
    """Return a body and its headers as a system sends them."""
    body = json.dumps({"type": "it.happened", "event_type": "it.happened"}).encode()
    scheme = SYSTEMS[system].wire.signature
    headers = dict(sign(scheme, [secret], message_id="m-1", timestamp=int(time.time()), body=body))
    return body, headers | {"Content-Type": "application/json"}


def post(name: str, body: bytes, headers: dict[str, str]) -> int:
    """Send a request to an example and return the status of its answer."""
    app: Any = example(name).app
    if name.startswith("flask"):
        return int(app.test_client().post("/webhooks", data=body, headers=headers).status_code)
    return TestClient(app).post("/webhooks", content=body, headers=headers).status_code


@pytest.mark.parametrize("name", ["fastapi_receiver", "flask_receiver"])
@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_example_takes_what_is_genuine(
    name: str, secret: str, system: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert post(name, *signed(system, secret)) == 204
    assert capsys.readouterr().out == "it.happened\n"


@pytest.mark.parametrize("name", ["fastapi_receiver", "flask_receiver"])
def test_example_refuses_what_was_changed_on_its_way(
    name: str, system: str, capsys: pytest.CaptureFixture[str]
) -> None:
    body, headers = signed(system, SECRET)
    assert post(name, body + b" ", headers) == 401
    assert post(name, body, {"Content-Type": "application/json"}) == 401
    assert capsys.readouterr().out == ""
