"""One client call: who asks for what."""

import os
import time
from typing import Any

from contracts.base import KeyId, RequestId, ServerId, ServiceType
from contracts.gateway import KeyBounds
from services.gateway.clients.keys import Key, KeyScope

_TEXT_MAX = 200
_NOT_YET = frozenset({b"x-max-wait-ms", b"x-session-affinity"})


def new_request_id() -> RequestId:
    """Mint a UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, 74 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return RequestId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


NOBODY = Key(
    key_id=KeyId(""), name="", scope=KeyScope.CLIENT, bounds=KeyBounds(), hash="", revoked=True
)
"""Who asks before authentication."""


class Request:
    """What a client sent, and what it was taken for."""

    __slots__ = (
        "authorization",
        "client_address",
        "client_request_id",
        "content_length",
        "content_type",
        "counted",
        "encoded",
        "headers",
        "key",
        "method",
        "model",
        "only",
        "path",
        "premature",
        "query",
        "raw_path",
        "request_id",
        "scheme",
        "service_type",
        "started",
        "units",
        "user_agent",
    )

    def __init__(self, scope: dict[str, Any]) -> None:
        """Read what matters of the head; everything else passes through unread."""
        self.request_id = new_request_id()
        self.key = NOBODY
        self.method: str = scope["method"]
        self.scheme: str = scope.get("scheme", "http")
        self.started = time.perf_counter()
        self.path: str = scope["path"]
        self.raw_path: bytes = scope.get("raw_path") or self.path.encode()
        self.query: bytes = scope["query_string"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.authorization = ""
        """The first header of that name that says anything."""
        self.content_type = ""
        self.content_length: int | None = None
        self.client_request_id = ""
        self.user_agent = ""
        self.premature = ""
        """A header that asks for what is not built yet."""
        self.encoded = False
        """The body is sent compressed."""
        client = scope.get("client")
        self.client_address: str = client[0] if client else ""
        for name, value in self.headers:
            if name == b"content-type":
                self.content_type = value.decode("latin-1")
            elif name == b"content-length":
                self.content_length = int(value)
            elif name == b"authorization":
                self.authorization = self.authorization or value.decode("latin-1")
            elif name == b"x-request-id":
                self.client_request_id = value.decode("latin-1")[:_TEXT_MAX]
            elif name == b"user-agent":
                self.user_agent = value.decode("latin-1")[:_TEXT_MAX]
            elif name == b"content-encoding":
                self.encoded = True
            elif name in _NOT_YET:
                self.premature = name.decode()
        self.model = ""
        self.service_type = ServiceType("")
        self.units = 1
        self.counted = False
        """Whether items are units (`units = "n"`)."""
        self.only = ServerId("")
        """The one server that it is for, by an operator's word; empty: whichever is chosen."""

    @property
    def target_bytes(self) -> bytes:
        """The path and query as they go upstream."""
        return self.raw_path + b"?" + self.query if self.query else self.raw_path

    def target_at(self, path: str) -> bytes:
        """The same at a path that was read, however its client had written it."""
        return path.encode() + b"?" + self.query if self.query else path.encode()
