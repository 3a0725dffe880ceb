"""Wire formats: how an event looks on the wire. A system has its own; open formats serve every system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tocsin.errors import ConfigurationError
from tocsin.wire.carried_headers import CONNECTION_HEADERS, is_name
from tocsin.wire.declarations import FormatFile, SystemFile, WireTable, read
from tocsin.wire.payload import Payload
from tocsin.wire.rendering import HEADER_VALUE
from tocsin.wire.signing import SignatureScheme
from tocsin.wire.template import SPREAD, Compiled, TemplateInvalid, compile_value

_OURS: Final = CONNECTION_HEADERS | {"content-type"}
"""What the HTTP client or `content_type` sets; a format that sets them too would contradict the request."""


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """One header, or with `spread` one for each entry of an object, named after the prefix `name`."""

    name: str
    value: Compiled
    spread: bool = False


@dataclass(frozen=True, slots=True)
class WireFormat:
    """How events look on the wire; compiled, immutable.

    Attributes:
        name: The system's or the open format's name.
        body: Makes the body's value.
        content_type: Of the body.
        headers: Everything but content type and signature.
        signature: How it is signed.
        secret_field: Field of the body that `inject_secret` fills in, or None.
        flat_keys: Envelope keys beside which the event's fields stand; empty if they have an object of their own.
        depends_on_delivery: Whether two deliveries of one event differ; if not, one rendering serves all.
        payloads: Event type to the function that makes its JSON object.
        title: For people.
        url_is_secret: Whoever knows the URL may post there, whatever its host is.
    """

    name: str
    body: Compiled
    content_type: str
    headers: tuple[HeaderTemplate, ...]
    signature: SignatureScheme
    secret_field: str | None
    flat_keys: frozenset[str]
    depends_on_delivery: bool
    title: str = ""
    url_is_secret: bool = False
    payloads: Mapping[str, Payload] = field(default_factory=dict, repr=False)

    @property
    def has_secret(self) -> bool:
        """Whether it uses a secret at all: to sign with, or inside of its body."""
        return self.signature.header is not None or self.secret_field is not None


@dataclass(frozen=True, slots=True)
class OpenFormat:
    """A format that every system's subscriptions may choose; `bind` makes it one system's."""

    wire: WireFormat
    signed_by_system: bool

    def bind(self, own: WireFormat) -> WireFormat:
        """Return this format for the events of the system whose own format is `own`."""
        signature = own.signature if self.signed_by_system else self.wire.signature
        return replace(self.wire, payloads=own.payloads, signature=signature)


def load_formats(folder: Path) -> Mapping[str, OpenFormat]:
    """Read every open format of a folder.

    Raises:
        ConfigurationError: One is malformed.
    """
    return MappingProxyType({path.stem: _load(path) for path in sorted(folder.glob("*.toml"))})


def compile_format(
    name: str,
    path: Path,
    declared: SystemFile | FormatFile,
    signature: SignatureScheme,
    secret_field: str | None = None,
) -> WireFormat:
    """Compile what a file declares.

    Raises:
        ConfigurationError: A template or a header can't work.
    """
    try:
        body = compile_value(declared.body, "body", declared.maps)
        headers = _headers(declared, signature)
    except TemplateInvalid as error:
        raise ConfigurationError(str(path), error.key, error.reason) from error
    if body.kind != "object":
        raise ConfigurationError(str(path), "body", "must be an object")
    keys = set(declared.body) if isinstance(declared.body, dict) else set()
    if secret_field is not None and (not keys or secret_field in keys or SPREAD in keys):
        raise ConfigurationError(
            str(path), "secret_field.path", "names a field that the body may have already"
        )
    return WireFormat(
        name=name,
        body=body,
        content_type=declared.content_type,
        headers=headers,
        signature=signature,
        secret_field=secret_field,
        flat_keys=frozenset(keys - {SPREAD}) if SPREAD in keys else frozenset(),
        depends_on_delivery=body.uses_delivery or any(header.value.uses_delivery for header in headers),
        title=declared.title,
        url_is_secret=declared.url_is_secret,
    )


def _load(path: Path) -> OpenFormat:
    declared = read(path, FormatFile)
    table = declared.signature
    signature = declared.scheme(None if isinstance(table, str) else table)
    secret_field = declared.secret_field.path if declared.secret_field else None
    if table == "system" and secret_field is not None:
        raise ConfigurationError(
            str(path), "signature", "the secret can't be both the system's and the body's"
        )
    return OpenFormat(compile_format(path.stem, path, declared, signature, secret_field), table == "system")


def _headers(declared: WireTable, signature: SignatureScheme) -> tuple[HeaderTemplate, ...]:
    taken = _OURS | {name.lower() for name in signature.header_names()}
    agent = {"User-Agent": declared.user_agent} if declared.user_agent else {}
    compiled = []
    for name, text in {**agent, **declared.headers}.items():
        spread = name.endswith(SPREAD)
        shown = name.removesuffix(SPREAD)
        if not is_name(shown) or shown.lower() in taken:
            raise TemplateInvalid(f"headers.{name}", "is no header that a format may set")
        value = compile_value(text, f"headers.{name}", declared.maps)
        if spread != (value.kind == "object"):
            raise TemplateInvalid(
                f"headers.{name}", "an object belongs to a name that ends in '...', and only there"
            )
        if value.constant and not HEADER_VALUE.match(text):
            raise TemplateInvalid(f"headers.{name}", "is no printable ASCII")
        compiled.append(HeaderTemplate(shown, value, spread))
        taken |= {shown.lower()}
    return tuple(compiled)
