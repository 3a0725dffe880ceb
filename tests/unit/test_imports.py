"""What a start costs is mostly what it imports, so that is bounded by name and number: seconds depend on the machine.

Where a bound is met by something new that is needed, raise it knowingly; `python -X importtime -m <module>` shows who
imports what.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

RECORDS: Final = frozenset(
    {
        "annotated_types",
        "confluent_kafka",
        "dotenv",
        "fastavro",
        "opentelemetry",
        "orjson",
        "pydantic",
        "pydantic_core",
        "pydantic_settings",
        "typing_extensions",
        "typing_inspection",
    }
)
"""What speaks to Kafka, reads settings and knows schemas."""
SERVER: Final = frozenset({"anyio", "click", "h11", "starlette", "uvicorn"})
SECRETS: Final = frozenset({"_cffi_backend", "cryptography"})
CLIENT: Final = frozenset(
    {
        "aiohappyeyeballs",
        "aiohttp",
        "aiosignal",
        "attr",
        "certifi",
        "frozenlist",
        "httpx",
        "idna",
        "multidict",
        "propcache",
        "uvloop",
        "yarl",
        # httpx takes its command line along wherever that is installed.
        "click",
        "pygments",
        "rich",
    }
)
STARTED_BY_THE_INTERPRETER: Final = frozenset({"_distutils_hack"})

PROBE: Final = """
import json, sys
{statement}
files = {{name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}}
foreign = {{name.partition(".")[0] for name, file in files.items() if "site-packages" in file}}
print(json.dumps([len(files), sorted(foreign)]))
"""


def imported(statement: str) -> tuple[int, frozenset[str]]:
    """Return how many modules a fresh interpreter has after a statement, and whose beside Python's and ours."""
    # -I, or a test run's own environment would import for it.
    command = [sys.executable, "-I", "-c", PROBE.format(statement=statement)]
    count, foreign = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return count, frozenset(foreign) - STARTED_BY_THE_INTERPRETER


@pytest.mark.parametrize(
    ("statement", "allowed", "modules_max"),
    [
        ("from tocsin import Publisher", RECORDS, 450),
        ("from tocsin import verify", RECORDS - {"confluent_kafka", "dotenv", "pydantic_settings"}, 300),
        ("import tocsin.cli", {"annotated_doc", "shellingham", "typer"}, 200),
    ],
)
def test_library_and_command_import_no_more_than_they_need(
    statement: str, allowed: frozenset[str], modules_max: int
) -> None:
    """A service that publishes, or verifies, gets no web framework and no HTTP client by that."""
    count, foreign = imported(statement)
    assert foreign <= allowed
    assert count <= modules_max


@pytest.mark.parametrize(
    ("module", "allowed", "modules_max"),
    [
        ("consumers.router", RECORDS, 475),
        ("consumers.delivery", RECORDS | SECRETS | CLIENT, 750),
        ("consumers.delay", RECORDS, 460),
        ("consumers.ledger", RECORDS | {"sqlalchemy"}, 590),
        ("consumers.replay", RECORDS, 490),
        ("producers.gateway", RECORDS | SERVER, 570),
        (
            "control",
            RECORDS | SERVER | SECRETS | {"annotated_doc", "fastapi", "idna", "sqlalchemy"},
            900,
        ),
    ],
)
def test_program_imports_no_more_than_it_needs(
    module: str, allowed: frozenset[str], modules_max: int
) -> None:
    """Among what no program needs at its start: alembic, rich, httpx's second self, a web framework in a consumer."""
    count, foreign = imported(f"import {module}.__main__")
    assert foreign <= allowed
    assert count <= modules_max
