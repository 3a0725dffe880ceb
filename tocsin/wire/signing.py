"""Signatures on what is sent, and the secrets they are made with. Pure: time and randomness are arguments.

A scheme says what is signed: any of the message id and the timestamp, then the body, joined by dots. Because ids
hold no dot and timestamps are digits, two different messages never have the same signed content.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from tocsin.errors import NoSecret, SecretInvalid

MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
SECRET_BYTES: Final = 32
_TEXT_MAX_CHARS: Final = 256
_UNPRINTABLE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]")

KeyForm = Literal["text", "base64"]
Encoding = Literal["hex", "base64"]
Signed = Literal["id", "timestamp", "body"]


@dataclass(frozen=True, slots=True)
class SecretFormat:
    """What a signing secret looks like.

    Attributes:
        key: `text`: the HMAC key is the secret's text as UTF-8. `base64`: it is what the text after the prefix decodes to.
        prefix: How a secret made here begins; a given `base64` secret may leave it out.
        min_bytes: Shortest key accepted.
        max_bytes: Longest key accepted.
        made_here: False when the secret is another service's (a routing key), which only the owner can give.
    """

    key: KeyForm = "text"
    prefix: str = "whsec_"
    min_bytes: int = 24
    max_bytes: int = _TEXT_MAX_CHARS
    made_here: bool = True


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """How a wire format is signed.

    Attributes:
        header: Name of the signature's header; None for a format that carries no signature.
        content: What is signed, in order; `body` is last.
        encoding: Of the HMAC-SHA256 digest.
        prefix: Stands before each encoded digest.
        id_header: Name of the header that carries the message id, or None.
        timestamp_header: Name of the header that carries the timestamp (seconds since the epoch), or None.
        multiple: Whether the header may hold several signatures, separated by a space, while a secret rotates.
        secret: What its secrets look like.
    """

    header: str | None = None
    content: tuple[Signed, ...] = ("body",)
    encoding: Encoding = "hex"
    prefix: str = ""
    id_header: str | None = None
    timestamp_header: str | None = None
    multiple: bool = False
    secret: SecretFormat = SecretFormat()

    def header_names(self) -> tuple[str, ...]:
        """Return the names of every header this scheme sets."""
        return tuple(
            name for name in (self.id_header, self.timestamp_header, self.header) if name is not None
        )


@dataclass(frozen=True, slots=True, eq=False)
class SigningKey:
    """A secret made ready for signing; its repr shows nothing of it.

    Attributes:
        text: The secret as its owner knows it.
        form: Whether the key is the text or what it decodes to.
    """

    text: str = field(repr=False)
    form: KeyForm
    # An HMAC that has taken in its key: copying it costs 0.8 of starting anew (600-byte body).
    _keyed: hmac.HMAC = field(repr=False)

    def digest(self, *parts: bytes) -> bytes:
        """Return the HMAC-SHA256 over the parts, one after the other."""
        state = self._keyed.copy()
        for part in parts:
            state.update(part)
        return state.digest()


def sign(
    scheme: SignatureScheme,
    secrets: Sequence[SigningKey | str],
    *,
    message_id: str,
    timestamp: int,
    body: bytes,
) -> tuple[tuple[str, str], ...]:
    """Sign one attempt.

    Args:
        scheme: How.
        secrets: Live secrets, the current one first. Where receivers compare one signature, the oldest signs: a
            receiver keeps it until it has taken over the new one.
        message_id: Constant over the attempts of a delivery.
        timestamp: Of this attempt, seconds since the epoch.
        body: Exactly the bytes that are sent.

    Returns:
        The headers that the scheme sets, as (name, value); empty for a format without signature.

    Raises:
        NoSecret: No secret was given; nothing may leave.
        SecretInvalid: A secret given as text cannot be a key.
        ValueError: The message id or the timestamp could be mistaken for another part of the signed content.
    """
    if scheme.header is None:
        return ()
    if not secrets:
        raise NoSecret("no usable signing secret")
    if not MESSAGE_ID.match(message_id):
        raise ValueError(f"message id {message_id!r} is not 1 to 64 of [A-Za-z0-9_-]")
    if timestamp < 0:
        raise ValueError(f"timestamp {timestamp} is before 1970")
    before = signed_before_body(scheme, message_id, str(timestamp))
    chosen = secrets if scheme.multiple else secrets[-1:]
    keys = [secret if isinstance(secret, SigningKey) else signing_key(scheme, secret) for secret in chosen]
    signatures = [signature(scheme, key, before, body) for key in keys]
    headers = [] if scheme.id_header is None else [(scheme.id_header, message_id)]
    if scheme.timestamp_header is not None:
        headers.append((scheme.timestamp_header, str(timestamp)))
    headers.append((scheme.header, " ".join(signatures)))
    return tuple(headers)


def signed_before_body(scheme: SignatureScheme, message_id: str, timestamp: str) -> bytes:
    """Return what is signed before the body, with its dots."""
    values = {"id": message_id, "timestamp": timestamp}
    return "".join([f"{values[part]}." for part in scheme.content[:-1]]).encode()


def signature(scheme: SignatureScheme, key: SigningKey, before: bytes, body: bytes) -> str:
    """Return one signature as it stands in the header."""
    digest = key.digest(before, body)
    encoded = digest.hex() if scheme.encoding == "hex" else base64.b64encode(digest).decode()
    return scheme.prefix + encoded


def signing_key(scheme: SignatureScheme, text: str) -> SigningKey:
    """Make a secret ready for signing.

    Length is `check_secret`'s business, when a secret is taken in: what was taken in once goes on signing.

    Raises:
        SecretInvalid: It is empty, or does not decode.
    """
    key = _key_bytes(scheme.secret, text)
    return SigningKey(text, scheme.secret.key, hmac.new(key, digestmod="sha256"))


def new_secret(scheme: SignatureScheme, random: Callable[[int], bytes]) -> str:
    """Return a new secret.

    Args:
        scheme: What it is for.
        random: Returns that many random bytes; `os.urandom` or `secrets.token_bytes`.

    Raises:
        SecretInvalid: The scheme's secret is another service's; its owner has to give it.
    """
    if not scheme.secret.made_here:
        raise SecretInvalid("this format needs a secret of the receiving service; give it")
    if scheme.secret.key == "base64":
        encoded = base64.b64encode(random(SECRET_BYTES)).decode()
    else:
        encoded = base64.urlsafe_b64encode(random(SECRET_BYTES)).decode().rstrip("=")
    return scheme.secret.prefix + encoded


def check_secret(scheme: SignatureScheme, text: str) -> None:
    """Refuse a secret that its owner gives but that could not protect anything.

    Raises:
        SecretInvalid: Empty, too short or long, or not what the scheme reads; the message shows nothing of it.
    """
    secret = scheme.secret
    if _UNPRINTABLE.search(text):
        raise SecretInvalid("a secret has no spaces or control characters")
    length = len(_key_bytes(secret, text))
    if not secret.min_bytes <= length <= secret.max_bytes:
        raise SecretInvalid(f"a secret has {secret.min_bytes} to {secret.max_bytes} bytes, not {length}")


def _key_bytes(secret: SecretFormat, text: str) -> bytes:
    if secret.key == "text":
        if text in ("", secret.prefix):
            raise SecretInvalid("the secret is empty")
        return text.encode()
    encoded = text.removeprefix(secret.prefix).rstrip("=")
    if not encoded:
        raise SecretInvalid("the secret is empty")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretInvalid(f"the secret is not base64 after {secret.prefix!r}") from error
