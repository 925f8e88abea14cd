"""A container's health check: `python -IS healthy.py <port> <path>` fails unless it answers 200.

Runs every few seconds in every container, so it imports next to nothing.
"""

import socket
import sys

port, path = sys.argv[1:]
try:
    with socket.create_connection(("127.0.0.1", int(port)), 3) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while more := connection.recv(65536):
            answer += more
except OSError as error:
    sys.exit(f"{path}: {error}")
head, _, body = answer.partition(b"\r\n\r\n")
sys.stdout.write(body.decode(errors="replace"))
sys.exit(b" 200 " not in head.partition(b"\r\n")[0])
