"""Sign-ins: made of a key or a link, opened by the cookie that a browser sends, ended.

What a cookie opens is the API key for which it was signed, as that key is now: revoked, it opens
nothing; rotated, it wants to be signed in for anew.
"""

import secrets
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from contracts.gateway import SignedOut, SignInLinkUsed
from runtime.hosts import host_of
from services.gateway.clients.keydecisions import KeyRefused
from services.gateway.clients.keys import Key, KeyScope
from services.gateway.clients.origin import trusted_proxies
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.paths import BASE
from services.gateway.routes.doors import Doors
from services.gateway.signing.browser import cookie_name, cookie_value, foreign_reason
from services.gateway.signing.tokens import Token, TokenKind, is_signed, read_payload, sign_token

SIGN_IN_LASTS = timedelta(hours=12)
LINK_LASTS = timedelta(minutes=5)
_ID_BYTES, _LINK_ID_BYTES = 16, 8
SIGNS_IN = frozenset({KeyScope.ADMIN, KeyScope.VIEWER})
"""The scopes whose keys an operator's page can be opened with."""
_RawHeaders = Iterable[tuple[bytes, bytes]]


class BrowserRequest(msgspec.Struct, frozen=True):
    """What of a request tells whether it is our own page's."""

    method: str
    headers: dict[str, str]
    raw_headers: list[tuple[bytes, bytes]]
    host: str
    scheme: str
    base_path: str = ""
    """What stood before the path, and was taken off."""

    @property
    def cookie_name(self) -> str:
        """The name of the cookie for the host, port and base path that were asked."""
        return cookie_name(self.host, self.scheme, self.base_path)


def asked_of(doors: Doors, scope: "dict[str, object]") -> BrowserRequest:
    """Read a request's ASGI scope; https is what a trusted proxy says it was."""
    raw: list[tuple[bytes, bytes]] = list(scope["headers"])  # type: ignore[call-overload]
    client = scope.get("client")
    scheme = str(scope.get("scheme", "http"))
    proxies = trusted_proxies(doors.settings().gateway.trusted_proxies)
    if proxies is not None and isinstance(client, list | tuple):
        scheme = proxies.client_origin(str(client[0]), scheme, raw).scheme
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}
    base = str(scope.get(BASE, ""))
    return BrowserRequest(str(scope["method"]), headers, raw, host_of(raw), scheme, base)


def refuse_foreign(asked: BrowserRequest) -> None:
    """Refuse what cannot be taken for our own page's. Raises `GatewayError`."""
    why = foreign_reason(asked.method, asked.headers, asked.host, asked.scheme)
    if why is not None:
        raise GatewayError("cross_site_refused", why)


def has_cookie(asked: BrowserRequest) -> bool:
    """Whether a request comes by a cookie, and brings no key that would stand before it."""
    return "authorization" not in asked.headers and bool(
        cookie_value(asked.raw_headers, asked.cookie_name)
    )


def open_cookie(doors: Doors, asked: BrowserRequest) -> tuple[Key, Token]:
    """Find the key that a request's cookie stands for. Raises `GatewayError`."""
    refuse_foreign(asked)
    text = cookie_value(asked.raw_headers, asked.cookie_name)
    opened = read_sign_in(doors, text)
    if opened is None:
        message = "the sign-in is over: it expired, was ended, or its key was revoked or rotated"
        raise GatewayError("sign_in_ended", message)
    return opened


def read_sign_in(doors: Doors, text: str) -> tuple[Key, Token] | None:
    """Find the key that a sign-in stands for, and what it says of itself; None when it is over.

    Raises `GatewayError` while the keys are not read yet.
    """
    token = _valid_token(doors, TokenKind.SIGN_IN, text)
    if token is None or token.token_id in doors.key_log.ring.spent.ended:
        return None
    key = doors.key_log.ring.key_of(token.key_id)
    return (key, token) if key is not None and key.scope in SIGNS_IN else None


def new_sign_in(doors: Doors, key: Key) -> tuple[str, Token]:
    """Sign a key in; the text of the cookie, and what it says."""
    token = _new_token(doors, "sgn", key, SIGN_IN_LASTS)
    return sign_token(doors.sealer, TokenKind.SIGN_IN, token, key.hash), token


def new_link(doors: Doors, key: Key) -> tuple[str, Token]:
    """Make a link by which somebody signs in once, for a key."""
    token = _new_token(doors, "lnk", key, LINK_LASTS, _LINK_ID_BYTES)
    return sign_token(doors.sealer, TokenKind.LINK, token, key.hash), token


async def use_link(doors: Doors, text: str) -> tuple[Key, str, Token]:
    """Exchange a link for a sign-in; whoever the fence lets first. Raises `GatewayError`."""
    link = _valid_token(doors, TokenKind.LINK, text)
    key = None if link is None else doors.key_log.ring.key_of(link.key_id)
    if link is None or key is None or key.scope not in SIGNS_IN:
        message = "the link opens nothing: it is over after five minutes; ask for another one"
        raise GatewayError("sign_in_link_invalid", message)
    cookie, token = new_sign_in(doors, key)
    used = SignInLinkUsed(
        link_id=link.token_id,
        key_id=key.key_id,
        sign_in_id=token.token_id,
        expires_at=link.over_at,
    )
    decided = await doors.key_log.note_link_used(used)
    if isinstance(decided, KeyRefused):
        raise GatewayError("sign_in_link_invalid", decided.message)
    return decided, cookie, token


async def end_sign_in(doors: Doors, token: Token) -> None:
    """End a sign-in; it is in the log on return."""
    ended = SignedOut(sign_in_id=token.token_id, key_id=token.key_id, expires_at=token.over_at)
    await doors.key_log.note_signed_out(ended)


def _valid_token(doors: Doors, kind: TokenKind, text: str) -> Token | None:
    """Read a token that was signed here, for a key that still opens, and is not over."""
    token = read_payload(text)
    if token is None or token.over_at <= doors.clock():
        return None
    if not doors.key_log.is_ready:
        message = "the keys are not read yet"
        raise GatewayError("ledger_unavailable", message, retry_after_s=1)
    hashes = doors.key_log.ring.hashes_opening(token.key_id)
    return token if is_signed(doors.sealer, kind, text, hashes) else None


def _new_token(
    doors: Doors, prefix: str, key: Key, lasts: timedelta, id_bytes: int = _ID_BYTES
) -> Token:
    over_at = doors.clock() + lasts
    token_id = f"{prefix}_{secrets.token_hex(id_bytes)}"
    return Token(token_id, key.key_id, int(over_at.timestamp()))
