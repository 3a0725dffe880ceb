"""Write the kept results into the page that shows them: python -m bench.report"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from bench import results, tables

PAGE: Final = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- results: written by `python -m bench.report` -->"
END: Final = "<!-- end of results -->"


def renewed(page: str, table: str) -> str:
    """Return a page with a table in the place of the one that it shows."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{PAGE.name} has no place for results"
    return f"{before}{begin}\n{table}\n{end}{after}"


def kept() -> str:
    """Return the kept results as Markdown."""
    return tables.markdown(results.load()["benchmarks"])


def main() -> int:
    """Write the page."""
    PAGE.write_text(renewed(PAGE.read_text(), kept()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
