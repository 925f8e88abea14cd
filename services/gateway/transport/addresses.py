"""The addresses of servers, parsed once: where to connect, and what their paths begin with."""

from typing import NamedTuple

import httpx

_KEPT_MAX = 10_000
Origin = tuple[str, bytes, int | None]
"""Scheme, host and port, the scheme's own as None."""


class ServerAddress(NamedTuple):
    """One server's address; a target for it is `prefix` and the path."""

    origin: Origin
    host: bytes
    """As the header `Host` has it."""
    prefix: bytes
    """Of `https://host/prefix`, percent-encoded and without a slash at its end; mostly empty."""


class Addresses:
    """Those that were asked for so far."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[str, ServerAddress] = {}

    def address_of(self, url: str) -> ServerAddress:
        """Parse a server's address, of which its settings have seen that it is one."""
        address = self._known.get(url)
        if address is None:
            if len(self._known) >= _KEPT_MAX:
                # Servers come and go, and nobody says when an address is asked for no more.
                self._known.clear()
            parsed = httpx.URL(url)
            prefix = parsed.raw_path.partition(b"?")[0].rstrip(b"/")
            address = self._known[url] = ServerAddress(origin_of(parsed), parsed.netloc, prefix)
        return address


def origin_of(url: httpx.URL) -> Origin:
    """Tell where a URL leads."""
    return url.scheme, url.raw_host, url.port
