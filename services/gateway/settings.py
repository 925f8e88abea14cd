"""What an operator may turn at the gateway (`[gateway]`, `[services]`)."""

import ipaddress
from typing import Literal

import msgspec

from runtime.settings import DEFAULT_SERVICES, Seconds, Section, ServiceTypeSection, Size

Meaning = Literal[
    "bad_parameter", "content_rejected", "quota_exhausted", "risk_control", "login_expired"
]
"""What a backend's error code says."""

Stored = Literal["full", "truncated", "hashed", "none"]
"""How much of what tells one client from another is kept."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULT_CODES: dict[str, Meaning] = {
    "-2000": "bad_parameter",
    "-2003": "bad_parameter",
    "4002": "bad_parameter",
    "-2006": "content_rejected",
    "4001": "content_rejected",
    "-2009": "quota_exhausted",
    "1006": "quota_exhausted",
    "4013": "risk_control",
    "-2001": "login_expired",
    "34010105": "login_expired",
}


class GatewaySection(Section, frozen=True, kw_only=True):
    """Bounds and patience of one gateway process."""

    workers: int = 1
    """Gateway processes that `up` starts on the same port. Read at the start alone."""
    max_body: Size = Size(100_000_000)
    max_wait: Seconds = Seconds(0)
    """How long a request may wait for a session. Only 0 (fail fast) is known so far."""
    attempts_max: int = 3
    """Upstream attempts of one request, the first included."""
    connect_timeout: Seconds = Seconds(5)
    first_byte_timeout: Seconds = Seconds(600)
    idle_timeout: Seconds = Seconds(120)
    exchange_max: Seconds = Seconds(7200)
    failover_wait: Seconds = Seconds(10)
    """How long the pool or the balancer may be leaderless before a request fails."""
    models_max_age: Seconds = Seconds(300)
    """How long `/v1/models` may be answered from memory."""
    client_address: Stored = "truncated"
    """How client addresses and user agents are stored in the log. Truncated, an address is its
    /24 (IPv6: /48), and a user agent its first word, such as `OpenAI/Python`."""
    trusted_proxies: list[str] = []
    """Addresses and networks (`"10.0.0.0/8"`) of the proxies whose `X-Forwarded-For` and
    `X-Forwarded-Proto` are believed; nobody else's are."""
    codes: dict[str, Meaning] = msgspec.field(default_factory=lambda: dict(DEFAULT_CODES))
    """The backends' error codes and what they mean; a table here replaces the built-in one."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if self.workers < 1:
            raise ValueError("workers: expected at least 1")
        if self.attempts_max < 1:
            raise ValueError("attempts_max: expected at least 1")
        if self.max_wait > 0:
            raise ValueError('max_wait: expected "0s"; waiting for a session is not built yet')
        for text in self.trusted_proxies:
            network(text)


def network(text: str) -> Network:
    """Read an address or a network. Raises `ValueError`, worded for who set it."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            'trusted_proxies: expected addresses or networks such as "192.0.2.1" or "10.0.0.0/8",'
            f" got {text!r} ({error})"
        ) from None


class Settings(Section, frozen=True, kw_only=True):
    """The tables the gateway reads."""

    gateway: GatewaySection = GatewaySection()
    services: dict[str, ServiceTypeSection] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_SERVICES)
    )
