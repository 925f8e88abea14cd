"""A credential as a backend gets it: its region, the proxy before it, and what of it is secret.

iptag/jimeng-api takes `[scheme://user:password@host:port@][us-|hk-|jp-|sg-]token`
(src/api/controllers/core.ts); a `,` would be two accounts, one of them taken by chance.
"""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from contracts.balancer import PLAIN

_REGIONS = (b"us-", b"hk-", b"jp-", b"sg-")
_REGION_BYTES = 3
_WORTH_HIDING = 4
"""Shorter ones stand in every text by chance."""
_PROXIES = frozenset({PLAIN, "jimeng"})
_REGIONAL = _PROXIES | {"drraw"}
"""Dialects that know what to make of a proxy, and of a region; `plain` gets both as they are."""


def authorization(region: str, credential: str) -> bytes:
    """Make the value of `Authorization`: the region stands behind a proxy, before the token."""
    proxy, at, token = credential.rpartition("@")
    prefix = f"{region}-" if region else ""
    return f"Bearer {proxy}{at}{prefix}{token}".encode()


def secrets_of(value: bytes | None) -> tuple[bytes, ...]:
    """Take out of an `Authorization` all that must be told to nobody, the longest first."""
    whole = (value or b"").removeprefix(b"Bearer ")
    proxy, at, token = whole.rpartition(b"@")
    if token[:_REGION_BYTES] in _REGIONS:
        token = token[_REGION_BYTES:]
    if not at:
        return (token,) if token else ()
    password = proxy.partition(b"://")[2].rpartition(b"@")[0].partition(b":")[2]
    found = (whole, token, password, unquote_to_bytes(password))
    return tuple(dict.fromkeys(one for one in found if len(one) >= _WORTH_HIDING))


def hidden(text: str, secrets: Iterable[bytes], instead: str) -> str:
    """Write a text without any of these."""
    for secret in secrets:
        text = text.replace(secret.decode("latin-1"), instead)
    return text


def sayable_in(dialects: Iterable[str], value: bytes) -> list[str]:
    """Keep the dialects in which this credential can be said."""
    allowed = _allowed(value)
    return [one for one in dialects if allowed is None or one in allowed]


def able_with(dialects: list[str], value: bytes) -> list[str]:
    """Keep the same, where an empty list means any, and one that is never left empty."""
    allowed = _allowed(value)
    if allowed is None:
        return dialects
    return sayable_in(dialects, value) or sorted(allowed)


def _allowed(value: bytes) -> frozenset[str] | None:
    """Name the dialects that can say a credential's proxy, or region; None: it has neither."""
    whole = value.removeprefix(b"Bearer ")
    if b"@" in whole:
        return _PROXIES
    return _REGIONAL if whole[:_REGION_BYTES] in _REGIONS else None
