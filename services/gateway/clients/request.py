"""One client call: what was sent, and what it is taken for."""

import os
import time
from typing import Any

import msgspec

from contracts.base import RequestId, ServerId, ServiceType
from services.gateway.clients.keys import Key
from services.gateway.clients.origin import Proxies, region_at

_TEXT_MAX = 200
MAX_WAIT, AFFINITY = b"x-max-wait-ms", b"x-session-affinity"
_WISHES = frozenset({MAX_WAIT, AFFINITY})


def new_request_id() -> RequestId:
    """Mint a UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, 74 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return RequestId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")


class Request:
    """What a client sent, and under which id and since when (`perf_counter`) it is worked on.

    Nothing is written in it later: what is found out of it is `RoutedRequest`'s.
    """

    __slots__ = (
        "authorization",
        "client_address",
        "client_region",
        "client_request_id",
        "content_length",
        "content_type",
        "headers",
        "is_compressed",
        "method",
        "path",
        "query",
        "raw_path",
        "request_id",
        "scheme",
        "started",
        "user_agent",
        "wishes",
    )

    def __init__(
        self, scope: dict[str, Any], proxies: Proxies | None = None, region: str = ""
    ) -> None:
        """Read what matters of the head; everything else passes through unread.

        `proxies` are those whose word for the client's address, region and scheme is taken;
        `region` is the client's if nobody says any.
        """
        self.request_id = new_request_id()
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
        self.wishes: dict[bytes, str] = {}
        """What it says of the session that it wants: `MAX_WAIT`, `AFFINITY`."""
        self.is_compressed = False
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
                self.is_compressed = True
            elif name in _WISHES:
                self.wishes[name] = value.decode("latin-1")[:_TEXT_MAX]
        said = ""
        if proxies is not None:
            said = proxies.region_said(self.client_address, self.headers)
            origin = proxies.client_origin(self.client_address, self.scheme, self.headers)
            self.client_address, self.scheme = origin.address, origin.scheme
        self.client_region = said or region_at(self.client_address) or region
        """As `runtime.geography` names it; empty: nobody knows."""

    @property
    def target_bytes(self) -> bytes:
        """The path and query as they go upstream."""
        return self.raw_path + b"?" + self.query if self.query else self.raw_path

    def target_at(self, path: str) -> bytes:
        """The same at a path that was read, however its client had written it."""
        return path.encode() + b"?" + self.query if self.query else path.encode()


class RoutedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request with what its key, its path and its body decide; made once, before any lease."""

    request: Request
    key: Key
    """That opened it; it may be revoked by now."""
    model: str
    """Empty where the body names none, or none that was read."""
    service_type: ServiceType
    units: int
    per_item: bool
    """Whether items are units (`units = "n"`)."""
    wait_s: float = 0.0
    """For how long it may wait for a session."""
    affinity: str = ""
    """The same text of the same key is to be served by the same session, while that is free."""
    only: ServerId = ServerId("")
    """The one server that it is for, by an operator's word; empty: whichever is chosen."""
