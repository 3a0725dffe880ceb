"""HTTPS through the real delivery client: over connections that are kept, and over a new one for each POST."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench import bare
from bench.goal import Figure
from bench.target import target
from bench.world import Measure, World
from deploy.local.authority import Authority

TITLE: Final = "HTTPS, one process"
FIGURES: Final[Sequence[Figure]] = (
    Figure("kept_per_second", "POSTs over kept connections", "/s"),
    Figure("kept_cpu_us", "CPU of the client", "µs"),
    Figure("kept_ratio", "ratio to HTTP"),
    Figure("new_per_second", "POSTs over a new connection each", "/s"),
    Figure("new_cpu_us", "CPU of the client", "µs"),
)
POSTS: Final = 20_000
NEW: Final = 3_000
AT_ONCE: Final = 64


@contextmanager
def prepared(world: World) -> Iterator[Measure]:
    """Make an authority, and a receiver with a certificate of it."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        authority = Authority(Path(folder))
        authority.ensure(datetime.now(UTC))
        with target(authority.server_file, authority.server_file) as receiver:

            def measure() -> dict[str, float]:
                ca, posts = authority.ca_file, world.count(POSTS)
                plain = bare.post(f"{receiver.url}/bare/0", posts, AT_ONCE)
                kept = bare.post(f"{receiver.secure_url}/bare/0", posts, AT_ONCE, ca)
                new = bare.post(f"{receiver.secure_url}/close/0", world.count(NEW), AT_ONCE, ca)
                return {
                    "kept_per_second": kept.per_second,
                    "kept_cpu_us": kept.cpu_us,
                    "kept_ratio": kept.per_second / plain.per_second,
                    "new_per_second": new.per_second,
                    "new_cpu_us": new.cpu_us,
                }

            yield measure
