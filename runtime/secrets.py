"""Credentials at rest: AES-GCM under the master keys, and the identities of sessions.

A sealed credential is `key id (4 bytes) | nonce (12) | ciphertext and tag`; the session id is
its associated data, so a ciphertext cannot be moved to another session. The key file holds a key
a line: the first seals, all open. A file is read again while its process runs, so that a key can
be rotated without a restart (docs/how-to/rotate-the-master-key.md).
"""

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from contracts.base import SessionId

_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_PEM = "-----BEGIN"
_COMMENT = "#"
_GENERATED = re.compile(r"[A-Za-z0-9_-]{43}=")
EXPECTED_KEY = (
    "expected a key as Tidegate makes them: 43 characters of A-Z, a-z, 0-9, - and _, and = behind"
    " them"
)


class SealError(Exception):
    """A ciphertext that these master keys do not open."""


def new_key() -> str:
    """Make a random 256-bit key, as text."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def master_keys(text: str) -> list[str]:
    """Read the text of a key file: a key a line, of which the first seals.

    Lines that begin with `#` are comments, but for a line that is alone: somebody chose it. A PEM
    of several lines is one key, as it was when a file could hold no other.
    """
    lines = _key_lines(text)
    if len(lines) == 1:
        return lines
    return [line for line in lines if not line.startswith(_COMMENT)]


def comment_lines(text: str) -> list[str]:
    """Name the lines of a key file that are comments."""
    keys = master_keys(text)
    return [line for line in _key_lines(text) if line not in keys]


def strange_keys(text: str) -> dict[str, str]:
    """Name the keys of a key file that Tidegate did not make, each with its place there."""
    strange = {key for key in master_keys(text) if not _GENERATED.fullmatch(key)}
    if text.lstrip().startswith(_PEM):
        return dict.fromkeys(strange, "line 1")
    places: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() in strange:
            places.setdefault(line.strip(), f"line {number}")
    return places


def _key_lines(text: str) -> list[str]:
    if text.lstrip().startswith(_PEM):
        return [text.strip()]
    # Not `splitlines`: a key may hold what that takes for the end of a line.
    return list(dict.fromkeys(line.strip() for line in text.split("\n") if line.strip()))


def merge_keys(text: str, others: str) -> str:
    """Put behind the keys of one key file those of another that it lacks: what sealed stays so."""
    keys = master_keys(text)
    lacking = [key for key in master_keys(others) if key not in keys]
    return "\n".join([*keys, *lacking]) if lacking else text


def key_id_of(master_key: str) -> str:
    """Name a key by its id, eight hex digits; nobody finds the key by it."""
    return _key_id(_derive_key(master_key)).hex()


def sealed_under(sealed: bytes) -> str:
    """Tell the id of the key that a ciphertext was sealed under."""
    return sealed[:_KEY_ID_BYTES].hex()


def _derive_key(master_key: str) -> bytes:
    return hashlib.sha256(b"tidegate master key\0" + master_key.encode()).digest()


def _expand_key(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(key)


def _key_id(key: bytes) -> bytes:
    # Stands before each ciphertext, so that another key is told from damage.
    return hashlib.sha256(b"tidegate key id\0" + key).digest()[:_KEY_ID_BYTES]


class Sealer:
    """Seals credentials under the first of the master keys, and opens those under any.

    Keys are texts, hashed to 256 bits. One that has left the file goes on opening for as long as
    this process lives: what was read before it left may be opened after.
    """

    def __init__(self, text: str, reread: Callable[[], str] | None = None) -> None:
        """Take the text of a key file, with at least one key.

        `reread` reads it again; what it makes of a file that cannot be read is empty.
        """
        self.key_ids: list[str] = []
        """Those of the file as it was read last; the first seals."""
        self.refusal = ""
        """Why the file as it is now is not gone by; empty when it is."""
        self._reread = reread
        self._ciphers: dict[bytes, AESGCM] = {}
        self._derived: dict[str, list[bytes]] = {}
        self._text = ""
        self._take_up(text)

    def refresh(self) -> bool:
        """Read the keys again; whether others are there, or in another order.

        A file with a new line that Tidegate did not make is not gone by: a stray line would seal.
        """
        text = self._reread() if self._reread is not None else ""
        if not master_keys(text):
            return False
        had = master_keys(self._text)
        self.refusal = next(
            (
                f"{place} of the key file: {EXPECTED_KEY}"
                for key, place in strange_keys(text).items()
                if key not in had
            ),
            "",
        )
        if self.refusal or text == self._text:
            return False
        before = self.key_ids
        self._take_up(text)
        return self.key_ids != before

    def seal_credential(self, session_id: SessionId, credential: str) -> bytes:
        """Encrypt a credential for one session."""
        # Drawn anew each time: two texts under one nonce would give both away.
        nonce = os.urandom(_NONCE_BYTES)
        text = self._ciphers[self._sealing].encrypt(nonce, credential.encode(), session_id.encode())
        return self._sealing + nonce + text

    def open_credential(self, session_id: SessionId, sealed: bytes) -> str:
        """Decrypt a credential. Raises `SealError` for another key, session, or damage.

        For a key that is not known, the file is read again.
        """
        if not self.has_key_of(sealed):
            self.refresh()
        cipher = self._ciphers.get(sealed[:_KEY_ID_BYTES])
        if cipher is None:
            raise SealError(f"session {session_id}: sealed under another master key")
        nonce = sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + _NONCE_BYTES]
        try:
            text = cipher.decrypt(
                nonce, sealed[_KEY_ID_BYTES + _NONCE_BYTES :], session_id.encode()
            )
        except (InvalidTag, ValueError):  # the second: it is too short to have a nonce
            raise SealError(f"session {session_id}: the ciphertext is damaged") from None
        return text.decode()

    def reseal_credential(self, session_id: SessionId, sealed: bytes) -> bytes:
        """Bring a ciphertext under the key that seals; it stays as it is where it is.

        Raises `SealError`.
        """
        if sealed_under(sealed) == self.key_ids[0]:
            return sealed
        return self.seal_credential(session_id, self.open_credential(session_id, sealed))

    def derived_keys(self, purpose: str) -> list[bytes]:
        """Derive 256 bits from each master key of the file by HKDF (RFC 5869), the sealing first.

        What they are for goes into them: keys of two purposes have nothing in common.
        """
        derived = self._derived.get(purpose)
        if derived is None:
            derived = self._derived[purpose] = [_expand_key(key, purpose) for key in self._keys]
        return derived

    def has_key_of(self, sealed: bytes) -> bool:
        """Tell whether the key of a ciphertext is known, without reading the file again."""
        return sealed[:_KEY_ID_BYTES] in self._ciphers

    def _take_up(self, text: str) -> None:
        """Go by the keys of this text."""
        texts = master_keys(text)
        assert texts, "expected a master key"
        keys = [_derive_key(key) for key in texts]
        self._text = text
        self._keys = tuple(keys)
        self._derived = {}
        self._sealing = _key_id(keys[0])
        self.key_ids = [_key_id(key).hex() for key in keys]
        comments = comment_lines(text)
        if len(texts) > 1 or comments:
            # Before a file could hold several keys, one of several lines was a single key; and
            # before it could hold comments, they sealed.
            keys += [_derive_key(old) for old in (text.strip(), *comments)]
        self._ciphers |= {_key_id(key): AESGCM(key) for key in keys}


def session_identity(identity_key: str, region: str, credential: str) -> SessionId:
    """Derive a session's opaque id: an HMAC of region and credential (leases.md)."""
    message = f"{region}\0{credential}".encode()
    digest = hmac.new(identity_key.encode(), message, hashlib.sha256).hexdigest()
    return SessionId(f"ses_{digest[:24]}")


def key_hash(key: str) -> str:
    """Hash an API key as `evt.keys` holds it: hex SHA-256 (keys are random, so no salt)."""
    return hashlib.sha256(key.encode()).hexdigest()
