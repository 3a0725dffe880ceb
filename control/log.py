"""The delivery log as requests ask it: on threads of its own, so that a slow or absent store holds up nobody else."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Final, TypeVar

from sqlalchemy import Connection

from tocsin.errors import LedgerUnavailable
from tocsin.http.problems import Problem, unavailable

T = TypeVar("T")
Question = Callable[[Connection], T]

THREADS: Final = 4
OPEN_MAX: Final = 32
"""Questions asked and not yet answered; one more is refused at once."""
ANSWER_MAX_S: Final = 8.0
"""A query ends itself sooner (`tocsin.ledger.store`); a question may have several, and wait for a thread."""
_COMPLAIN_EVERY_S: Final = 10.0

_log = logging.getLogger("tocsin.control")


class Log:
    """Asks the store.

    Args:
        reading: Gives a connection for queries; raises LedgerUnavailable.
    """

    def __init__(self, reading: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._reading = reading
        self._threads = ThreadPoolExecutor(THREADS, "log")
        self._free = threading.Semaphore(OPEN_MAX)
        self._complained_at = float("-inf")

    async def ask(self, question: Question[T]) -> T:
        """Return the answer to a question.

        Raises:
            Problem: 503, the store is absent, of another version, locked, down, too slow, or asked too much.
        """
        if not self._free.acquire(blocking=False):
            raise _unreadable("too many ask for it")
        future = self._threads.submit(self._answer, question)
        future.add_done_callback(lambda _: self._free.release())
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), ANSWER_MAX_S)
        except TimeoutError as error:
            raise _unreadable("it takes too long, ask for less") from error
        except LedgerUnavailable as error:
            self._complain(error)
            raise _unreadable(
                "this installation's operator finds the reason in the log of the API"
            ) from error

    def close(self) -> None:
        """Let go of the threads; what is asked still is answered."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _answer(self, question: Question[T]) -> T:
        with self._reading() as connection:
            return question(connection)

    def _complain(self, error: LedgerUnavailable) -> None:
        # The reason names hosts and files, so it is for the operator alone.
        now_s = time.monotonic()
        if now_s - self._complained_at > _COMPLAIN_EVERY_S:
            self._complained_at = now_s
            _log.error("the delivery log cannot be read: %s", error)


def _unreadable(why: str) -> Problem:
    told = f"the delivery log cannot be read now: {why}. Deliveries go on meanwhile"
    return unavailable(told, "log_unavailable")
