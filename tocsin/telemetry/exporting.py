"""What the standard `OTEL_*` variables say about exporting. Pure.

| variable | meaning |
|---|---|
| `OTEL_EXPORTER_OTLP_ENDPOINT`, `…_TRACES_ENDPOINT`, `…_METRICS_ENDPOINT` | where to send; nothing is sent without |
| `OTEL_TRACES_EXPORTER`, `OTEL_METRICS_EXPORTER` | `none`: of this, nothing is sent |
| `OTEL_SDK_DISABLED` | `true`: nothing is sent at all |
| `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | which traces are kept; `parentbased_traceidratio` of 0.01 |

All other variables are the SDK's own affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.errors import ConfigurationError
from tocsin.telemetry.tracing import Sampling

SAMPLER: Final = "OTEL_TRACES_SAMPLER"
SAMPLER_ARG: Final = "OTEL_TRACES_SAMPLER_ARG"
RATIO: Final = 0.01

_RATIOS: Final = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}


def wanted(environment: Mapping[str, str], signal: str) -> bool:
    """Return whether `traces` or `metrics` are exported."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if environment.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp") == "none":
        return False
    return bool(
        environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or environment.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    )


def sampling(environment: Mapping[str, str]) -> Sampling:
    """Return who decides whether a trace is kept.

    Raises:
        ConfigurationError: No such sampler, or its argument is no share.
    """
    named = environment.get(SAMPLER) or "parentbased_traceidratio"
    kind = named.removeprefix("parentbased_")
    if kind not in _RATIOS:
        names = ", ".join(f"{each}, parentbased_{each}" for each in _RATIOS)
        raise ConfigurationError(SAMPLER, named, f"no such sampler; there are {names}")
    ratio = _RATIOS[kind]
    return Sampling(_ratio(environment) if ratio is None else ratio, named != kind)


def _ratio(environment: Mapping[str, str]) -> float:
    text = environment.get(SAMPLER_ARG, "")
    if not text:
        # The standard has 1 here; that of a system whose traces are per delivery would be a flood.
        return RATIO
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise ConfigurationError(SAMPLER_ARG, text, "a share of all traces is a number from 0 to 1")
    return ratio
