"""Signed tokens: a link that signs in once, and the sign-in that it is exchanged for.

`<payload>.<signature>`, both base64url. The payload names the token, the API key for which it
stands, and when it is over; the signature is an HMAC-SHA256 under a key that HKDF (RFC 5869)
derives from the master key, over the kind of the token, the payload and the API key's hash. So
every gateway reads what another signed, one kind passes for no other, and a key that is rotated or
revoked takes with it whatever was signed for it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from contracts.base import KeyId
from runtime.secrets import Sealer

_PURPOSE = "tidegate sign-in"
_TEXT_MAX = 1000


class TokenKind(StrEnum):
    """What a token does."""

    LINK = "link"
    SIGN_IN = "sign_in"


class Token(msgspec.Struct, frozen=True, array_like=True):
    """What a token says of itself; `expires_at` in seconds since 1970."""

    token_id: str
    key_id: KeyId
    expires_at: int

    @property
    def over_at(self) -> datetime:
        """When it is over."""
        return datetime.fromtimestamp(self.expires_at, UTC)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Token)


def sign_token(sealer: Sealer, kind: TokenKind, token: Token, key_hash: str) -> str:
    """Write a token, signed under the master key that seals."""
    payload = _as_text(_encoder.encode(token))
    signing = sealer.derived_keys(_PURPOSE)[0]
    return f"{payload}.{_as_text(_signature(signing, kind, payload, key_hash))}"


def read_payload(text: str) -> Token | None:
    """Read what a token says of itself, signed or not; None when it is none."""
    if len(text) > _TEXT_MAX or not text.isascii():
        return None
    payload, dot, _ = text.partition(".")
    try:
        token = _decoder.decode(_as_bytes(payload)) if dot else None
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
        return None
    return token if token and 0 <= token.expires_at < _YEAR_9000_S else None


def is_signed(sealer: Sealer, kind: TokenKind, text: str, key_hashes: Iterable[str]) -> bool:
    """Tell whether a token of this kind was signed here, for a key with one of these hashes."""
    payload, _, signature = text.partition(".")
    try:
        given = _as_bytes(signature)
    except (binascii.Error, ValueError):
        return False
    keys = sealer.derived_keys(_PURPOSE)
    return any(
        hmac.compare_digest(given, _signature(key, kind, payload, key_hash))
        for key_hash in key_hashes
        for key in keys
    )


_YEAR_9000_S = 221_845_392_000
"""Far beyond any token of ours, and within every calendar."""


def _signature(key: bytes, kind: TokenKind, payload: str, key_hash: str) -> bytes:
    message = f"{kind}\0{payload}\0{key_hash}".encode()
    return hmac.new(key, message, hashlib.sha256).digest()


def _as_text(given: bytes) -> str:
    return base64.urlsafe_b64encode(given).rstrip(b"=").decode()


def _as_bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
