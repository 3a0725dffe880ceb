"""Programs of the distribution that tests run beside Python."""

from __future__ import annotations

import shutil

from deploy.local import debian
from deploy.local.progress import aloud


def program(name: str, package: str, purpose: str) -> str:
    """Return where a program is; on a Debian of root's it is installed first if need be.

    Args:
        name: What it is called on PATH.
        package: The Debian package that has it.
        purpose: What it is needed for, for the message.

    Raises:
        StackError: It is missing and cannot be installed; the message names the remedy.
    """
    if shutil.which(name) is None:
        debian.install(package, purpose, aloud)
    found = shutil.which(name)
    assert found is not None, f"{package} has no {name}"
    return found
