"""Which addresses are never a server's, and a host's addresses without them.

Whoever can name a server could otherwise have a gateway hand its cloud's metadata service a
credential, or read it out. A name is no proof: what it resolves to counts, and is what must be
connected to.
"""

import asyncio
import errno
import ipaddress
import os
import socket
import urllib.error
from contextlib import suppress

_METADATA_NAMES = frozenset(
    {
        "metadata",
        "metadata.google.internal",
        "metadata.goog",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "instance-data.ec2.internal",
    }
)
_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
    )
)
_KNOWN_WITHIN_S = 1.0
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class ForbiddenAddressError(Exception):
    """Every address of a host is one that is never a server's."""


def address_objection(host: str) -> str | None:
    """Say why a name, or an address in any spelling, is no server's; None when it may be."""
    name = host.rstrip(".").lower()
    if name in _METADATA_NAMES:
        return f"{host} is a metadata service, expected a server"
    address = _parse_address(name)
    if address is None:
        return None
    if address.is_link_local:
        return f"{host} is a link-local address, expected a server"
    if address in _METADATA_ADDRESSES:
        return f"{host} is a metadata service, expected a server"
    if address.is_unspecified or address.is_multicast:
        return f"{host} is no server's address"
    return None


async def resolve_allowed(host: str, port: int) -> list[str]:
    """Look a host up: the addresses that may be a server's, in the resolver's order.

    Raises `ForbiddenAddressError` when none of them may, `socket.gaierror` and `UnicodeError`
    for a name without any.
    """
    try:
        addresses = [str(ipaddress.ip_address(host))]
    except ValueError:
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in infos))
    # Each of them: a name may lead to a server and to a metadata service at once.
    objections = {address: address_objection(address) for address in addresses}
    allowed = [address for address in addresses if objections[address] is None]
    if not allowed:
        leads = "" if host in objections else f"{host} leads nowhere else: "
        raise ForbiddenAddressError(leads + "; ".join(filter(None, objections.values())))
    return allowed


async def refuse_forbidden(host: str, port: int) -> None:
    """Refuse a host that is known here to be no server's, where somebody else connects to it.

    What nobody here can look up, or not within `_KNOWN_WITHIN_S`, is the other's to know. Raises
    `ForbiddenAddressError`.
    """
    if why := address_objection(host):
        raise ForbiddenAddressError(why)
    with suppress(OSError, UnicodeError, TimeoutError):
        async with asyncio.timeout(_KNOWN_WITHIN_S):
            await resolve_allowed(host, port)


def _parse_address(name: str) -> _Address | None:
    """Read an address in any spelling a resolver takes (`0xA9FEA9FE` too); None for a name."""
    with suppress(ValueError):
        address = ipaddress.ip_address(name.partition("%")[0])
        # `::ffff:169.254.169.254` is the address within.
        mapped = getattr(address, "ipv4_mapped", None)
        return mapped if isinstance(mapped, ipaddress.IPv4Address) else address
    # Octal, hexadecimal and short spellings, which `ipaddress` refuses and resolvers take.
    with suppress(OSError):
        return ipaddress.ip_address(socket.inet_aton(name))
    return None


def system_words(error: BaseException) -> str:
    """Say what the system said, where it said something; httpx tells only that all was tried."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, urllib.error.URLError) and isinstance(cause.reason, OSError):
            cause = cause.reason
        if isinstance(cause, OSError) and cause.strerror:
            # asyncio writes the address into its own; a look-up's number is none of the system's.
            number = cause.errno or 0
            words = os.strerror(number) if number in errno.errorcode else cause.strerror
            return words.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error)
