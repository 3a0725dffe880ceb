"""TLS: verified against the name, 1.2 or newer, deaf to the environment."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from consumers.delivery.client import DeliveryClient
from consumers.delivery.outcome import Answered, Failed, Outcome
from consumers.delivery.transport import tls_context
from tests.hostile.certificates import Authority, authority
from tests.hostile.endpoint import answers, endpoint
from tocsin.destinations import Policy

OPEN = Policy.of(allow_cidrs=["127.0.0.0/8"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that the client is told to trust."""
    return authority(tmp_path_factory.mktemp("trusted"))


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that nobody knows."""
    return authority(tmp_path_factory.mktemp("unknown"))


def _post(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> Outcome:
    async def run() -> Outcome:
        async with endpoint(answers(OK), server) as there, DeliveryClient(OPEN, tls=client) as delivering:
            return await delivering.post(url=there.url(host=host), headers=(), body=b"{}", timeout_s=5)

    return asyncio.run(run())


def _tls_error(outcome: Outcome) -> str:
    assert isinstance(outcome, Failed)
    assert outcome.kind == "tls"
    assert "127.0.0.1" not in outcome.error
    return outcome.error


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_verified_endpoint_is_delivered_to_by_name_and_by_address(trusted: Authority, host: str) -> None:
    """The certificate is checked against what stands in the URL."""
    outcome = _post(trusted.server("localhost", "127.0.0.1"), tls_context(trusted.pem), host)
    assert isinstance(outcome, Answered)
    assert outcome.status == 200


def test_name_is_sent_and_is_never_the_address(trusted: Authority) -> None:
    """SNI carries the name of the URL, though an address is dialled."""
    seen: list[str | None] = []
    server = trusted.server("localhost")
    server.sni_callback = lambda connection, name, context: seen.append(name)
    assert isinstance(_post(server, tls_context(trusted.pem)), Answered)
    assert seen == ["localhost"]


def test_unknown_authority_is_a_failure(trusted: Authority, unknown: Authority) -> None:
    """There is no switch per endpoint."""
    assert "certificate" in _tls_error(_post(unknown.server("localhost"), tls_context(trusted.pem)))


def test_wrong_name_is_a_failure(trusted: Authority) -> None:
    """A valid certificate for another host is no certificate."""
    assert "certificate" in _tls_error(_post(trusted.server("other.example"), tls_context(trusted.pem)))


def test_expired_certificate_is_a_failure(trusted: Authority) -> None:
    """And says so."""
    assert "expired" in _tls_error(_post(trusted.server("localhost", expired=True), tls_context(trusted.pem)))


def test_old_protocol_is_not_spoken(trusted: Authority) -> None:
    """1.1 is the newest that this endpoint offers."""
    server = trusted.server("localhost")
    server.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        server.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        server.maximum_version = ssl.TLSVersion.TLSv1_1
    assert tls_context().minimum_version == ssl.TLSVersion.TLSv1_2
    outcome = _post(server, tls_context(trusted.pem))
    assert isinstance(outcome, Failed)
    assert outcome.kind in {"tls", "connect", "reset"}


def test_plain_http_on_a_tls_port_is_a_failure() -> None:
    """The handshake is not skipped."""

    async def run() -> Outcome:
        async with endpoint(answers(OK)) as there, DeliveryClient(OPEN) as client:
            url = f"https://localhost:{there.port}/"
            return await client.post(url=url, headers=(), body=b"{}", timeout_s=1)

    outcome = asyncio.run(run())
    assert isinstance(outcome, Failed)
    assert outcome.kind in {"tls", "timeout"}


def test_public_authorities_are_trusted_and_the_environment_is_not(
    trusted: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`SSL_CERT_FILE`, `SSL_CERT_DIR` and `SSLKEYLOGFILE` are ignored."""
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.pem))
    monkeypatch.setenv("SSL_CERT_DIR", str(trusted.folder))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    context = tls_context()
    assert context.cert_store_stats()["x509_ca"] > 50
    assert _tls_error(_post(trusted.server("localhost"), context))
    assert not (tmp_path / "keys").exists()


def test_verification_can_be_switched_off_for_a_whole_test_run(unknown: Authority) -> None:
    """For the probe; no setting of a deployment leads here."""
    assert isinstance(_post(unknown.server("other.example"), tls_context(verify=False)), Answered)
