"""Which names of a host are ours, where nothing but an address keeps strangers away.

A page of any origin can make its visitor's browser ask an address of the visitor's own machine or
network, and a name that leads there makes the answer readable to it (DNS rebinding). So what needs
no key is answered to our own names alone.
"""

import ipaddress
from collections.abc import Collection, Iterable


def is_familiar(host: str, hosts: Collection[str] = ()) -> bool:
    """Tell whether a `Host` is one of ours: an address, a name without a dot, or one of `hosts`.

    `hosts` are in lower case. A name without a dot is `localhost`, or one of this very network:
    no page of elsewhere has such an origin.
    """
    name = _host_name(host)
    if "." not in name and ":" not in name:
        return bool(name)
    if name in hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def host_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Read the `Host`; empty when there is none."""
    for name, value in headers:
        if name == b"host":
            return value.decode("latin-1")
    return ""


def _host_name(host: str) -> str:
    """Take the port off, and the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    name, _, port = host.rpartition(":")
    return (name if name and port.isdigit() else host).lower()
