"""A TLS front before a gateway, below a path of a domain that others share."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.integration.gateway.upstreams import certificate

_ONE_HOP = {"connection", "transfer-encoding", "keep-alive", "server", "date"}


@contextmanager
def tls_front(folder: Path, port: int) -> Iterator[str]:
    """Pass on to a gateway of this machine, and tell it that the client came by https."""

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {**self.headers, "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.9"}
            gateway = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            with closing(gateway), suppress(OSError):  # a browser leaves streams as it likes
                gateway.request(self.command, self.path, body, headers)
                with gateway.getresponse() as answer:
                    self.answer_as(answer)

        def answer_as(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _ONE_HOP:
                    self.send_header(name, value)
            self.end_headers()
            while piece := answer.read1(65536):
                self.wfile.write(piece)
                self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context, _ = certificate(folder)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
