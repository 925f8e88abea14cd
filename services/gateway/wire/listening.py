"""The socket on which clients are heard."""

import socket

from runtime.settings import SettingsError


def listen_on(host: str, port: int) -> socket.socket:
    """Listen where other workers may listen too. Raises `SettingsError` when it cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"TIDEGATE_HOST, TIDEGATE_PORT: cannot listen on {host}:{port} ({error.strerror})"
        ) from None
    return listening
