"""The auditor: compares what was promised with what arrived and with what the log says. Pure.

Lost        an acknowledged event that a matching subscription neither answered with 2xx nor has as a dead letter.
Forked      one event for one subscription under two delivery ids or with two bodies; one identity decided in two
            ways; a delivery that went on after its end; a request that nobody was meant to get.
Wronged     a dead letter of an endpoint that would have accepted it.
Repeated    a POST that no attempt record stands for (its process died before it could say so, and another made it
            again), or one whose identity was decided already.
Bound       the POSTs that were open when a delivery process died: seen by an endpoint, and at that moment without a
            record. Only these may be repeated, so each repeated POST is also looked up: one that was open at no crash
            is unexplained, however large the bound is.

A POST belongs to an attempt record of its delivery if it arrived between that attempt's start and the writing of the
record.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.soak.ledgers import Crash, Ledgers, Letter, Post, Tried
from tocsin import deliveries

OPEN_MAX_MS: Final = 35_000
"""No POST is open for longer: 30 s for its answer, and the rest for its record."""
ON_ITS_WAY_MS: Final = 500
"""What a process had written when it died may be read by an endpoint this much later."""
AROUND_MS: Final = 2_000
"""How long before and after a crash requests tell how late endpoints read just then: they share a machine with it."""
CLOCK_MS: Final = 30
"""The times of an attempt are whole milliseconds of another process."""

HELD_UP_MS: Final = 1_000
"""A delivery to an endpoint that answers at once and takes longer than this was held up."""

FINAL: Final = frozenset({"delivered", "dead_letter"})
MAY_BE_DISABLED: Final = frozenset({"gone", "failing"})
"""Whoever else is disabled misses events that are owed to it."""

Pair = tuple[str, str]
"""Event id and subscription id."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the audit found; every list holds words for people."""

    events: int
    deliveries: int
    lost: Sequence[str]
    forked: Sequence[str]
    refused: Sequence[str]
    wronged: Sequence[str]
    unexplained: Sequence[str]
    repeated: int
    bound: int
    interrupted: int

    @property
    def holds(self) -> bool:
        """Whether the promises were kept."""
        broken = self.lost or self.forked or self.refused or self.wronged or self.unexplained
        return not broken and self.repeated <= self.bound


def audit(ledgers: Ledgers, source: str) -> Findings:
    """Compare the ledgers.

    Args:
        ledgers: Of a run that has come to rest.
        source: The CloudEvents source of its events.
    """
    possible, expected = expectations(ledgers, source)
    undecided, matched = match(ledgers.posts, ledgers.tried)
    twice = decided_twice(ledgers.tried)
    may_repeat, bound = open_at_crashes(undecided, matched, ledgers.crashes)
    return Findings(
        events=len(ledgers.published),
        deliveries=len(expected),
        lost=lost(expected, ledgers.posts, ledgers.letters),
        forked=[
            *misdirected(possible, ledgers.posts),
            *two_bodies(ledgers.posts),
            *contradictions(ledgers.tried),
        ],
        refused=ledgers.refused,
        wronged=wronged(possible, ledgers),
        unexplained=[
            *(f"{_words(post)} was open at no crash" for post in undecided if post not in may_repeat),
            *(
                f"{tried.identity} was sent again {tried.started_ms - first.decided_ms:.0f} ms after it was decided"
                for first, tried in twice
                if tried.started_ms > first.decided_ms + CLOCK_MS
            ),
        ],
        repeated=len(undecided) + len(twice),
        bound=bound,
        interrupted=sum(tried.verdict == "interrupted" for tried in ledgers.tried),
    )


def expectations(ledgers: Ledgers, source: str) -> tuple[dict[str, Pair], dict[str, Pair]]:
    """Return the deliveries that may be, by id, and those among them that have to be.

    They differ by the events that were sent before a new subscription was effective, and by those that the router did
    not match because the subscription was disabled: those stand in the events topic. What it did match is owed.
    """
    by_tenant = defaultdict(list)
    for subscriber in ledgers.subscribers:
        by_tenant[subscriber.organization, subscriber.system].append(subscriber)
    possible, certain = {}, {}
    for event in ledgers.published:
        for subscriber in by_tenant[event.organization, event.system]:
            if subscriber.wants(event):
                made = deliveries.delivery_id(source, event.event_type, event.event_id, subscriber.id)
                possible[str(made)] = event.event_id, subscriber.id
                excused = subscriber.behaviour in MAY_BE_DISABLED and subscriber.id in ledgers.disabled
                if excused and str(made) not in ledgers.routed:
                    continue
                if event.sent_ms >= subscriber.effective_ms:
                    certain[str(made)] = event.event_id, subscriber.id
    return possible, certain


def lost(expected: Mapping[str, Pair], posts: Iterable[Post], letters: Iterable[Letter]) -> list[str]:
    """Return the deliveries that were neither accepted nor dead-lettered."""
    settled = {post.delivery_id for post in posts if 200 <= post.status < 300}
    settled |= {letter.delivery_id for letter in letters}
    return [
        f"{delivery}: event {event} for {subscription}"
        for delivery, (event, subscription) in expected.items()
        if delivery not in settled
    ]


def wronged(possible: Mapping[str, Pair], ledgers: Ledgers) -> list[str]:
    """Return the dead letters of endpoints that answer 200 whenever they are reached: what kept them away was ours."""
    healthy = {each.id for each in ledgers.subscribers if each.behaviour == "healthy"}
    return [
        f"{letter.delivery_id} for a healthy endpoint was dead-lettered as {letter.reason}"
        for letter in ledgers.letters
        if possible.get(letter.delivery_id, ("", ""))[1] in healthy
    ]


def misdirected(expected: Mapping[str, Pair], posts: Iterable[Post]) -> list[str]:
    """Return requests that were not to be: another delivery id, another tenant's event, nobody's event."""
    return [
        f"{_words(post)} was not to be"
        for post in posts
        if expected.get(post.delivery_id) != (post.event_id, post.subscription)
    ]


def two_bodies(posts: Iterable[Post]) -> list[str]:
    """Return deliveries whose requests did not all have the same bytes."""
    bodies: dict[str, bytes] = {}
    return [
        f"{_words(post)} has other bytes than before"
        for post in posts
        if bodies.setdefault(post.delivery_id, post.body) != post.body
    ]


def contradictions(tried: Iterable[Tried]) -> list[str]:
    """Return identities that were decided in two ways, and runs that went on after their end."""
    decided: dict[tuple[str, str, int], Tried] = {}
    ends: dict[tuple[str, str], int] = {}
    found = []
    for each in tried:
        first = decided.setdefault(each.identity, each)
        if (first.verdict, first.next_tier) != (each.verdict, each.next_tier):
            found.append(f"{each.identity} was decided as {first.verdict} and as {each.verdict}")
        if each.verdict in FINAL:
            run = each.identity[:2]
            ends[run] = min(each.step, ends.get(run, each.step))
    found += [
        f"{identity} was decided after its run had ended at step {ends[identity[:2]]}"
        for identity in decided
        if identity[2] > ends.get(identity[:2], identity[2])
    ]
    return found


def decided_twice(tried: Iterable[Tried]) -> list[tuple[Tried, Tried]]:
    """Return attempts whose identity another one stands for already, with that one.

    A record that was written twice because its acknowledgement was lost is one attempt: it began once.
    """
    first: dict[tuple[str, str, int], Tried] = {}
    later: dict[tuple[tuple[str, str, int], float], Tried] = {}
    for each in sorted(tried, key=lambda one: one.decided_ms):
        if not each.posted:
            continue
        if first.setdefault(each.identity, each).started_ms != each.started_ms:
            later.setdefault((each.identity, each.started_ms), each)
    return [(first[identity], each) for (identity, _), each in later.items()]


def match(posts: Iterable[Post], tried: Iterable[Tried]) -> tuple[list[Post], list[tuple[Post, Tried]]]:
    """Return the POSTs that no attempt record stands for, and the others with theirs."""
    attempts: dict[str, list[Tried]] = defaultdict(list)
    for each in tried:
        if each.posted:
            attempts[each.delivery_id].append(each)
    undecided, matched = [], []
    for post in sorted(posts, key=lambda one: one.at_ms):
        candidates = attempts[post.delivery_id]
        found = next(
            (
                each
                for each in candidates
                if each.started_ms - CLOCK_MS <= post.at_ms <= each.decided_ms + CLOCK_MS
            ),
            None,
        )
        if found is None:
            undecided.append(post)
        else:
            candidates.remove(found)
            matched.append((post, found))
    return undecided, matched


def open_at_crashes(
    undecided: Sequence[Post], matched: Sequence[tuple[Post, Tried]], crashes: Sequence[Crash]
) -> tuple[set[Post], int]:
    """Return the undecided POSTs that were open at a crash, and how many POSTs in all were open at one.

    A POST that was decided later, so by a process that lived on, was open as well: whose it was, an endpoint cannot
    see. What arrives after the crash counts only if it is never decided. Each counts once.
    """
    decided = {post: each.decided_ms for post, each in matched}
    began = sorted((each.started_ms, post.at_ms - each.started_ms) for post, each in matched)
    posts = sorted([*undecided, *decided], key=lambda post: post.at_ms)
    arrivals = [post.at_ms for post in posts]
    open_ones: set[Post] = set()
    for crash in crashes:
        first = bisect_left(arrivals, crash.at_ms - OPEN_MAX_MS)
        last = bisect_right(arrivals, crash.seen_ms + _late_ms(began, crash))
        open_ones.update(
            post
            for post in posts[first:last]
            if post not in decided or (post.at_ms <= crash.seen_ms and decided[post] >= crash.at_ms)
        )
    return open_ones.intersection(undecided), len(open_ones)


def _late_ms(began: Sequence[tuple[float, float]], crash: Crash) -> float:
    """Return how late endpoints read around a crash, by the requests that did get decided.

    Args:
        began: When each began, and how long after that its endpoint had read it; in order.
    """
    first = bisect_left(began, (crash.at_ms - AROUND_MS,))
    last = bisect_right(began, (crash.seen_ms + AROUND_MS,))
    return max((late_ms for _, late_ms in began[first:last]), default=0.0) + ON_ITS_WAY_MS


@dataclass(frozen=True, slots=True)
class Served:
    """A live delivery to an endpoint that answers at once: when it was written, and when it was decided."""

    endpoint: str
    appended_ms: float
    decided_ms: float


def takeovers_ms(served: Iterable[Served], crashes: Sequence[Crash], window_ms: float) -> list[float]:
    """Return how long after each crash the last endpoint that it had held up was served again.

    Args:
        served: Deliveries of the whole run.
        crashes: Crashes of delivery processes.
        window_ms: How long nothing else happened after each.
    """
    late = [each for each in served if each.decided_ms - each.appended_ms > HELD_UP_MS]
    return [max(_served_again(late, crash, window_ms).values(), default=0.0) for crash in crashes]


def _served_again(late: Iterable[Served], crash: Crash, window_ms: float) -> dict[str, float]:
    again: dict[str, float] = {}
    for each in late:
        after_ms = each.decided_ms - crash.at_ms
        if -HELD_UP_MS < each.appended_ms - crash.at_ms < window_ms and after_ms > 0:
            again[each.endpoint] = min(after_ms, again.get(each.endpoint, after_ms))
    return again


def _words(post: Post) -> str:
    return (
        f"POST of {post.delivery_id} (event {post.event_id}) to {post.subscription}, answered {post.status}"
    )
