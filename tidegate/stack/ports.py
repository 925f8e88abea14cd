"""Ports of this machine: whether one can listen there."""

import errno
import socket


def port_trouble(host: str, port: int) -> str | None:
    """Say why nobody can listen there now; None when one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"something listens on {host}:{port} already"
            return f"cannot listen on {host}:{port} ({error.strerror})"
    return None
