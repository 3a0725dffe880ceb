"""Signing secrets at rest: AES-256-GCM under a keyring.

The associated data names topic, organization, subscription and secret id, so that a sealed secret moved to another
row does not open.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.errors import ConfigurationError, NoSecret
from tocsin.settings import Settings
from tocsin.subscriptions import StoredSecret, Subscription, all_sealed

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id; the primary seals, every one opens."""

    primary: str
    keys: Mapping[str, bytes] = field(repr=False)

    def seal(
        self, text: str, *, topic: str, organization: str, subscription: str, secret_id: str, now_ms: int
    ) -> StoredSecret:
        """Seal a secret for one place."""
        nonce = os.urandom(_NONCE_BYTES)
        place = _place(topic, organization, subscription, secret_id)
        sealed = AESGCM(self.keys[self.primary]).encrypt(nonce, text.encode(), place)
        return StoredSecret(secret_id, self.primary, nonce, sealed, created_at=now_ms)

    def open(self, secret: StoredSecret, *, topic: str, organization: str, subscription: str) -> str:
        """Return a sealed secret's text.

        Raises:
            NoSecret: The key is not in the keyring, or the secret was sealed for another place.
        """
        key = self.keys.get(secret.key_id)
        if key is None:
            raise NoSecret(
                f"secret {secret.id} is sealed with key {secret.key_id!r}, which the keyring lacks"
            )
        place = _place(topic, organization, subscription, secret.id)
        try:
            return AESGCM(key).decrypt(secret.nonce, secret.sealed, place).decode()
        except (InvalidTag, ValueError) as error:
            raise NoSecret(f"secret {secret.id} does not open in this place") from error

    def rewrap(
        self, secret: StoredSecret, *, topic: str, organization: str, subscription: str
    ) -> StoredSecret:
        """Return a secret sealed with the primary key, its id and dates as they are; raises as `open`."""
        place = {"topic": topic, "organization": organization, "subscription": subscription}
        text = self.open(secret, **place)
        again = self.seal(text, **place, secret_id=secret.id, now_ms=secret.created_at)
        return replace(again, expires_at=secret.expires_at)

    def require(self, subscriptions: Iterable[Subscription]) -> None:
        """Check that every secret there is can be opened; a program that uses secrets asks this at its start.

        Raises:
            ConfigurationError: Some are sealed with keys that the keyring lacks.
        """
        needed = {secret.key_id for subscription in subscriptions for secret in all_sealed(subscription)}
        lacking = sorted(needed - set(self.keys))
        if lacking:
            raise ConfigurationError(
                "TOCSIN_KEYRING_FILE",
                "",
                f"secrets are sealed with {', '.join(lacking)}, which it lacks",
            )


def load_keyring(settings: Settings) -> Keyring:
    """Read the keyring from the settings.

    Raises:
        ConfigurationError: There is none, or an entry is malformed; the message never shows a key.
    """
    if settings.keyring is not None:
        where, text = "TOCSIN_KEYRING", settings.keyring.get_secret_value().replace(",", "\n")
    elif settings.keyring_file is not None:
        where = str(settings.keyring_file)
        try:
            text = settings.keyring_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(where, "", "cannot be read, or is no text") from error
    else:
        raise ConfigurationError(
            "TOCSIN_KEYRING_FILE",
            "",
            "no keyring: name a file with lines `id:base64 of 32 bytes`, primary first",
        )
    return parse_keyring(where, text)


def parse_keyring(where: str, text: str) -> Keyring:
    """Read `id:base64` lines, the primary first; raises as `load_keyring`."""
    keys: dict[str, bytes] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        key_id, _, encoded = line.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not key_id or len(key) != _KEY_BYTES or key_id in keys:
            raise ConfigurationError(
                where, key_id, f"each line is `id:base64 of {_KEY_BYTES} bytes`, ids unique"
            )
        keys[key_id] = key
    if not keys:
        raise ConfigurationError(where, "", "the keyring is empty")
    return Keyring(next(iter(keys)), keys)


def new_key_line(key_id: str) -> str:
    """Return a keyring line with a new random key."""
    return f"{key_id}:{base64.b64encode(os.urandom(_KEY_BYTES)).decode()}"


def _place(*names: str) -> bytes:
    # Each with its length, so that no two places read the same.
    encoded = [name.encode() for name in names]
    return b"".join(len(name).to_bytes(4) + name for name in encoded)
