"""The addresses on which this machine listens to a port, as the kernel has them (proc(5))."""

import ipaddress
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"
_WORD = 8
"""Hexadecimal digits of 32 bits, which stand in the byte order of the machine."""
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def listening_addresses(port: int) -> list[IpAddress]:
    """Name the addresses on which this machine listens to a port; none: it cannot be seen."""
    addresses: list[IpAddress] = []
    for table in _TABLES:
        with suppress(OSError):
            addresses += table_addresses(table.read_text(), port)
    return addresses


def table_addresses(table: str, port: int) -> Iterator[IpAddress]:
    """Read a table of the kernel's; lines that are none are passed over."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        with suppress(ValueError, IndexError):
            address, _, number = fields[1].partition(":")
            if fields[3] == _LISTEN and int(number, 16) == port:
                yield _parse_address(address)


def _parse_address(text: str) -> IpAddress:
    words = [text[start : start + _WORD] for start in range(0, len(text), _WORD)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    address = ipaddress.ip_address(packed)
    return getattr(address, "ipv4_mapped", None) or address
