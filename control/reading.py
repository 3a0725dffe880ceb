"""What requests read in Kafka's topics: on threads of its own, a few at a time, and no longer than a caller waits.

An organization has fewer questions open than there are threads: it holds up itself, and nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from tocsin.errors import KafkaUnavailable, RegistryUnavailable
from tocsin.http.problems import Problem, unavailable

T = TypeVar("T")

Check = Callable[[], None]
"""Called again and again by whoever reads for long; it raises once that takes too long."""

THREADS: Final = 3
OWN_MAX: Final = 2
"""Questions of one organization that are asked and not yet answered; one more is refused at once."""
OPEN_MAX: Final = 12
"""Those of all."""
ANSWER_MAX_S: Final = 15.0
WAIT_MAX_S: Final = 5.0
GRACE_S: Final = 1.0
"""Whoever reads hears only between two records that it takes too long; after this Kafka is what does not answer."""
_BUSY: Final = "too many ask for what has to be read in Kafka; ask again in a moment"
_AWAY: Final = "Kafka does not answer now"

_log = logging.getLogger("tocsin.control")


class TooLong(Exception):
    """There is more to read than there is time for."""


class TopicReading:
    """Reads for requests.

    Args:
        answer_max_s: How long one question may be read for.
        wait_max_s: How long it may wait for a thread before.
    """

    def __init__(self, answer_max_s: float = ANSWER_MAX_S, wait_max_s: float = WAIT_MAX_S) -> None:
        self._answer_max_s = answer_max_s
        self._wait_max_s = wait_max_s
        self._threads = ThreadPoolExecutor(THREADS, "reading")
        self._open = Counter[str]()
        self._lock = threading.Lock()

    async def ask(self, organization: str, question: Callable[[Check], T], *, less: str) -> T:
        """Return the answer to a question of an organization.

        Args:
            question: Reads, and calls its argument again and again meanwhile.
            less: What whoever asks is told to do where that takes too long.

        Raises:
            Problem: 503, Kafka or the registry does not answer, it takes too long, or too many ask; 429, the
                organization asks too much at once.
        """
        self._begin(organization)
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def answer() -> T:
            loop.call_soon_threadsafe(begun.set)
            until_s = time.monotonic() + self._answer_max_s

            def check() -> None:
                if time.monotonic() > until_s:
                    raise TooLong

            return question(check)

        future = self._threads.submit(answer)
        future.add_done_callback(lambda _: self._end(organization))
        try:
            await asyncio.wait_for(begun.wait(), self._wait_max_s)
        except TimeoutError as error:
            future.cancel()
            raise unavailable(_BUSY) from error
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._answer_max_s + GRACE_S)
        except TooLong as error:
            # No `Retry-After`: asked again it takes as long.
            told = f"it takes longer than {self._answer_max_s:.0f} s to read; {less}"
            raise Problem(503, "takes_too_long", told) from error
        except TimeoutError as error:
            raise unavailable(_AWAY) from error
        except (KafkaUnavailable, RegistryUnavailable) as error:
            _log.error("what a request asks for cannot be read: %s", error)
            raise unavailable(_AWAY) from error

    def close(self) -> None:
        """Let go of the threads; what is asked still is answered."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _begin(self, organization: str) -> None:
        with self._lock:
            if self._open[organization] >= OWN_MAX:
                told = f"{OWN_MAX} questions that are read in Kafka are open; wait for one of them"
                raise Problem(429, "too_many_open", told, headers={"Retry-After": "5"})
            if self._open.total() >= OPEN_MAX:
                raise unavailable(_BUSY)
            self._open[organization] += 1

    def _end(self, organization: str) -> None:
        with self._lock:
            self._open[organization] -= 1
            if not self._open[organization]:
                del self._open[organization]
