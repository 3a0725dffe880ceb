"""Which headers an owner may add."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control import request_headers
from tocsin.wire.systems import Systems


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X-Team": "risk"}, None),
        ({"Authorization": "Bearer abc"}, None),
        ({"x_y.z": 'a "b" c'}, None),
        ({"Host": "a"}, "may not be set"),
        ({"CONTENT-LENGTH": "1"}, "may not be set"),
        ({"Content-Type": "a"}, "may not be set"),
        ({"content-digest": "a"}, "may not be set"),
        ({"Connection": "close"}, "may not be set"),
        ({"Keep-Alive": "1"}, "may not be set"),
        ({"Transfer-Encoding": "chunked"}, "may not be set"),
        ({"TE": "trailers"}, "may not be set"),
        ({"Trailer": "a"}, "may not be set"),
        ({"Upgrade": "h2c"}, "may not be set"),
        ({"Expect": "100-continue"}, "may not be set"),
        ({"Proxy-Authorization": "a"}, "may not be set"),
        ({"Accept-Encoding": "gzip"}, "may not be set"),
        ({"User-Agent": "me"}, "may not be set"),
        ({"traceparent": "a"}, "may not be set"),
        ({"x-signature": "a"}, "is sent by the webhook itself"),
        ({"X-EVENT": "a"}, "is sent by the webhook itself"),
        ({"": "a"}, "is not a header name"),
        ({"X A": "a"}, "is not a header name"),
        ({"X-A:": "a"}, "is not a header name"),
        ({"X-A\r\nX-B": "a"}, "is not a header name"),
        ({"X-Ä": "a"}, "is not a header name"),
        ({"X" * 101: "a"}, "is not a header name"),
        ({"X-A": ""}, "is empty"),
        ({"X-A": " a"}, "is empty, has a space at an end"),
        ({"X-A": "a\n"}, "is empty, has a space at an end"),
        ({"X-A": "a\x00b"}, "is empty, has a space at an end"),
        ({"X-A": "ä"}, "is empty, has a space at an end"),
        ({"X-A": "a" * 1025}, "is longer than 1024 characters"),
        ({"X-A": "a", "x-a": "b"}, "stands there twice"),
        ({f"X-{number}": "a" for number in range(21)}, "over 20 headers"),
    ],
)
def test_header_is_judged(systems: Systems, headers: dict[str, str], reason: str | None) -> None:
    found = [fault.reason for fault in request_headers.faults(headers, systems["alpha"].wire)]
    assert len(found) == (reason is not None)
    assert all(text.startswith(reason or "") for text in found)


@pytest.mark.parametrize(("name", "refused"), [("ce-environment", True), ("CE-x", True), ("cex", False)])
def test_header_of_a_format_that_sends_many_under_one_prefix_is_refused(
    systems: Systems, name: str, refused: bool
) -> None:
    found = list(request_headers.faults({name: "a"}, systems.wire_format("alpha", "spread")))
    assert bool(found) == refused


@given(name=st.text(max_size=20), value=st.text(max_size=20))
def test_accepted_header_cannot_break_out_of_its_line(systems: Systems, name: str, value: str) -> None:
    if not list(request_headers.faults({name: value}, systems["alpha"].wire)):
        line = f"{name}: {value}"
        assert line.isascii()
        assert line.isprintable()
        assert line.partition(": ")[0] == name
