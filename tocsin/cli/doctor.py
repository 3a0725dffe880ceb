"""`tocsin doctor`: what is wrong with a live installation, and what mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

from tocsin.cli import output
from tocsin.cli.failure import FAILED

if TYPE_CHECKING:
    from tocsin.checkup.checks import Finding
    from tocsin.checkup.state import Installation

_MARKS: Final = {"problem": ("✗", "bold red"), "warning": ("!", "yellow")}


def doctor(as_json: output.AsJson = False) -> None:
    """Check a live installation: brokers, topics, contracts, programs, clock and disk.

    Every finding has its remedy. The exit code is 1 if anything breaks a promise, and 0 where there are only warnings.
    """
    from tocsin.checkup import checks, reading
    from tocsin.cli.cluster import Cluster
    from tocsin.settings import LOCAL_ENV
    from tocsin.wire.systems import load_systems

    cluster = Cluster()
    wanted = reading.wanted(cluster.settings, load_systems())
    found = reading.read(cluster.settings, cluster.registry, wanted, [LOCAL_ENV.parent])
    findings = checks.examine(found, wanted)
    if as_json:
        output.json_document(document(found, findings))
    else:
        _tell(found, findings, list(checks.CHECKS))
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(FAILED)


def document(found: Installation, findings: list[Finding]) -> dict[str, Any]:
    """Return a check-up for machines."""
    return {
        "healthy": not any(finding.level == "problem" for finding in findings),
        "findings": [{name: getattr(finding, name) for name in finding.__slots__} for finding in findings],
        "brokers": list(found.brokers),
        "topics": len(found.topics),
        "lag": {program: group.lag for program, group in found.groups.items()},
        "members": {program: group.members for program, group in found.groups.items()},
        "clock_skew_s": found.skew_s,
    }


def _tell(found: Installation, findings: list[Finding], checks: list[str]) -> None:
    out = output.console()
    faulty = {finding.check for finding in findings}
    for check in checks:
        if check not in faulty:
            out.print(output.styled(f"✓ {check}", "green"))
    for finding in findings:
        mark, style = _MARKS[finding.level]
        out.print(output.styled(f"{mark} {finding.check}  {finding.about}: {finding.said}", style))
        out.print(output.styled(f"  → {finding.remedy}", "dim"))
    problems = sum(finding.level == "problem" for finding in findings)
    output.notice(
        f"{len(found.topics)} topics, brokers: {len(found.brokers)}; {problems} problems, "
        f"{len(findings) - problems} warnings"
    )
