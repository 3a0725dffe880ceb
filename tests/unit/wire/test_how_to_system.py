"""The system that docs/how-to.md adds: its two files are all there is to it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from deploy.local.settings import CHECKOUT
from tests.harness import page
from tests.unit.wire.samples import DELIVERY, an_event
from tocsin.wire.contracts import contracts_root
from tocsin.wire.rendering import render
from tocsin.wire.signing import new_secret, sign
from tocsin.wire.systems import load_systems
from tocsin.wire.verify import verify


def test_system_of_the_page_is_loaded_rendered_signed_and_verified(tmp_path: Path) -> None:
    """Beside the documented five, which a sixth changes nothing about."""
    shutil.copytree(contracts_root(), tmp_path / "schemas")
    page.write_files(page.blocks(CHECKOUT / "docs" / "how-to.md"), tmp_path)
    systems = load_systems(tmp_path / "schemas")
    assert set(systems) - set(load_systems()) == {"modelwatch"}
    system = systems["modelwatch"]
    (known,) = system.event_types.values()
    rendered = render(system.wire, an_event("modelwatch", known.name), known.example, DELIVERY)
    assert json.loads(rendered.body) == {
        "id": "evt-1",
        "type": "quality.dropped",
        "time": "2026-04-25T14:30:00.123456Z",
        "data": known.example,
    }
    secret = new_secret(system.wire.signature, lambda count: b"n" * count)
    headers = sign(system.wire.signature, [secret], message_id="m_1", timestamp=100, body=rendered.body)
    assert [name for name, _ in headers] == ["X-ModelWatch-Timestamp", "X-ModelWatch-Signature"]
    verify(system, headers, rendered.body, secret, now=100)
