"""The leased credential looked for in what a server answers, and kept from the client.

In a short answer it is concealed. A longer one, and a stream of events, is cut where it begins,
also where a chunk ends within it. It is looked for as it was sent: what came compressed is expanded
before (`expanding`).
"""

from collections.abc import Iterable

CONCEALED = "(credential)"
_INSTEAD = CONCEALED.encode()
WATCHED_BYTES = 64 * 1024
"""Of an answer that is no stream of events, so much is looked at."""


def blank_secrets(body: bytes, secrets: Iterable[bytes]) -> bytes:
    """Write a plain body without any of these; the very same where none is in it."""
    for secret in secrets:
        if secret in body:
            body = body.replace(secret, _INSTEAD)
    return body


class Watch:
    """Looks at one answer as it passes; what may be a secret's beginning waits for the rest."""

    __slots__ = ("_held", "_left", "_secrets", "found")

    def __init__(self, secrets: tuple[bytes, ...], bytes_max: int | None = None) -> None:
        """Look for these, none of them empty, in at least `bytes_max`; None: in everything."""
        self._secrets = secrets
        self._left = bytes_max
        self._held = b""
        self.found = False
        """Whether one of them came: nothing that is taken from then on may pass."""

    def take_chunk(self, chunk: bytes) -> bytes:
        """Take in what came; return what may pass now."""
        if self._left is not None and self._left <= 0 and not self._held:
            return chunk  # enough was looked at, and no secret may have begun
        came = self._held + chunk if self._held else chunk
        if self._left is not None:
            self._left -= len(chunk)
        places = [place for secret in self._secrets if (place := came.find(secret)) >= 0]
        if places:
            self.found = True
            self._held = b""
            return came[: min(places)]
        # Only as much waits as may be a beginning: a client of a slow stream sees the rest at once.
        waits = max((_begun_length(came, secret) for secret in self._secrets), default=0)
        if not waits:
            self._held = b""
            return came
        self._held = came[-waits:]
        return came[:-waits]

    def take_rest(self) -> bytes:
        """Return what waited, where the answer ends."""
        rest, self._held = self._held, b""
        return rest


def _begun_length(came: bytes, secret: bytes) -> int:
    """Count the last bytes that may be a secret's first ones."""
    # Most chunks end in a byte that is in no secret: they are searched no further.
    if not came or came[-1] not in secret:
        return 0
    first = secret[:1]
    place = came.find(first, max(0, len(came) - len(secret) + 1))
    while place >= 0:
        if secret.startswith(came[place:]):
            return len(came) - place
        place = came.find(first, place + 1)
    return 0
