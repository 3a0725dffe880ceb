"""The first API key: without one nothing that is asked over HTTP starts, and whoever ran `make up` wants to look at it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from deploy.local import environment, private
from deploy.local.errors import StackError
from deploy.local.settings import LocalSettings

ORGANIZATION = "acme"
SYSTEM = "governlayer"


def first_key(settings: LocalSettings) -> str:
    """Return the key of this installation, made the first time and kept beside its data.

    Raises:
        StackError: It cannot be made.
    """
    file = settings.first_key
    if not file.exists():
        private.write(file, f"{_made(settings)}\n".encode())
    return file.read_text().strip()


def _made(settings: LocalSettings) -> str:
    scopes = [argument for scope in ("admin", "operate") for argument in ("--scope", scope)]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("tocsin")),
            *("keys", "create", "--organization", ORGANIZATION, "--system", SYSTEM, *scopes),
            *("--description", "the first one, made by `make up`"),
        ],
        env={**os.environ, **environment.read(settings.environment_file)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or "it says nothing").splitlines()[-1]
        raise StackError(f"`tocsin keys create` made no key: {last}")
    return done.stdout.strip()
