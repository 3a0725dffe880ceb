"""Signatures against known answers, the libraries receivers use, and what must never be signed."""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks
import svix
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wire.samples import DATA
from tocsin.errors import NoSecret, SecretInvalid
from tocsin.wire.signing import (
    SecretFormat,
    SignatureScheme,
    check_secret,
    new_secret,
    sign,
    signing_key,
)
from tocsin.wire.systems import load_systems

SYSTEMS = load_systems()
STANDARD = SYSTEMS.formats["standard-webhooks"].signature
SCHEMES: Mapping[str, SignatureScheme] = {
    "standard-webhooks-v1": STANDARD,
    "hmac-sha256-hex-of-body": SignatureScheme(header="X-Example-Signature"),
    "hmac-sha256-hex-of-ts.body": SignatureScheme(
        header="X-Example-Signature",
        content=("timestamp", "body"),
        prefix="sha256=",
        timestamp_header="X-Example-Timestamp",
    ),
}
VECTORS: list[dict[str, Any]] = json.loads((DATA / "signing.json").read_text())["vectors"]
NEW = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()
OLD = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda each: f"{each['scheme']}-{each['name']}")
def test_signature_equals_the_known_answer(vector: dict[str, Any]) -> None:
    """The published vectors, byte for byte, in header order."""
    headers = sign(
        SCHEMES[vector["scheme"]],
        vector["secrets"],
        message_id=vector.get("id", "unused"),
        timestamp=vector.get("timestamp", 0),
        body=base64.b64decode(vector["body_b64"]),
    )
    assert list(headers) == list(vector["headers"].items())


@given(st.text().map(lambda text: json.dumps({"text": text})), st.integers(0, 4_000_000_000))
def test_standard_webhooks_signature_equals_that_of_both_libraries(body: str, seconds: int) -> None:
    """Their signers agree with ours, for any body and time."""
    moment = datetime.fromtimestamp(seconds, UTC)
    headers = dict(sign(STANDARD, [OLD], message_id="msg_1", timestamp=seconds, body=body.encode()))
    assert headers["webhook-signature"] == standardwebhooks.Webhook(OLD).sign("msg_1", moment, body)
    assert headers["webhook-signature"] == svix.Webhook(OLD).sign("msg_1", moment, body)


@pytest.mark.parametrize("secret", [NEW, OLD])
def test_either_secret_verifies_with_both_libraries_while_it_rotates(secret: str) -> None:
    """Two signatures in one header, the new one first."""
    now = int(datetime.now(UTC).timestamp())
    headers = dict(sign(STANDARD, [NEW, OLD], message_id="msg_1", timestamp=now, body=b'{"a":1}'))
    assert re.fullmatch(r"v1,\S{44} v1,\S{44}", headers["webhook-signature"])
    assert standardwebhooks.Webhook(secret).verify('{"a":1}', headers) == {"a": 1}
    svix.Webhook(secret).verify('{"a":1}', headers)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(secret).verify('{"a":2}', headers)


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_system_whose_receivers_compare_one_signature_gets_the_oldest_secrets(name: str) -> None:
    """A receiver that has not taken the new secret over yet goes on verifying."""
    scheme = SYSTEMS[name].wire.signature
    both = sign(
        scheme,
        ["new-secret-of-the-owner", "old-secret-of-the-owner"],
        message_id="a",
        timestamp=1,
        body=b"{}",
    )
    assert both == sign(scheme, ["old-secret-of-the-owner"], message_id="a", timestamp=1, body=b"{}")


@pytest.mark.parametrize("name", [*SYSTEMS.formats, *SYSTEMS])
def test_nothing_is_signed_without_a_secret(name: str) -> None:
    """A scheme with a signature and no secret raises; one without sends no header."""
    wire = SYSTEMS.formats[name] if name in SYSTEMS.formats else SYSTEMS[name].wire
    if wire.signature.header is None:
        assert sign(wire.signature, [], message_id="a", timestamp=1, body=b"") == ()
    else:
        with pytest.raises(NoSecret):
            sign(wire.signature, [], message_id="a", timestamp=1, body=b"")


@pytest.mark.parametrize("message_id", ["", "a.1700000000", "a b", "a\n", "é", "x" * 65, "a/b"])
def test_message_id_that_could_be_mistaken_is_refused(message_id: str) -> None:
    """`a.1700000000` with time 1 would be signed as `a` with time `1700000000.1` is."""
    with pytest.raises(ValueError, match="message id"):
        sign(STANDARD, [OLD], message_id=message_id, timestamp=1, body=b"")


def test_time_before_1970_is_refused() -> None:
    """A minus sign is no digit."""
    with pytest.raises(ValueError, match="1970"):
        sign(STANDARD, [OLD], message_id="a", timestamp=-1, body=b"")


SECRETS = [
    ("standard-webhooks", "", "empty"),
    ("standard-webhooks", "whsec_", "empty"),
    ("standard-webhooks", "whsec_====", "empty"),
    ("standard-webhooks", "whsec_" + base64.b64encode(b"s" * 16).decode(), "24 to 64 bytes, not 16"),
    ("standard-webhooks", "whsec_" + base64.b64encode(b"s" * 23).decode(), "not 23"),
    ("standard-webhooks", "whsec_" + base64.b64encode(b"s" * 65).decode(), "not 65"),
    ("standard-webhooks", "whsec_" + "!" * 40, "base64"),
    ("standard-webhooks", "whsec_" + "-_" * 20, "base64"),
    ("standard-webhooks", "whsec_é" + "A" * 40, "base64"),
    ("standard-webhooks", f" {OLD}", "spaces"),
    ("standard-webhooks", f"{OLD}\n", "spaces"),
    ("tork", "", "empty"),
    ("tork", "whsec_", "empty"),
    ("tork", "whsec_short", "24 to 256 bytes, not 11"),
    ("tork", "x" * 257, "not 257"),
    ("tork", "two words are not a secret here", "spaces"),
    ("pagerduty", "", "empty"),
    ("pagerduty", "R" * 31, "32 to 32 bytes, not 31"),
]


@pytest.mark.parametrize(("name", "text", "reason"), SECRETS)
def test_secret_that_protects_nothing_is_refused(name: str, text: str, reason: str) -> None:
    """The reason says why and shows nothing of it."""
    with pytest.raises(SecretInvalid, match=re.escape(reason)) as raised:
        check_secret(_scheme(name), text)
    assert not text.strip() or text not in str(raised.value)


ACCEPTED = [
    ("tork", "whsec_your_signing_secret"),
    ("tork", "a-secret-of-the-customer's-own-✓"),
    ("standard-webhooks", OLD),
    ("standard-webhooks", OLD.removeprefix("whsec_")),
    ("standard-webhooks", OLD.rstrip("=")),
    ("standard-webhooks", "whsec_" + base64.b64encode(b"s" * 24).decode()),
    ("standard-webhooks", "whsec_" + base64.b64encode(b"s" * 64).decode()),
    ("pagerduty", "R0123456789abcdef0123456789abcde"),
]


@pytest.mark.parametrize(("name", "text"), ACCEPTED)
def test_secret_of_the_owner_is_accepted(name: str, text: str) -> None:
    """The documented example, any prefix and padding, 24 and 64 bytes."""
    check_secret(_scheme(name), text)


@pytest.mark.parametrize(
    "name", [*SYSTEMS, "standard-webhooks", "cloudevents-binary", "cloudevents-structured"]
)
def test_new_secret_holds_32_random_bytes_and_is_accepted(name: str) -> None:
    """What is made here passes its own check, and all of the randomness is in it."""
    scheme = _scheme(name)
    text = new_secret(scheme, lambda count: bytes(range(200, 200 + count)))
    check_secret(scheme, text)
    assert text.startswith("whsec_")
    encoded = text.removeprefix("whsec_")
    standard = encoded.translate(str.maketrans("-_", "+/"))
    assert base64.b64decode(standard + "=" * (-len(encoded) % 4)) == bytes(range(200, 232))


def test_secret_of_another_service_is_never_made_up() -> None:
    """Only PagerDuty knows its routing keys."""
    with pytest.raises(SecretInvalid, match="give it"):
        new_secret(_scheme("pagerduty"), lambda count: b"x" * count)


def test_key_shows_nothing_of_its_secret() -> None:
    """Neither text nor bytes reach a log through repr."""
    shown = repr(signing_key(STANDARD, OLD))
    assert OLD not in shown
    assert "AAECAw" not in shown
    assert "base64" in shown


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(min_size=1, max_size=100))
def test_key_signs_anew_each_time(first: bytes, second: bytes, secret: bytes) -> None:
    """The prepared state is not used up: each digest is HMAC-SHA256 over its own parts."""
    text = base64.b64encode(secret).decode()
    key = signing_key(SignatureScheme(header="X", secret=SecretFormat(key="base64", prefix="")), text)
    for body in (first, second, first):
        assert key.digest(b"before.", body) == hmac.digest(secret, b"before." + body, "sha256")


def _scheme(name: str) -> SignatureScheme:
    return (SYSTEMS.formats[name] if name in SYSTEMS.formats else SYSTEMS[name].wire).signature
