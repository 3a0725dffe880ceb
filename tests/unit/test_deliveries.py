"""Identity, progress and decisions on their way through headers."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin import deliveries
from tocsin.deliveries import Decision, Progress, Source
from tocsin.errors import Undecodable

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
progresses = st.builds(
    Progress,
    run=st.one_of(st.just("0"), text),
    step=st.integers(0, 10_000),
    attempt=st.integers(0, 100),
    parked=st.integers(0, 100),
    parked_at_ms=st.integers(0, 1 << 45),
    remaining_s=st.integers(0, 86_400),
    last_status=st.one_of(st.none(), st.integers(100, 599)),
    last_error=st.one_of(st.none(), text),
    test=st.booleans(),
)


@given(progresses)
def test_progress_survives_its_headers(progress: Progress) -> None:
    assert deliveries.read_progress([*deliveries.progress_headers(progress)]) == progress


@given(progresses, st.sampled_from(sorted(deliveries.VERDICTS)))
def test_decision_survives_its_header(progress: Progress, verdict: deliveries.Verdict) -> None:
    decision = Decision(verdict, "5s", progress, "exhausted", "subscriber")
    source = Source("t/with/slashes", 3, 99)
    headers = [*deliveries.decision_headers("d:0:0", source, decision)]
    identity, found, packed = deliveries.read_decision(headers)
    assert (identity, found, deliveries.unpack_decision(packed)) == ("d:0:0", source, decision)


def test_delivery_id_is_constant_and_depends_on_every_part() -> None:
    base = deliveries.delivery_id("/s", "t", "1", "wh_1")
    assert base == deliveries.delivery_id("/s", "t", "1", "wh_1")
    others = {
        deliveries.delivery_id("/x", "t", "1", "wh_1"),
        deliveries.delivery_id("/s", "x", "1", "wh_1"),
        deliveries.delivery_id("/s", "t", "x", "wh_1"),
        deliveries.delivery_id("/s", "t", "1", "wh_x"),
        # Joined without care these two would be one.
        deliveries.delivery_id("/s", "t1", "", "wh_1"),
        deliveries.delivery_id("/s", "t", "", "1wh_1"),
    }
    assert base not in others
    assert len(others) == 6
    assert isinstance(base, uuid.UUID)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tocsin_step", b"-1"),
        ("tocsin_step", b"1e9"),
        ("tocsin_attempt", b""),
        ("tocsin_attempt", b"9" * 20),
        ("tocsin_run", b"\xff"),
        ("tocsin_remaining_s", "٣".encode()),
    ],
)
def test_malformed_progress_header_is_poison(name: str, value: bytes) -> None:
    with pytest.raises(Undecodable, match=name):
        deliveries.read_progress([(name, value)])


def test_absurd_numbers_are_clipped() -> None:
    progress = deliveries.read_progress(
        [("tocsin_remaining_s", b"999999999"), ("tocsin_step", b"999999999999")]
    )
    assert progress.remaining_s == 86_400
    assert progress.step == 1_000_000


@pytest.mark.parametrize(
    "packed", [b"", b"{", b"[]", b"1", b'{"verdict":"delivered"}', b'{"verdict":"x","progress":null}']
)
def test_malformed_decision_is_poison(packed: bytes) -> None:
    with pytest.raises(Undecodable):
        deliveries.unpack_decision(packed)
