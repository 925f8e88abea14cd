"""What an operator may turn at the pool: `[pool]`, its provisioner and checks, `[services]`."""

import hashlib
from collections.abc import Collection, Mapping
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec

from contracts.base import ServiceType
from contracts.pool import Policy
from runtime.credentials import is_name
from runtime.quantities import Seconds
from runtime.settings import (
    DEFAULT_SERVICES,
    Section,
    ServiceTypeSection,
    service_type_objection,
)
from runtime.texts import NAME_MAX, refuse_unwritable

_TIMEOUT_MAX_S = 300
_CHECKS_MAX = 600
HOUR_MAX = 23


class ProvisionerSection(Section, frozen=True, kw_only=True):
    """Where sessions come from."""

    kind: Literal["generated", "file", "http", "none"] | None = None
    """`generated`: opaque random credentials; `file`: those of `path`; `http`: those that the hook
    at `url` answers; `none`: the API alone. By default `generated` with the demo's own servers,
    else `none`. Where one is written, generated sessions retire unless it is `generated`."""
    path: str = ""
    """For `file`: one credential a line, or one JSON object a line (see `provisioners`). A relative
    one lies beside the configuration file, or where the process runs if it is there alone."""
    url: str = ""
    """For `http`: asked by POST for as many as the pool lacks."""
    token_file: str = ""
    """For `http`: a file with the token that the hook is shown as `Authorization: Bearer`; a
    relative one lies where `path` would."""
    timeout: Seconds = Seconds(10)
    """For `http`: within which the whole answer must be there."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if (self.kind == "file") != bool(self.path):
            raise ValueError('path: expected a file of credentials with kind = "file", and only so')
        if (self.kind == "http") != bool(self.url):
            raise ValueError('url: expected the address of a hook with kind = "http", and only so')
        if self.token_file and self.kind != "http":
            raise ValueError('token_file: expected with kind = "http" only')
        if self.url and not _is_plain_url(self.url):
            raise ValueError(
                "url: expected http:// or https:// and a host, without user or password:"
                " those belong into token_file"
            )
        if not 0 < self.timeout <= _TIMEOUT_MAX_S:
            raise ValueError('timeout: expected more than "0s" and at most "5m"')


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


class CheckSection(Section, frozen=True, kw_only=True):
    """Whether accounts are asked after that no call has shown to live."""

    kind: Literal["none", "token_check"] = "none"
    """`token_check`: a gateway asks a server by `POST /token/check`, as the Jimeng family has it.
    Off by default: checks themselves may call up risk control."""
    per_minute: int = 6
    """At most so many accounts a minute are asked after, at uneven times."""

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if not 1 <= self.per_minute <= _CHECKS_MAX:
            raise ValueError(f"per_minute: expected a whole number from 1 to {_CHECKS_MAX}")


class PoolSection(Section, frozen=True, kw_only=True):
    """How many sessions there are, and how long and how often they are leased."""

    min_size: int = 50
    """Sessions, neither retired nor disabled, below which the pool asks for more."""
    max_size: int = 500
    """Sessions, neither retired nor disabled, above which none is added, and as many as are made by
    `generated` or `http` on one day."""
    refresh_threshold: float = 0.2
    """While fewer than this share of the sessions that can be granted have a unit left of a type
    that was asked for in the last hour, the pool asks for `min_size` times this many more. 0: never
    more than `min_size`."""
    health_check_interval: Seconds = Seconds(300)
    """For how long a success or a check says enough of a session's account: only one that had
    neither is checked. See `check`."""
    stale_threshold: Seconds = Seconds(86400)
    """After so long without a lease a session is stale. One that `generated` or `http` made retires
    then, unless `min_size` or a service type needs it, and may come back; others are only shown as
    stale. `"0s"`: none is."""
    lease_ttl: Seconds = Seconds(900)
    session_concurrency: int = 2
    """Leases one session may hold at once; 0 is no bound. Where it is left out and one of
    `[[servers]]` speaks a dialect it is 1: those backends' accounts are judged by it."""
    reconcile_after: Seconds = Seconds(3600)
    reset_guard: Seconds = Seconds(2)
    """How long before a reset nothing is granted for the ending day."""
    quota_timezone: str = "UTC"
    quota_reset_hour: int = 0
    """At which hour of the clock there a quota day begins; it has the date of its beginning."""
    queue_max: int = 10_000
    """Requests that may wait for a session at once, all together."""
    queue_max_per_key: int = 1000
    """The same of one client key."""
    provisioner: ProvisionerSection = ProvisionerSection()
    check: CheckSection = CheckSection()

    def __post_init__(self) -> None:
        """Refuse what no field type can."""
        if self.min_size < 0:
            raise ValueError("min_size: expected at least 0")
        if self.max_size < max(self.min_size, 1):
            raise ValueError("max_size: expected at least 1, and no less than min_size")
        if self.queue_max < 0 or self.queue_max_per_key < 0:
            raise ValueError("queue_max, queue_max_per_key: expected at least 0")
        if not 0 <= self.refresh_threshold <= 1:
            raise ValueError("refresh_threshold: expected a share from 0 to 1")
        if self.session_concurrency < 0:
            raise ValueError("session_concurrency: expected at least 0")
        if self.lease_ttl < 1:
            raise ValueError('lease_ttl: expected at least "1s"')
        if not 0 <= self.quota_reset_hour <= HOUR_MAX:
            raise ValueError(f"quota_reset_hour: expected a whole hour, 0 to {HOUR_MAX}")
        if not 0 <= self.reset_guard < 3600:  # noqa: PLR2004 (an hour of the day at most)
            raise ValueError('reset_guard: expected less than "1h"')
        try:
            ZoneInfo(self.quota_timezone)
        except (OSError, KeyError, ValueError):
            raise ValueError(
                f'quota_timezone: expected an IANA zone such as "Asia/Shanghai",'
                f" got {self.quota_timezone!r}"
            ) from None


class Settings(Section, frozen=True, kw_only=True):
    """The tables the pool reads."""

    pool: PoolSection = PoolSection()
    services: dict[str, ServiceTypeSection] = msgspec.field(
        default_factory=lambda: dict(DEFAULT_SERVICES)
    )
    tiers: dict[str, dict[str, int]] = {}
    demo: bool = False
    """Nobody named a server: the demo's own are the servers. Not written in any file."""
    serverless: bool = False
    """No server is named, and the demo's are none either. Not written in any file."""
    file: str = ""
    """Where the provisioner's `path` or `token_file` was found. Not written in any file."""

    @property
    def provisioner_kind(self) -> str:
        """Where sessions come from, where nobody wrote it too."""
        return self.pool.provisioner.kind or ("generated" if self.demo else "none")

    def __post_init__(self) -> None:
        """Refuse what only the names of a table show."""
        refuse_unwritable(self.services)
        refuse_tiers(self.tiers, self.services)


def refuse_tiers(tiers: Mapping[str, Mapping[str, int]], services: Collection[str]) -> None:
    """Refuse tiers that cannot be. Raises `ValueError`."""
    for tier, limits in tiers.items():
        if not tier or not is_name(tier):
            raise ValueError(
                f"tiers: expected names of 1 to {NAME_MAX} printable characters, got {tier!r}"
            )
        if objection := service_type_objection(limits, services):
            raise ValueError(f"tiers: [tiers.{tier}]: {objection}")
        if any(units < 0 for units in limits.values()):
            raise ValueError(f"tiers: [tiers.{tier}]: expected numbers of at least 0")


def policy_of(settings: Settings) -> Policy:
    """The limits these settings ask for; in force once the pool has journalled them."""
    pool = settings.pool
    return Policy(
        daily_limits={
            ServiceType(name): section.daily_limit for name, section in settings.services.items()
        },
        min_size=pool.min_size,
        max_size=pool.max_size,
        session_concurrency=pool.session_concurrency,
        lease_ttl_s=float(pool.lease_ttl),
        reset_guard_s=float(pool.reset_guard),
        reconcile_after_s=float(pool.reconcile_after),
        quota_timezone=pool.quota_timezone,
        quota_reset_hour=pool.quota_reset_hour,
        tiers={
            tier: {ServiceType(name): units for name, units in limits.items()}
            for tier, limits in settings.tiers.items()
        },
        queue_max=pool.queue_max,
        queue_max_per_key=pool.queue_max_per_key,
        refresh_threshold=pool.refresh_threshold,
        stale_threshold_s=float(pool.stale_threshold),
        check_interval_s=float(pool.health_check_interval),
        checks_per_minute=0.0 if pool.check.kind == "none" else float(pool.check.per_minute),
    )


def source_digest(settings: Settings) -> str:
    """Digest of what the pool reads of the configuration: the same content, the same digest.

    Where a file lies is none of it: that differs from machine to machine.
    """
    said = msgspec.structs.asdict(settings)
    del said["file"], said["serverless"]
    tables = msgspec.json.encode(said, enc_hook=float, order="sorted")
    return "sha256:" + hashlib.sha256(tables).hexdigest()[:32]
