"""Where a POST may go: one decision, used when a subscription is written and again on every connect."""

from tocsin.destinations.address import Address, Network, special
from tocsin.destinations.policy import DEFAULT_PORTS, Policy, opened, policy_of, refusal
from tocsin.destinations.url import Destination, parse_url

__all__ = [
    "DEFAULT_PORTS",
    "Address",
    "Destination",
    "Network",
    "Policy",
    "opened",
    "parse_url",
    "policy_of",
    "refusal",
    "special",
]
