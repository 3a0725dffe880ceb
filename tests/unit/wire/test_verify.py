"""The receiver's half: ours accepts what is genuine and nothing else, and the documented code agrees with us."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tocsin
from tests.unit.wire.samples import DATA, DELIVERY, an_event
from tocsin.errors import NoSecret, SecretInvalid, SignatureInvalid
from tocsin.wire.rendering import render
from tocsin.wire.signing import SignatureScheme, new_secret, sign
from tocsin.wire.systems import load_systems
from tocsin.wire.verify import verify

SYSTEMS = load_systems()
SIGNED_FORMATS = ["standard-webhooks", "cloudevents-binary", "cloudevents-structured"]
NAMES = [*SYSTEMS, *SIGNED_FORMATS]
NOW = 1_700_000_000
BODY = '{"name":"Zoë 漢字"}'.encode()
_FILE: dict[str, Any] = json.loads((DATA / "signing.json").read_text())
VECTORS: dict[str, dict[str, Any]] = {
    each["name"]: each for each in _FILE["vectors"] if "webhook-id" in each["headers"]
}


def _scheme(name: str) -> SignatureScheme:
    return (SYSTEMS[name].wire if name in SYSTEMS else SYSTEMS.formats[name]).signature


def _secret(name: str, seed: int = 1) -> str:
    return new_secret(_scheme(name), lambda count: bytes([seed] * count))


def _signed(name: str, *secrets: str, body: bytes = BODY, timestamp: int = NOW) -> dict[str, str]:
    return dict(sign(_scheme(name), secrets, message_id="msg_1", timestamp=timestamp, body=body))


@pytest.mark.parametrize("name", NAMES)
def test_genuine_request_verifies_whatever_the_case_of_its_header_names(name: str) -> None:
    """Frameworks change the case of names; pairs serve as well as a mapping."""
    headers = _signed(name, _secret(name))
    tocsin.verify(name, headers, BODY, _secret(name), now=NOW)
    tocsin.verify(
        name, [(key.upper(), value) for key, value in headers.items()], BODY, _secret(name), now=NOW
    )


@pytest.mark.parametrize("name", NAMES)
def test_changed_body_and_wrong_secret_are_refused(name: str) -> None:
    """One byte more, or another's secret."""
    headers = _signed(name, _secret(name))
    for body, secret in ((BODY + b" ", _secret(name)), (b"", _secret(name)), (BODY, _secret(name, 2))):
        with pytest.raises(SignatureInvalid, match="does not fit"):
            verify(name, headers, body, secret, now=NOW)


@pytest.mark.parametrize("name", NAMES)
def test_one_of_several_secrets_is_enough(name: str) -> None:
    """A receiver that rotates knows both."""
    headers = _signed(name, _secret(name, 2))
    verify(name, headers, BODY, [_secret(name, 1), _secret(name, 2)], now=NOW)
    with pytest.raises(SignatureInvalid):
        verify(name, headers, BODY, [_secret(name, 1), _secret(name, 3)], now=NOW)


@pytest.mark.parametrize("name", NAMES)
def test_each_missing_header_is_named(name: str) -> None:
    """Also an empty one is missing."""
    headers = _signed(name, _secret(name))
    for missing in headers:
        for changed in ({k: v for k, v in headers.items() if k != missing}, {**headers, missing: ""}):
            with pytest.raises(SignatureInvalid, match=f"{missing} is missing"):
                verify(name, changed, BODY, _secret(name), now=NOW)


@pytest.mark.parametrize("name", [name for name in NAMES if "timestamp" in _scheme(name).content])
@pytest.mark.parametrize(
    ("age_s", "fresh"), [(0, True), (299, True), (-299, True), (301, False), (-301, False)]
)
def test_timestamp_may_lie_five_minutes_from_now(name: str, age_s: int, fresh: bool) -> None:
    """In both directions; where the format has a timestamp."""
    headers = _signed(name, _secret(name))
    if fresh:
        verify(name, headers, BODY, _secret(name), now=NOW + age_s)
    else:
        with pytest.raises(SignatureInvalid, match="over 300 s"):
            verify(name, headers, BODY, _secret(name), now=NOW + age_s)


def test_request_signed_now_verifies_by_the_clock() -> None:
    """Without `now` the clock's time counts; a minute of 2023 is long past."""
    with pytest.raises(SignatureInvalid, match="s ago"):
        verify("tork", _signed("tork", _secret("tork")), BODY, _secret("tork"))


@pytest.mark.parametrize(
    "timestamp", ["1700000000.0", "+1700000000", " 1700000000", "1_700_000_000", "١٧٠٠٠٠٠٠٠٠", "-1", "1e9"]
)
@pytest.mark.parametrize("name", ["tork", "standard-webhooks"])
def test_timestamp_that_is_no_plain_number_is_refused(name: str, timestamp: str) -> None:
    """`int()` takes more than digits."""
    headers = {**_signed(name, _secret(name)), str(_scheme(name).timestamp_header): timestamp}
    with pytest.raises(SignatureInvalid, match="seconds since 1970"):
        verify(name, headers, BODY, _secret(name), now=NOW)


BASE = VECTORS["32-byte-secret-minified-json"]
_ID, _TIME = BASE["headers"]["webhook-id"], BASE["headers"]["webhook-timestamp"]
_SIGNATURE: str = BASE["headers"]["webhook-signature"]
NEGATIVE: dict[str, tuple[dict[str, str], bytes, str | None]] = {
    "wrong-secret": ({}, b"", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    "body-one-byte": ({}, b" ", None),
    "id-changed": ({"webhook-id": f"{_ID}x"}, b"", None),
    "ts-plus-one": ({"webhook-timestamp": str(int(_TIME) + 1)}, b"", None),
    "v2-only": ({"webhook-signature": _SIGNATURE.replace("v1,", "v2,")}, b"", None),
    "no-version": ({"webhook-signature": _SIGNATURE.removeprefix("v1,")}, b"", None),
    "dot-shift": ({"webhook-id": f"{_ID}.{_TIME}", "webhook-timestamp": "1"}, b"", None),
    "empty": ({"webhook-signature": "v1,"}, b"", None),
    "not-ascii": ({"webhook-signature": _SIGNATURE + "é"}, b"", None),
}


@pytest.mark.parametrize("case", NEGATIVE)
def test_forged_request_is_refused(case: str) -> None:
    """The negative vectors, and some of our own."""
    changed, appended, secret = NEGATIVE[case]
    body = base64.b64decode(BASE["body_b64"]) + appended
    with pytest.raises(SignatureInvalid):
        verify(
            "standard-webhooks",
            {**BASE["headers"], **changed},
            body,
            secret or BASE["secrets"][0],
            now=int(_TIME),
        )


@pytest.mark.parametrize("vector", VECTORS.values(), ids=lambda each: each["name"])
def test_known_answer_verifies(vector: dict[str, Any]) -> None:
    """With the last of its secrets, at 299 s, and not at 301 s."""
    body, secret = base64.b64decode(vector["body_b64"]), vector["secrets"][-1]
    verify("standard-webhooks", vector["headers"], body, secret, now=vector["timestamp"] + 299)
    with pytest.raises(SignatureInvalid):
        verify("standard-webhooks", vector["headers"], body, secret, now=vector["timestamp"] + 301)


def test_unknown_version_beside_a_known_one_is_passed_over() -> None:
    """A sender may add versions; what fits decides."""
    headers = {**BASE["headers"], "webhook-signature": f"v1a,abc {_SIGNATURE}"}
    verify(
        "standard-webhooks", headers, base64.b64decode(BASE["body_b64"]), BASE["secrets"][0], now=int(_TIME)
    )


def test_header_sent_twice_with_two_values_is_refused() -> None:
    """Nobody chooses which of them counts."""
    for name in _signed("tork", _secret("tork")):
        pairs = [*_signed("tork", _secret("tork")).items(), (name.lower(), "1")]
        with pytest.raises(SignatureInvalid):
            verify("tork", pairs, BODY, _secret("tork"), now=NOW)


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_system_compares_its_signature_header_whole(name: str) -> None:
    """Its document compares one value; a list of guesses is none."""
    headers = _signed(name, _secret(name))
    header = str(_scheme(name).header)
    for value in (f"{headers[header]} {headers[header]}", f"x {headers[header]}", headers[header].upper()):
        with pytest.raises(SignatureInvalid):
            verify(name, {**headers, header: value}, BODY, _secret(name), now=NOW)


def test_id_that_could_hold_a_timestamp_is_refused_although_its_signature_fits() -> None:
    """The signed text of `a.7` at 1700000000 is also that of `a` at `7.1700000000`."""
    content = f"a.7.{NOW}.".encode() + BODY
    key = base64.b64decode(_secret("standard-webhooks").removeprefix("whsec_"))
    fits = "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    headers = {"webhook-id": "a.7", "webhook-timestamp": str(NOW), "webhook-signature": fits}
    with pytest.raises(SignatureInvalid, match="webhook-id"):
        verify("standard-webhooks", headers, BODY, _secret("standard-webhooks"), now=NOW)


def test_receivers_own_mistakes_are_no_forgeries() -> None:
    """No secret, an empty one, an unknown name: the receiver's fault, said differently."""
    headers = _signed("tork", _secret("tork"))
    with pytest.raises(NoSecret):
        verify("tork", headers, BODY, [], now=NOW)
    with pytest.raises(SecretInvalid):
        verify("tork", headers, BODY, "", now=NOW)
    with pytest.raises(KeyError):
        verify("tark", headers, BODY, _secret("tork"), now=NOW)


def test_format_without_signature_never_verifies() -> None:
    """Nobody may take silence for consent."""
    with pytest.raises(SignatureInvalid, match="no signature"):
        verify("pagerduty", {}, BODY, "R" * 32, now=NOW)


def test_system_format_and_scheme_serve_as_well_as_their_name() -> None:
    """A program that has them loaded need not name them."""
    headers = _signed("tork", _secret("tork"))
    for of in (SYSTEMS["tork"], SYSTEMS["tork"].wire, SYSTEMS["tork"].wire.signature):
        verify(of, headers, BODY, _secret("tork"), now=NOW)


@given(body=st.binary(max_size=200), flipped=st.integers(0, 1599), name=st.sampled_from(NAMES))
def test_no_flipped_bit_verifies(body: bytes, flipped: int, name: str) -> None:
    """Any single bit of the body changed is refused."""
    headers = _signed(name, _secret(name), body=body)
    verify(name, headers, body, _secret(name), now=NOW)
    changed = bytearray(body or b"\0")
    changed[flipped // 8 % len(changed)] ^= 1 << flipped % 8
    with pytest.raises(SignatureInvalid):
        verify(name, headers, bytes(changed), _secret(name), now=NOW)


def _governlayer(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    signature = headers["X-GovernLayer-Signature"]
    expected = hmac.new(bytes(secret, "utf-8"), bytes(body.decode(), "utf-8"), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)


def _driftguard(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers["X-DriftGuard-Signature"])


def _compliancelayer(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    # The document's JavaScript: createHmac("sha256", secret).update(payload).digest("hex"), payload as UTF-8 text.
    computed = hmac.new(secret.encode(), body.decode("utf-8").encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers["X-ComplianceLayer-Signature"].encode(), computed.encode())


def _tork(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    payload = f"{headers['X-Tork-Timestamp']}.{body.decode()}"
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers["X-Tork-Signature"], f"sha256={expected}")


def _truthvouch(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    _, signature = headers["X-TruthVouch-Signature"].split("=", 1)
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature, expected)


DOCUMENTED_CODE: dict[str, Callable[[Mapping[str, str], bytes, str], bool]] = {
    "compliancelayer": _compliancelayer,
    "driftguard": _driftguard,
    "governlayer": _governlayer,
    "tork": _tork,
    "truthvouch": _truthvouch,
}


def test_documented_code_is_here_for_every_system() -> None:
    """A system more needs its document's code, too."""
    assert sorted(DOCUMENTED_CODE) == sorted(SYSTEMS)


@pytest.mark.parametrize(
    ("system", "type"),
    [(name, type) for name in sorted(SYSTEMS) for type in sorted(SYSTEMS[name].event_types)],
)
def test_documented_verification_code_accepts_every_event(system: str, type: str) -> None:
    """The receiver that changes nothing: rendered, signed, and verified as its system's document says."""
    wire = SYSTEMS[system].wire
    rendered = render(wire, an_event(system, type), SYSTEMS[system].event_types[type].example, DELIVERY)
    secret = _secret(system)
    headers = dict(
        sign(wire.signature, [secret], message_id=str(DELIVERY.id), timestamp=NOW, body=rendered.body)
    )
    assert DOCUMENTED_CODE[system](headers, rendered.body, secret)
    assert not DOCUMENTED_CODE[system](headers, rendered.body + b" ", secret)
