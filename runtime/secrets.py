"""Credentials at rest: AES-GCM under the master key, and the identities of sessions.

A sealed credential is `key id (4 bytes) | nonce (12) | ciphertext and tag`; the session id is
its associated data, so a ciphertext cannot be moved to another session.
"""

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.base import SessionId

_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class SealError(Exception):
    """A ciphertext that this master key does not open."""


def new_key() -> str:
    """Make a random 256-bit key, as text."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class Sealer:
    """Seals and opens credentials under one master key (any text; hashed to 256 bits)."""

    def __init__(self, master_key: str) -> None:
        """Derive the AES key and its id."""
        key = hashlib.sha256(b"tidegate master key\0" + master_key.encode()).digest()
        self._cipher = AESGCM(key)
        # Stands before each ciphertext, so that another key is told from damage.
        self._key_id = hashlib.sha256(b"tidegate key id\0" + key).digest()[:_KEY_ID_BYTES]

    def seal_credential(self, session_id: SessionId, credential: str) -> bytes:
        """Encrypt a credential for one session."""
        # Drawn anew each time: two texts under one nonce would give both away.
        nonce = os.urandom(_NONCE_BYTES)
        text = self._cipher.encrypt(nonce, credential.encode(), session_id.encode())
        return self._key_id + nonce + text

    def open_credential(self, session_id: SessionId, sealed: bytes) -> str:
        """Decrypt a credential. Raises `SealError` for another key, session, or damage."""
        nonce = sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES]
        if sealed[:_KEY_ID_BYTES] != self._key_id:
            raise SealError(f"session {session_id}: sealed under another master key")
        try:
            text = self._cipher.decrypt(
                nonce, sealed[_KEY_ID_BYTES + _NONCE_BYTES :], session_id.encode()
            )
        except InvalidTag:
            raise SealError(f"session {session_id}: the ciphertext is damaged") from None
        return text.decode()


def session_identity(identity_key: str, region: str, credential: str) -> SessionId:
    """Derive a session's opaque id: an HMAC of region and credential (leases.md)."""
    message = f"{region}\0{credential}".encode()
    digest = hmac.new(identity_key.encode(), message, hashlib.sha256).hexdigest()
    return SessionId(f"ses_{digest[:24]}")


def key_hash(key: str) -> str:
    """Hash an API key as `evt.keys` holds it: hex SHA-256 (keys are random, so no salt)."""
    return hashlib.sha256(key.encode()).hexdigest()
