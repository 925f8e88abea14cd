"""What an operator may turn at the gateway (`[gateway]`, `[services]`)."""

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from runtime.geography.regions import region_named
from runtime.quantities import Seconds, Size
from runtime.settings import DEFAULT_SERVICES, Section, ServiceTypeSection
from runtime.texts import refuse_unwritable
from services.gateway.domain.answers.failures import FailureTables, Meaning, failure_tables
from services.gateway.domain.heads import name_objection

StoredForm = Literal["full", "truncated", "hashed", "none"]
"""How much of what tells one client from another is kept."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE | re.ASCII)
_BASE_PATH = re.compile(r"(/[a-z0-9_~-][a-z0-9._~-]*)+", re.IGNORECASE | re.ASCII)
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)
_PATIENCE_S = {"image": 1800.0, "video": 5400.0}
"""Backends of this family answer whole: a picture after minutes, a film after an hour."""
_PATIENCE_OF_OTHERS_S = 600.0
_WAIT_MAX_S = 3600


class MessageSection(Section, frozen=True, kw_only=True):
    """`[[gateway.messages]]`: what a backend's message means that begins so."""

    pattern: str
    """A regular expression, matched from the message's first character."""
    meaning: Meaning

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(
                f"pattern: expected a regular expression, got {self.pattern!r} ({error})"
            ) from None


class GatewaySection(Section, frozen=True, kw_only=True):
    """Bounds and patience of one gateway process."""

    workers: int = 1
    """Gateway processes that `up` starts on the same port. Read at the start alone."""
    max_body: Size = Size(100_000_000)
    json_max: Size = Size(32_000_000)
    """Of a JSON body that has to be read here: where it decides the service type, the units or
    whether a key may use its model, or where a server's dialect has to know it."""
    spool: str = ""
    """Where longer bodies lie while they are read here, in files without a name; by default
    `spool` in the home. A relative one lies beside the configuration file, or where the process
    runs if it is there alone."""
    spool_max: Size = Size(1_000_000_000)
    """Of all these together, for one gateway process; beyond it, `pool_saturated`."""
    max_wait: Seconds = Seconds(0)
    """How long a request may wait for a session while all of them are busy, where it does not say
    so itself (`X-Max-Wait-Ms`); 0: it fails at once. Most proxies cut waits at 60 to 100 s."""
    max_wait_max: Seconds = Seconds(600)
    """The longest wait that a request may ask for."""
    attempts_max: int = 3
    """Upstream attempts of one request, the first included."""
    connect_timeout: Seconds = Seconds(5)
    first_byte_timeout: Seconds | None = None
    """How long a server may be silent before its answer begins, for the service types that say
    nothing of their own."""
    idle_timeout: Seconds = Seconds(120)
    """How long a server may be silent within a body; within an event stream as long as before
    one."""
    send_timeout: Seconds = Seconds(60)
    """How long a client may send nothing of a body that is waited for, or take nothing of what
    waits for it. It may be slow, but not under 1 KB/s averaged over 30 s."""
    connections_max: int = 10_000
    """Connections of clients, per process; no more than half the files it may have open. Of one
    address, 256 stay on which no valid key was sent (1,024 for a second); this machine and
    `trusted_proxies` are not counted so."""
    exchange_max: Seconds = Seconds(7200)
    """How long one exchange with a server may last in all."""
    reuse_idle: Seconds = Seconds(1)
    """How long a connection to a server may have been idle to be used again, where the server does
    not say how long it keeps one (`Keep-Alive: timeout`, of which a second is taken off)."""
    failover_wait: Seconds = Seconds(10)
    """How long the pool or the balancer may be leaderless before a request fails."""
    models_max_age: Seconds = Seconds(300)
    """How long `/v1/models` may be answered from memory; while a server has not said any, 10 s."""
    client_address: StoredForm = "truncated"
    """How client addresses and user agents are stored in the log. Truncated, an address is its
    /24 (IPv6: /48), and a user agent its first word, such as `OpenAI/Python`."""
    proxy: str = ""
    """A proxy on the way to servers: `"http://user:password@proxy.example.internal:3128"`, or
    `https://`. It is asked for a tunnel to servers of `https`, and told the whole address of
    others; probes take the same way. What the environment says of proxies is never used."""
    trusted_proxies: list[str] = []
    """Addresses and networks (`"10.0.0.0/8"`) of the proxies whose `X-Forwarded-For` and
    `X-Forwarded-Proto` are believed, and who may say where a client is; nobody else may."""
    client_region: str = ""
    """Where clients are of whom neither a trusted proxy nor their address tells it, such as
    `us-west`, `europe` or `JP` (docs/explanation/geography.md); empty: nobody knows."""
    metrics_allow: list[str] = msgspec.field(default_factory=lambda: ["127.0.0.0/8", "::1"])
    """Addresses and networks that may ask `/metrics` and `/schema` without a key, when they ask
    directly: through a proxy, or from a page of another origin, a key is needed."""
    base_path: str = ""
    """What stands before every path behind a front that shares its domain, such as `"/tidegate"`.
    It is taken off before anything else looks at a path, and never sent to a server; paths without
    it are answered as well."""
    hosts: list[str] = []
    """Names that requests without a key may give as their `Host`, beside addresses, `localhost` and
    names without a dot."""
    cors_origins: list[str] = []
    """Origins (`"https://ops.example.org"`) whose pages may ask operators' paths; `"*"` is any. The
    generation paths, and those that the original has, may be asked from everywhere."""
    response_headers: list[str] = []
    """Headers of servers' answers that clients get beside those that always pass: `content-type`,
    `-length`, `-encoding`, `-language`, `-disposition` and `-range`, `accept-ranges`, `etag`,
    `last-modified`, `openai-model`, `-processing-ms` and `-version`. Nothing else of a server's
    head reaches a client, or the front that would obey it."""
    codes: dict[str, Meaning] = {}
    """What the error codes of the backends' envelopes mean, over the built-in table
    (docs/reference/failures.md)."""
    inner_codes: dict[str, Meaning] = {}
    """The same of the codes that stand inside their messages."""
    messages: list[MessageSection] = []
    """What their messages mean; tried before the built-in ones, the first that fits decides."""
    codes_replace: bool = False
    """Whether `codes`, `inner_codes` and `messages` stand in the place of the built-in tables."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if self.workers < 1:
            raise ValueError("workers: expected at least 1")
        if self.attempts_max < 1:
            raise ValueError("attempts_max: expected at least 1")
        _check_waits(self)
        if self.connections_max < 1:
            raise ValueError("connections_max: expected at least 1")
        if self.send_timeout <= 0:
            raise ValueError('send_timeout: expected more than nothing, such as "60s"')
        if self.client_region and not region_named(self.client_region):
            raise ValueError(
                'client_region: expected a region or a country such as "us-west", "europe" or "JP",'
                f" got {self.client_region!r}"
            )
        _check_names(self)
        if self.proxy and not _is_proxy(self.proxy):
            raise ValueError(
                'proxy: expected an address such as "http://proxy.example.internal:3128", with'
                " user and password percent-encoded before an @ where it wants them"
            )
        for name in self.response_headers:
            if objection := name_objection(name):
                raise ValueError(f"response_headers: {objection}")

    def common_patience_s(self, service_type: str) -> float:
        """How long a server may be silent, for a type that says nothing of it or is no more."""
        return self.first_byte_timeout or _PATIENCE_S.get(service_type, _PATIENCE_OF_OTHERS_S)

    def failure_tables(self) -> FailureTables:
        """What backends' failures mean here."""
        messages = [(message.pattern, message.meaning) for message in self.messages]
        return failure_tables(self.codes, self.inner_codes, messages, replace=self.codes_replace)


def _is_proxy(url: str) -> bool:
    """Tell whether it is a proxy's address; its parts are not in any message: one is a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and parts.netloc.count("@") < 2  # noqa: PLR2004
    nothing_else = parts.path in {"", "/"} and not parts.query and not parts.fragment
    named = parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0
    return plain and nothing_else and named


def _check_waits(section: GatewaySection) -> None:
    """Check how long requests may wait."""
    if not 0 <= section.max_wait <= section.max_wait_max:
        raise ValueError("max_wait: expected at least 0, and no more than max_wait_max")
    if section.max_wait_max > _WAIT_MAX_S:
        raise ValueError('max_wait_max: expected at most "1h"')


def _check_names(section: GatewaySection) -> None:
    """Refuse addresses, hosts, origins and paths that are none. Raises `ValueError`."""
    if section.base_path and _BASE_PATH.fullmatch(section.base_path) is None:
        expected = 'a path such as "/tidegate", without a slash at its end'
        raise ValueError(f"base_path: expected {expected}, got {section.base_path!r}")
    for setting in ("trusted_proxies", "metrics_allow"):
        for text in getattr(section, setting):
            parse_network(text, setting)
    for text in section.hosts:
        if _HOST.fullmatch(text) is None:
            expected = 'names such as "gate.example.org", without a port'
            raise ValueError(f"hosts: expected {expected}, got {text!r}")
    for text in section.cors_origins:
        if text != "*" and _ORIGIN.fullmatch(text) is None:
            expected = 'origins such as "https://ops.example.org"'
            raise ValueError(f"cors_origins: expected {expected}, got {text!r}")


def parse_network(text: str, setting: str = "trusted_proxies") -> Network:
    """Read an address or a network of `setting`. Raises `ValueError`, worded for who set it."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f'{setting}: expected addresses or networks such as "192.0.2.1" or "10.0.0.0/8",'
            f" got {text!r} ({error})"
        ) from None


class Settings(Section, frozen=True, kw_only=True):
    """The tables the gateway reads."""

    gateway: GatewaySection = GatewaySection()
    services: dict[str, ServiceTypeSection] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_SERVICES)
    )

    def __post_init__(self) -> None:
        """Refuse what only several tables together show."""
        refuse_unwritable(self.services)
        exchange_max = self.gateway.exchange_max
        for name, section in self.services.items():
            patience = section.first_byte_timeout
            if patience is not None and patience >= exchange_max:
                raise ValueError(
                    f"services.{name}.first_byte_timeout: expected less than"
                    f" gateway.exchange_max ({exchange_max:g} s), got {patience:g} s"
                )

    def patience_s(self) -> dict[str, float]:
        """How long a server may be silent before its answer begins, by service type."""
        return {
            name: section.first_byte_timeout or self.gateway.common_patience_s(name)
            for name, section in self.services.items()
        }
