"""`tocsin listen`: a receiver on this machine that verifies and shows what arrives."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tocsin.cli import output, times
from tocsin.cli.failure import FAILED, Failure, usage

if TYPE_CHECKING:
    from ssl import SSLContext

    from rich.text import Text

    from tocsin.cli.receiver import Answers, Received, Receiver, Verify
    from tocsin.wire.systems import WireFormat

_MARKS: Final = {
    True: ("✓ verified", "green"),
    False: ("✗ refused ", "bold red"),
    None: ("? unsigned", "yellow"),
}


def listen(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65_535, help="Port to listen on; 0 takes any that is free.")
    ] = 0,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    system: Annotated[
        str | None, typer.Option(metavar="NAME", help="Verify as this documented system signs.")
    ] = None,
    wire_format: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Verify as this open format signs.")
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="The signing secret. May be repeated while one rotates."),
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Register at the control API, and remove that at the end.")
    ] = False,
    events: Annotated[
        str, typer.Option(metavar="NAMES", help="Event types to register for, comma separated.")
    ] = "*",
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Register under this URL, such as a tunnel's; else under host and port."
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Speak HTTPS with this certificate and its key, in PEM. Without it, where the system takes HTTPS "
            "alone: the one that `make up` made.",
        ),
    ] = None,
    fail: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Let the first so many requests fail.")
    ] = None,
    status: Annotated[
        int | None,
        typer.Option(
            metavar="CODE", min=200, max=599, help="How they fail; without --fail all do. Else 503."
        ),
    ] = None,
    delay: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Hold every answer back for so long, such as 2s.")
    ] = None,
    body: Annotated[bool, typer.Option("--body", help="Show each request's body.")] = False,
    exit_after: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Stop after so many requests; exit code 1 if one did not verify."
        ),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Receive webhooks on this machine: verify each, show it on a line, answer 200.

    A request whose signature is not right is answered 401. With --register nothing else is needed: the endpoint is
    registered with the key in TOCSIN_API_KEY, its secret is taken from the answer, and Ctrl-C removes it again.
    """
    from tocsin.cli.endpoints import request
    from tocsin.cli.receiver import Receiver

    wire = _wire(system, wire_format)
    if register and wire is None:
        raise usage("--register needs --system (that of your API key) or --format, to know how to verify")
    if secret and wire is None:
        raise usage("--secret needs --system or --format, to know how to verify")
    shown = _Shown(body, as_json, exit_after)
    if certificate is None and url is None and system is not None and _is_https_only(system):
        certificate = _local_certificate()
    tls = _tls(certificate) if certificate is not None else None
    try:
        receiver = Receiver(host, port, _answers(fail, status, delay), shown, tls)
    except OSError as error:
        raise Failure(
            f"{host}:{port} cannot be listened on: {error.strerror}; --port 0 takes a free one"
        ) from error
    if wire is not None and secret:
        receiver.verify = _verifier(wire, secret)
    receiver.start()
    address = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{receiver.port}/"
    with ExitStack() as lasting:
        lasting.enter_context(_interruptible(shown))
        if register and wire is not None:
            endpoint = request(url or address, events, wire_format=wire_format, description="tocsin listen")
            lasting.enter_context(_registration(receiver, wire, endpoint, shown.ended))
        _say_ready(address, receiver.verify is not None, as_json)
        shown.ended.wait()
        output.interrupted()
    receiver.stop()
    shown.sum_up()
    if shown.refused:
        raise typer.Exit(FAILED if exit_after else 0)


def document(received: Received) -> dict[str, Any]:
    """Return a request for machines."""
    return {
        "time": times.rfc3339(received.at_ms),
        "event_type": received.event_type,
        "id": received.id,
        "seen": received.seen,
        "verified": received.verified,
        "reason": received.reason,
        "status": received.status,
        "path": received.path,
        "headers": dict(received.headers),
        "body": output.text_or_base64(received.body),
    }


def line(received: Received, now_ms: int) -> Text:
    """Return a request as one line."""
    from rich.text import Text

    mark, style = _MARKS[received.verified]
    again = f"  again, {received.seen} times" if received.seen > 1 and received.id else ""
    return Text.assemble(
        (f"{times.clock(received.at_ms, now_ms):<8}  ", "dim"),
        (f"{output.printable(received.event_type) or '-':<22}  ", "bold"),
        (f"{output.printable(received.id)[:36] or '-':<36}  ", "cyan"),
        (mark, style),
        f"  {received.status}",
        (again, "yellow"),
        (f"  {output.printable(received.reason or '')}" if received.reason else "", "red"),
    )


class _Shown:
    """Shows requests as they come and remembers how many there were."""

    def __init__(self, body: bool, as_json: bool, exit_after: int | None) -> None:
        self.ended = threading.Event()
        self.count = self.verified = self.refused = 0
        self._body, self._as_json, self._exit_after = body, as_json, exit_after
        self._out = output.console()

    def __call__(self, received: Received) -> None:
        self.count += 1
        self.verified += received.verified is True
        self.refused += received.verified is False
        if self._as_json:
            output.json_line(document(received))
        else:
            self._out.print(line(received, round(time.time() * 1000)))
            if self._body:
                for text in output.pretty_body(received.body).splitlines():
                    self._out.print(output.styled(f"          {text}", "dim"))
            self._out.file.flush()
        if self._exit_after is not None and self.count >= self._exit_after:
            self.ended.set()

    def sum_up(self) -> None:
        """Say how many there were."""
        if not self._as_json:
            output.notice(f"{self.count} received, {self.verified} verified, {self.refused} refused")


def _answers(fail: int | None, status: int | None, delay: str | None) -> Answers:
    from tocsin.cli.receiver import Answers

    try:
        delay_s = times.duration_s(delay) if delay is not None else 0.0
    except ValueError as error:
        raise usage(f"--delay: {error}") from None
    every = status is not None and fail is None
    return Answers(status=status or 503, fail_first=None if every else fail or 0, delay_s=delay_s)


def _wire(system: str | None, wire_format: str | None) -> WireFormat | None:
    from tocsin.cli.contracts import known_system, unknown
    from tocsin.wire.systems import load_systems

    systems = load_systems()
    if wire_format is not None and wire_format not in systems.formats:
        raise unknown("open format", wire_format, systems.formats)
    if system is not None:
        return systems.wire_format(known_system(system).name, wire_format)
    return systems.formats[wire_format] if wire_format is not None else None


def _is_https_only(system: str) -> bool:
    from tocsin.cli.contracts import known_system

    return known_system(system).https_only


def _local_certificate() -> Path | None:
    """Return the certificate for loopback that lies beside the authority that programs on this machine trust."""
    from tocsin import settings

    authority = settings.load().ca_file
    beside = authority.with_name("server.pem") if authority is not None else None
    return beside if beside is not None and beside.exists() else None


def _tls(certificate: Path) -> SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate)
    except OSError as error:
        told = f"{certificate}: {'holds none' if isinstance(error, ssl.SSLError) else error.strerror}"
        raise usage(
            f"--certificate: {told}; it has to be a PEM file with a certificate and its key"
        ) from None
    return context


def _verifier(wire: WireFormat, secrets: Sequence[str]) -> Verify | None:
    from tocsin.wire.signing import signing_key
    from tocsin.wire.verify import verify

    if wire.signature.header is None:
        return None  # A chat or paging tool's format: the secret is in its URL or body.
    for text in secrets:
        signing_key(wire.signature, text)

    def judge(headers: Sequence[tuple[str, str]], body: bytes) -> None:
        verify(wire, headers, body, secrets)

    return judge


@contextmanager
def _interruptible(shown: _Shown) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the listening in good order, a second one at once."""

    def asked(number: int, frame: FrameType | None) -> None:
        if shown.ended.is_set():
            raise KeyboardInterrupt
        shown.ended.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _registration(
    receiver: Receiver, wire: WireFormat, endpoint: Mapping[str, Any], ended: threading.Event
) -> Iterator[None]:
    """Have an endpoint registered while this lasts; it begins once no matching event can be missed any more."""
    from tocsin.cli.api import client

    with client() as api:
        created = api.webhooks.create(**endpoint).fields
        try:
            receiver.verify = _verifier(wire, [created["secret"]]) if created.get("secret") else None
            output.notice(f"registered {created['id']} for {', '.join(created['events'])}")
            ended.wait(max(times.moment_ms(created["effective_at"], 0) / 1000 - time.time(), 0.0))
            yield
        finally:
            api.webhooks.delete(created["id"])
            output.notice(f"removed {created['id']}")


def _say_ready(address: str, verifying: bool, as_json: bool) -> None:
    if as_json:
        output.json_line({"listening": address, "verifying": verifying})
        return
    how = "verifying signatures" if verifying else "nothing is verified: give --secret, or --register"
    output.notice(f"listening on {address}, {how}; Ctrl-C ends")
