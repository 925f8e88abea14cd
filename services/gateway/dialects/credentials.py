"""A credential as a backend gets it: its region, the proxy before it, and what of it is secret.

iptag/jimeng-api takes `[scheme://user:password@host:port@][us-|hk-|jp-|sg-]token`
(src/api/controllers/core.ts), the region in either letter case; a `,` would be two accounts, one of
them taken by chance.
"""

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from contracts.balancer import PLAIN

_REGIONS = (b"us-", b"hk-", b"jp-", b"sg-")
_REGION_BYTES = 3
_WORTH_HIDING = 4
"""Shorter ones stand in every text by chance."""
LOOKED_FOR_MIN = 12
"""Characters that a secret has at least to be looked for in answers: shorter ones stand there by
chance, and an answer would be spoiled for nothing."""
_PROXIES = frozenset({PLAIN, "jimeng"})
_REGIONAL = _PROXIES | {"drraw"}
"""Dialects that know what to make of a proxy, and of a region; `plain` gets both as they are."""


def authorization_of(region: str, credential: str) -> bytes:
    """Make the value of `Authorization`: the region stands behind a proxy, before the token."""
    proxy, at, token = credential.rpartition("@")
    prefix = f"{region}-" if region else ""
    return f"Bearer {proxy}{at}{prefix}{token}".encode()


def secrets_of(value: bytes | None) -> tuple[bytes, ...]:
    """Take out of an `Authorization` all that must be told to nobody, the longest first."""
    if value is None:
        return ()
    whole, token, password = _value_parts(value)
    if b"@" not in whole:
        return (token,) if token else ()
    spellings = (whole, token, password, unquote_to_bytes(password))
    return tuple(
        dict.fromkeys(spelling for spelling in spellings if len(spelling) >= _WORTH_HIDING)
    )


def is_too_short(credential: str) -> bool:
    """Whether a part of it is too short to be looked for in answers."""
    _, token, password = _value_parts(credential.encode())
    return len(token) < LOOKED_FOR_MIN or 0 < len(password) < LOOKED_FOR_MIN


def _value_parts(value: bytes) -> tuple[bytes, bytes, bytes]:
    """Take an `Authorization` apart: the whole, its token, the password of its proxy (if any)."""
    whole = value.removeprefix(b"Bearer ")
    proxy, _, token = whole.rpartition(b"@")
    if token[:_REGION_BYTES].lower() in _REGIONS:
        token = token[_REGION_BYTES:]
    if not proxy:
        return whole, token, b""
    return whole, token, proxy.partition(b"://")[2].rpartition(b"@")[0].partition(b":")[2]


def spellings_of(secrets: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Keep those that are long enough to be looked for in an answer."""
    return tuple([secret for secret in secrets if len(secret) >= LOOKED_FOR_MIN])


def hide_secrets(text: str, secrets: Iterable[bytes], instead: str) -> str:
    """Write a text without any of these."""
    for secret in secrets:
        text = text.replace(secret.decode("latin-1"), instead)
    return text


def cut_begun_secret(text: str, secrets: Iterable[bytes]) -> str:
    """Write a text that was cut, without the first characters of any of these at its end."""
    begun = 0
    for secret in secrets:
        whole = secret.decode("latin-1")
        longest = min(len(text), len(whole) - 1)
        lengths = range(longest, begun, -1)
        begun = next((length for length in lengths if text.endswith(whole[:length])), begun)
    return text[: len(text) - begun]


def dialects_saying(dialects: Iterable[str], value: bytes) -> list[str]:
    """Keep the dialects in which this credential can be said."""
    allowed = _allowed_types(value)
    return [dialect for dialect in dialects if allowed is None or dialect in allowed]


def dialects_able(dialects: list[str], value: bytes) -> list[str]:
    """Keep the same, where an empty list means any, and one that is never left empty."""
    allowed = _allowed_types(value)
    if allowed is None:
        return dialects
    return dialects_saying(dialects, value) or sorted(allowed)


def _allowed_types(value: bytes) -> frozenset[str] | None:
    """Name the dialects that can say a credential's proxy, or region; None: it has neither."""
    whole = value.removeprefix(b"Bearer ")
    if b"@" in whole:
        return _PROXIES
    return _REGIONAL if whole[:_REGION_BYTES].lower() in _REGIONS else None
