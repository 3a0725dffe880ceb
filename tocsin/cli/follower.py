"""Follows a replay job to its end: a bar on a terminal, plain lines in a pipe, JSON lines for machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from tocsin.cli import output, times
from tocsin.cli.failure import Failure
from tocsin.cli.jobs import progress_document
from tocsin.jobs import ENDED, ReplayProgress

PICK_UP_S: Final = 10.0
"""How long a replay program may take to begin before the command says that none seems to run."""


def finish(
    job: str,
    progress: Iterator[ReplayProgress | None],
    deliveries: int,
    as_json: bool,
    done: str = "replayed",
) -> None:
    """Show a job's progress until it has ended.

    Args:
        job: The job.
        progress: As `jobs.follow` yields it.
        deliveries: How many are expected, until the job has counted them itself.
        as_json: Print each progress as a JSON line.
        done: What has become of the deliveries when the job is done.

    Raises:
        Failure: The job failed.
    """
    live = output.is_terminal() and not as_json
    if not as_json:
        output.notice(f"job {job}")
    following = _Follower(job, as_json, live, done)
    try:
        with _bar(deliveries) if live else nullcontext(_unseen) as move:
            for row in progress:
                if row is not None and row.job == job:
                    move(row)
                if following.all_of(row):
                    break
    except KeyboardInterrupt:
        output.interrupted()
        output.notice(f"job {job} goes on without this command; `tocsin replay status {job}` shows it")
        raise
    following.end()


@contextmanager
def _bar(deliveries: int) -> Iterator[Callable[[ReplayProgress], None]]:
    """Show a progress bar while this lasts; it is moved by each row."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>7}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=True) as shown:
        bar = shown.add_task("waiting", total=deliveries, rate="")

        def move(row: ReplayProgress) -> None:
            # A purge sets nothing going: all of it is done at once.
            completed = row.selected if row.state == "done" else row.replayed
            shown.update(bar, description=row.state, total=row.selected, completed=completed)
            speed = shown.tasks[0].speed or 0.0
            shown.update(bar, rate=f"{speed:.0f}/s" if speed >= 1 else "")

        yield move


def _unseen(row: ReplayProgress) -> None:
    """Move no bar."""


class _Follower:
    """What a follower has been told so far; plain lines where there is no bar."""

    def __init__(self, job: str, as_json: bool, live: bool, done: str) -> None:
        self._job, self._as_json, self._live, self._done = job, as_json, live, done
        self._began = self._heard = time.monotonic()
        self._warned = False
        self._last: ReplayProgress | None = None

    def all_of(self, row: ReplayProgress | None) -> bool:
        """Tell of one more row, or of silence; return whether the job has ended."""
        if row is None:
            self._warn_of_silence()
            return False
        if row.job != self._job:
            self._hear_of_another(row)
            return False
        self._last = row
        if self._as_json:
            output.json_line(progress_document(row))
        elif not self._live and row.state in ("running", "paused"):
            waits = " (paused)" if row.state == "paused" else ""
            print(f"replayed {row.replayed} of {row.selected}{waits}", flush=True)
        return row.state in ENDED

    def end(self) -> None:
        """Tell how the job ended.

        Raises:
            Failure: It failed.
        """
        last = self._last
        if last is None:
            return
        if last.state == "failed":
            raise Failure(f"job {last.job} failed after {last.replayed} of {last.selected}: {last.error}")
        if self._as_json:
            return
        took = times.span(time.monotonic() - self._began)
        if last.state == "cancelled":
            many = f"{last.replayed} of {output.deliveries(last.selected)}"
            output.console().print(output.styled(f"■ cancelled after {many}, {took}", "yellow"))
        else:
            many = output.deliveries(last.replayed or last.selected)
            output.console().print(output.styled(f"✓ {many} {self._done} in {took}", "green"))

    def _hear_of_another(self, row: ReplayProgress) -> None:
        # A few jobs run at a time: while another one moves, somebody is there, and ours waits its turn.
        if time.time() * 1000 - row.updated_at < PICK_UP_S * 1000:
            self._heard = time.monotonic()

    def _warn_of_silence(self) -> None:
        if self._last is None and not self._warned and time.monotonic() - self._heard > PICK_UP_S:
            self._warned = True
            output.notice(
                f"tocsin: no replay program has begun this job within {PICK_UP_S:.0f} s; start one (`make up`, or "
                "`python -m consumers.replay`) and it will; Ctrl-C leaves the job waiting for it"
            )
