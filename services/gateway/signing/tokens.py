"""Signed tokens: a link that signs in once, and the sign-in that it is exchanged for.

`<payload>.<signature>`, both base64url. The payload names the token, the API key for which it
stands, and when it is over; the signature is an HMAC-SHA256 under a key that HKDF (RFC 5869)
derives from the master key, over the kind of the token, the payload and the API key's hash. So
every gateway reads what another signed, one kind passes for no other, and a key that is rotated or
revoked takes with it whatever was signed for it.

A link is read and copied by people, so it is short where its ids allow that: at most 48 characters
of base64url, without a dot, for when it is over, its id, the key's, and half of the signature,
which is as much as RFC 2104 has one keep.
"""

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from contracts.base import KeyId
from runtime.secrets import Sealer

_PURPOSE = "tidegate sign-in"
_TEXT_MAX = 1000
_SHORT = struct.Struct(">I8s")
"""When a link is over, and its id; its key's id stands behind."""
_SHORT_SIGNATURE_BYTES = 16
_SHORT_KEY_BYTES = frozenset({6, 8})
"""Of a key that was made at the first start, and of one that was issued."""
_SHORT_IDS = re.compile(r"lnk_([0-9a-f]{16}) key_([0-9a-f]{12}|[0-9a-f]{16})")


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
    signing = sealer.derived_keys(_PURPOSE)[0]
    short = _short_payload(token) if kind is TokenKind.LINK else None
    if short is not None:
        signature = _signature(signing, kind, _as_text(short), key_hash)
        return _as_text(short + signature[:_SHORT_SIGNATURE_BYTES])
    payload = _as_text(_encoder.encode(token))
    return f"{payload}.{_as_text(_signature(signing, kind, payload, key_hash))}"


def read_payload(text: str) -> Token | None:
    """Read what a token says of itself, signed or not; None when it is none."""
    if len(text) > _TEXT_MAX or not text.isascii():
        return None
    payload, dot, _ = text.partition(".")
    try:
        if not dot:
            return _read_short(text)
        token = _decoder.decode(_as_bytes(payload))
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
        return None
    return token if 0 <= token.expires_at < _YEAR_9000_S else None


def is_signed(sealer: Sealer, kind: TokenKind, text: str, key_hashes: Iterable[str]) -> bool:
    """Tell whether a token of this kind was signed here, for a key with one of these hashes."""
    payload, dot, signature = text.partition(".")
    try:
        given = _as_bytes(signature)
        if not dot:
            whole = _as_bytes(text)
            payload = _as_text(whole[:-_SHORT_SIGNATURE_BYTES])
            given = whole[-_SHORT_SIGNATURE_BYTES:]
    except (binascii.Error, ValueError):
        return False
    wanted_bytes = hashlib.sha256().digest_size if dot else _SHORT_SIGNATURE_BYTES
    keys = sealer.derived_keys(_PURPOSE)
    return any(
        hmac.compare_digest(given, _signature(key, kind, payload, key_hash)[:wanted_bytes])
        for key_hash in key_hashes
        for key in keys
    )


def _short_payload(token: Token) -> bytes | None:
    """Pack what a link says; None where it has ids of another form."""
    ids = _SHORT_IDS.fullmatch(f"{token.token_id} {token.key_id}")
    if ids is None:
        return None
    return _SHORT.pack(token.expires_at, bytes.fromhex(ids[1])) + bytes.fromhex(ids[2])


def _read_short(text: str) -> Token | None:
    """Read what a short link says. Raises `ValueError` for what is no base64url."""
    whole = _as_bytes(text)
    key = whole[_SHORT.size : -_SHORT_SIGNATURE_BYTES]
    if len(key) not in _SHORT_KEY_BYTES or _as_text(whole) != text:
        return None
    expires_at, link = _SHORT.unpack_from(whole)
    return Token(f"lnk_{link.hex()}", KeyId(f"key_{key.hex()}"), expires_at)


_YEAR_9000_S = 221_845_392_000
"""Far beyond any token of ours, and within every calendar."""


def _signature(key: bytes, kind: TokenKind, payload: str, key_hash: str) -> bytes:
    message = f"{kind}\0{payload}\0{key_hash}".encode()
    return hmac.new(key, message, hashlib.sha256).digest()


def _as_text(given: bytes) -> str:
    return base64.urlsafe_b64encode(given).rstrip(b"=").decode()


def _as_bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
