"""The cookie of a sign-in, and which requests that bring it are our own page's. Pure.

A browser sends the cookie with whatever page asks, so a request by cookie has to show that the page
is ours. SameSite=Strict keeps away other sites, not other ports of this host: their pages are
`same-site`. Chromium sends no `Sec-Fetch-Site` to plain http on a name that is not loopback; there
the header that no form and no link can send (`X-Tidegate`), and `Origin`, tell.
"""

from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie

OUR_HEADER = "x-tidegate"
_READS = frozenset({"GET", "HEAD"})
_PORTS = {"http": "80", "https": "443"}
_COOKIES_MAX = 8192


def cookie_name(host: str, scheme: str, base_path: str = "") -> str:
    """Name the cookie by the port and the base path that the browser asks.

    Cookies know hosts, and no ports; and below a base path a browser sends those of `/`, too.
    """
    return f"tidegate_{_port_of(host) or _PORTS[scheme]}{base_path.replace('/', '.')}"


def sign_in_cookie(name: str, token: str, lasts_s: int, *, path: str, secure: bool) -> str:
    """Write the `Set-Cookie` of a sign-in; one of 0 seconds takes it away.

    `path` is where the gateway is reached: two that share a domain keep their cookies apart by it.
    """
    flags = "; Secure" if secure else ""
    return f"{name}={token}; Max-Age={lasts_s}; Path={path}; HttpOnly; SameSite=Strict{flags}"


def cookie_value(headers: Iterable[tuple[bytes, bytes]], name: str) -> str:
    """Find a cookie's value; empty when it is not there."""
    for header, value in headers:
        if header != b"cookie" or len(value) > _COOKIES_MAX:
            continue
        try:
            morsel = SimpleCookie(value.decode("latin-1")).get(name)
        except CookieError:
            continue
        if morsel is not None:
            return morsel.value
    return ""


def foreign_reason(method: str, headers: Mapping[str, str], host: str, scheme: str) -> str | None:
    """Say why a request cannot be taken for our own page's; None when it can.

    `headers` are those of the request by their names in lower case; `scheme` is the one that the
    client asked by, as far as that is known here.
    """
    site = headers.get("sec-fetch-site", "")
    allowed = {"", "same-origin", "none"} if method in _READS else {"", "same-origin"}
    if site not in allowed:
        return f"Sec-Fetch-Site: expected same-origin, got {site[:40]!r}"
    origin = headers.get("origin")
    if origin is not None and not _is_ours(origin, host, scheme):
        return f"Origin: expected this gateway's own, got {origin[:200]!r}"
    if method not in _READS and OUR_HEADER not in headers:
        return "X-Tidegate: expected the header with whatever changes something"
    return None


def _is_ours(origin: str, host: str, scheme: str) -> bool:
    """Whether an origin is the host that was asked; http is not where that was done by https."""
    of_origin, separator, rest = origin.partition("://")
    if not separator or of_origin not in _PORTS or (scheme, of_origin) == ("https", "http"):
        return False
    return _with_port(rest, of_origin) == _with_port(host, of_origin)


def _with_port(host: str, scheme: str) -> str:
    """Write a host with the port that its scheme means."""
    port = _port_of(host)
    name = host.removesuffix(f":{port}") if port else host
    return f"{name.lower()}:{port or _PORTS[scheme]}"


def _port_of(host: str) -> str:
    """Read the port of a `Host`; empty when it names none."""
    _, colon, port = host.rpartition(":")
    return port if colon and port.isascii() and port.isdigit() else ""
