r"""Which paths are taken at all: what is routed here is what a server gets, and reads likewise.

A server, or a proxy before it, may resolve `..`, join empty segments, take `;` for parameters and
`\` for `/`. So a path that says one thing here and another there is refused, never put right. And
no key belongs in an address, which browsers, fronts and servers write down.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_plus

from contracts.base import ServiceType
from runtime.settings import ServiceTypeSection
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.routing import body_decides, types_fitting, types_listing

_KEPT_MAX = 1000
KEPT_BYTES_MAX = 256
"""Nothing longer that a stranger sent is remembered, or logged."""
_NOT_IN_PATHS = re.compile(
    rb"//|/\.{1,2}(?:/|$)|[\\;\x00-\x20\x7f]|%(?:2e|5c|3b|7f|[01][0-9a-f])|%(?![0-9a-f]{2})",
    re.IGNORECASE,
)
_AMBIGUOUS = (
    "path: expected no empty or dot segments, no `;`, `\\` or control characters, and none of"
    " %2E %2F %5C %3B"
)
_SLASH = re.compile(rb"%2f", re.IGNORECASE)
_LIKE_A_KEY = re.compile(r"[\s\0-\x1f\"']*(?:bearer[\s\"']+)?sk-", re.IGNORECASE)
_NAME_MAX = 64
BASE = "tidegate.base"
"""Where an ASGI scope says what base path was taken off."""
_OURS = ("/token/", "/api/", "/schema", "/metrics", "/health", "/livez", "/readyz", "/ping", "/ui/")


def is_ambiguous(raw_path: bytes, *, slashes: bool = False) -> bool:
    """Whether some other reader may take a path for another; `slashes`: `%2F` is no wonder."""
    if _NOT_IN_PATHS.search(raw_path) is not None:
        return True
    return not slashes and _SLASH.search(raw_path) is not None


def ambiguous_path() -> GatewayError:
    """Refuse what two readers may take for two paths."""
    return GatewayError("invalid_request", _AMBIGUOUS)


def below_base(path: str, raw_path: bytes, base: str) -> dict[str, str | bytes]:
    """Take a base path off, where a path begins with it; both as ASGI names them.

    `BASE` says what was taken off. Of the base alone nothing is left of `raw_path`: what a page
    there names beside itself would be looked for beside the base, so it is led to its slash.
    """
    raw_base = base.encode()
    if raw_path == raw_base:
        return {"path": "/", "raw_path": b"", BASE: base}
    if path.startswith(base) and raw_path.startswith(raw_base + b"/"):
        return {"path": path[len(base) :], "raw_path": raw_path[len(raw_base) :], BASE: base}
    return {}


def routed_path(path: str) -> str:
    """Write a path of ours as it is led to its room: a slash at its end makes no difference."""
    return path.rstrip("/") or "/"


def is_ours(path: str) -> bool:
    """Whether a path is the operator's, and never of a service type."""
    return path.startswith(_OURS) or path in {"/token", "/api", "/ui", "/"}


def key_in(query: bytes) -> str | None:
    """Find the parameter of a query whose value begins as our keys do; None: there is none."""
    # Some readers part a query at `;` as well, so a key behind one is as exposed.
    for pair in query.decode("latin-1").replace(";", "&").split("&"):
        name, named, value = pair.partition("=")
        if _LIKE_A_KEY.match(unquote_plus(value if named else name)) is not None:
            return unquote_plus(name)[:_NAME_MAX] if named else ""
    return None


def key_in_url(name: str) -> GatewayError:
    """Refuse it, without saying it again: whoever reads an address would have it."""
    message = (
        f"{name!r} in the query looks like an API key: addresses are written down on their way;"
        " take this key for known to others, and send one as `Authorization: Bearer <key>`"
    )
    return GatewayError("invalid_request", message, name)


class PathRule(NamedTuple):
    """What is known of a path before anything of a request is read."""

    types: tuple[ServiceType, ...]
    """Those that list it best, all equally well; the operator's own paths are of none."""
    body_decides: bool
    """What a request there costs is said by its body."""


class PathRules:
    """The rules of one configuration; short paths that a key was used for are remembered."""

    def __init__(self, services: Mapping[str, ServiceTypeSection]) -> None:
        """Know the service types."""
        self._services = services
        self._known: dict[str, PathRule] = {}

    def rule_of(self, path: str, *, keep: bool = False) -> PathRule:
        """Find out what a path is; `keep` it, for a stranger shall not fill the memory."""
        rule = self._known.get(path)
        if rule is None:
            types = () if is_ours(path) else types_listing(path, self._services)
            rule = PathRule(types, body_decides(types, self._services))
            if keep and len(self._known) < _KEPT_MAX and len(path) <= KEPT_BYTES_MAX:
                self._known[path] = rule
        return rule

    def paths_of(self, service_type: str) -> list[str]:
        """What its configuration has of paths; each may be a part of one."""
        return list(self._services[service_type].paths)

    def route_request(self, path: str, model: str) -> ServiceType | None:
        """Find the service type of a POST to `path`; None when no type lists it.

        Among several that list it equally well the first whose `models` fit, then the first
        without any.
        """
        types = self.rule_of(path, keep=True).types
        if len(types) > 1:
            types = types_fitting(types, model, self._services)
        return types[0] if types else None
