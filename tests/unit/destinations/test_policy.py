"""The decision on one address and port under a policy."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.destinations import DEFAULT_PORTS, Address, Policy, opened, policy_of, refusal
from tocsin.errors import ConfigurationError
from tocsin.settings import Settings

STRICT = Policy()
LOOPBACK_OPEN = Policy.of(allow_cidrs=["127.0.0.0/8", "::1/128"])


def _refused(address: str, port: int = 443, policy: Policy = STRICT, own: tuple[str, ...] = ()) -> bool:
    return refusal(ip_address(address), port, policy, {ip_address(one) for one in own}) is not None


@pytest.mark.parametrize("port", [443, 8443, 80, 8080])
def test_public_address_is_allowed_on_every_default_port(port: int) -> None:
    """The four ports of the default policy."""
    assert not _refused("8.8.8.8", port)


@given(st.integers(min_value=-1, max_value=70_000).filter(lambda port: port not in DEFAULT_PORTS))
def test_public_address_is_refused_on_any_other_port(port: int) -> None:
    """A webhook never reaches mail, SSH, databases or the like."""
    assert _refused("8.8.8.8", port)


def test_ports_can_be_set() -> None:
    """The list is a setting, and replaces the default."""
    policy = Policy.of(ports=[9443])
    assert not _refused("8.8.8.8", 9443, policy)
    assert _refused("8.8.8.8", 443, policy)


@pytest.mark.parametrize("port", [1, 22, 443, 65535])
def test_opened_address_is_allowed_on_every_port(port: int) -> None:
    """Test receivers listen where the kernel puts them."""
    assert not _refused("127.0.0.1", port, LOOPBACK_OPEN)
    assert not _refused("::1", port, LOOPBACK_OPEN)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fe80::1", "128.0.0.1"]
)
@pytest.mark.parametrize("port", [22, 9999])
def test_opening_loopback_opens_nothing_else(address: str, port: int) -> None:
    """Neither another private address nor another port of a public one."""
    assert _refused(address, port, LOOPBACK_OPEN)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_what_is_no_port_is_refused_even_at_an_opened_address(port: int) -> None:
    """Port 0 is no port."""
    assert _refused("127.0.0.1", port, LOOPBACK_OPEN)


def test_denied_range_is_refused_although_public() -> None:
    """An operator keeps webhooks away from public addresses of their own."""
    assert _refused("8.8.8.8", policy=Policy.of(denied_cidrs=["8.8.8.0/24"]))


def test_denied_range_wins_over_opened_range() -> None:
    """Of two settings that contradict each other the strict one holds."""
    policy = Policy.of(allow_cidrs=["10.0.0.0/8"], denied_cidrs=["10.1.0.0/16"])
    assert not _refused("10.2.0.1", policy=policy)
    assert _refused("10.1.0.1", policy=policy)
    assert not opened(ip_address("10.1.0.1"), policy)


def test_own_address_is_refused_unless_opened() -> None:
    """A webhook does not come back to the host that sends it, on whatever address that has."""
    assert _refused("8.8.8.8", own=("8.8.8.8",))
    assert not _refused("8.8.4.4", own=("8.8.8.8",))
    assert not _refused("127.0.0.1", policy=LOOPBACK_OPEN, own=("127.0.0.1",))


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("64:ff9b::808:808", False),
        ("64:ff9b::7f00:1", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("64:ff9b:1::808:808", True),
        ("8.8.8.8", False),
    ],
)
def test_translated_address_is_judged_as_the_ipv4_address_it_leads_to(address: str, refused: bool) -> None:
    """On an IPv6-only host every IPv4 destination looks like this."""
    assert _refused(address, policy=Policy.of(nat64_prefixes=["64:ff9b::/96"])) is refused


def test_denied_range_holds_for_both_sides_of_a_translation() -> None:
    """The operator's ranges count in front of the translator and behind it."""
    behind = Policy.of(nat64_prefixes=["64:ff9b::/96"], denied_cidrs=["8.8.8.0/24"])
    before = Policy.of(nat64_prefixes=["64:ff9b::/96"], denied_cidrs=["64:ff9b::808:0/112"])
    assert _refused("64:ff9b::808:808", policy=behind)
    assert _refused("64:ff9b::808:808", policy=before)


@pytest.mark.parametrize(
    "setting",
    [
        {"allow_cidrs": ["10.0.0.1/8"]},
        {"denied_cidrs": ["all"]},
        {"nat64_prefixes": ["64:ff9b::/97"]},
        {"nat64_prefixes": ["10.0.0.0/8"]},
    ],
)
def test_malformed_range_is_a_configuration_error(setting: dict[str, list[str]]) -> None:
    """A typing mistake must not widen or narrow what is reached."""
    with pytest.raises(ConfigurationError):
        Policy.of(**setting)  # type: ignore[arg-type]


@given(st.ip_addresses(), st.sampled_from(sorted(DEFAULT_PORTS)))
def test_opening_everything_allows_everything(address: Address, port: int) -> None:
    """`allow_cidrs` is exactly what it says, so it is off by default."""
    assert refusal(address, port, Policy.of(allow_cidrs=["0.0.0.0/0", "::/0"])) is None


def test_policy_has_all_that_the_settings_say() -> None:
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        allow_http=True,
        allow_cidrs=("10.0.0.0/8",),
        denied_cidrs=("10.1.0.0/16",),
        ports=(9443,),
        nat64_prefixes=("64:ff9b::/96",),
    )
    assert policy_of(settings) == Policy.of(
        allow_http=True,
        allow_cidrs=["10.0.0.0/8"],
        denied_cidrs=["10.1.0.0/16"],
        ports=[9443],
        nat64_prefixes=["64:ff9b::/96"],
    )
