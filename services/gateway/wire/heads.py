"""What RFC 9112 makes of a request's head, pure: each refusal quotes the section it follows."""

import re
from urllib.parse import unquote

import httptools
import msgspec

from services.gateway.domain.errors import GatewayError

HEAD_BYTES_MAX = 64 * 1024
_FRAMING_BYTES = 16 * 1024
_FRAMING_RATIO = 8
"""What chunks and trailers may take beside the body: one chunk a byte takes five a byte."""
_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]{0,5})?"
)
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ ")
_VERSIONS = frozenset({"1.0", "1.1"})
_OTHER_VERSION = ("Invalid HTTP version", "Pause on PRI/Upgrade")
"""So the parser words `HTTP/1.2`, and the preface of HTTP/2 (RFC 9113 §3.4)."""


class Target(msgspec.Struct, frozen=True):
    """Where a request goes: `host` only where the target itself named it (§3.2.2)."""

    path: str
    raw_path: bytes
    query: bytes
    host: bytes = b""


def head_error(message: str) -> GatewayError:
    """Refuse a message that is none (§2.2, §3)."""
    return GatewayError("invalid_request", f"malformed HTTP: {message}")


def target_of(method: bytes, url: bytes) -> Target:
    """Read the request-target in any of its four forms (§3.2). Raises `GatewayError`."""
    if method == b"CONNECT":
        message = "this is no proxy: CONNECT leads nowhere"
        raise GatewayError("method_not_allowed", message, extra={"allow": "GET, HEAD, POST"})
    if url == b"*":
        if method != b"OPTIONS":
            raise head_error("the target `*` is for OPTIONS alone (RFC 9112 §3.2.4)")
        return Target("*", url, b"")
    if b"#" in url:
        raise head_error("a target has no fragment (RFC 9112 §3.2)")
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        raise head_error("the target is no path and no URL (RFC 9112 §3.2)") from None
    raw_path = parsed.path or b"/"
    path = raw_path.decode("ascii")
    host = parsed.host or b""
    if not url.startswith(b"/"):
        if parsed.userinfo or parsed.schema.lower() not in {b"http", b"https"}:
            raise head_error("expected http://host/path, without a user (RFC 9110 §4.2.4)")
        host += b":%d" % parsed.port if parsed.port else b""
    path = unquote(path) if "%" in path else path
    return Target(path, raw_path, parsed.query or b"", host)


def check_version(version: str) -> None:
    """Refuse what is not HTTP/1.x: 505 for another major version, 400 for none (§2.3)."""
    if version == "0.9":
        raise head_error("expected a version, such as HTTP/1.1 (RFC 9112 §3)")
    if version not in _VERSIONS:
        raise version_error()


def version_error() -> GatewayError:
    """Refuse another version of HTTP (RFC 9110 §15.6.6)."""
    message = "expected HTTP/1.1; another version of HTTP is not spoken here"
    return GatewayError("http_not_supported", message, status=505)


def check_hosts(hosts: list[bytes], version: str) -> None:
    """Refuse two hosts, a bad one, or none in HTTP/1.1 (§3.2)."""
    if len(hosts) > 1:
        raise head_error("expected one Host, got several (RFC 9112 §3.2)")
    if not hosts:
        if version == "1.1":
            raise head_error("expected a Host (RFC 9112 §3.2)")
        return
    if _HOST.fullmatch(hosts[0]) is None:
        raise head_error("Host: expected a name or an address, and perhaps a port (RFC 9112 §3.2)")


def check_coding(coding: bytes, version: str) -> None:
    """Refuse a transfer coding that is not `chunked` alone, and any in HTTP/1.0 (§6.1)."""
    if version == "1.0":
        raise head_error("HTTP/1.0 has no Transfer-Encoding (RFC 9112 §6.1)")
    if coding.strip(b" \t").lower() != b"chunked":
        message = "Transfer-Encoding: expected chunked alone (RFC 9112 §6.1)"
        raise GatewayError("http_not_supported", message, status=501)


def parser_error(error: Exception, fed: bytes) -> GatewayError:
    """Word what the parser refused; `fed` is what it was given last."""
    said = str(error)
    if said in _OTHER_VERSION:
        return version_error()
    if isinstance(error, httptools.HttpParserInvalidMethodError) and _TOKEN.match(fed):
        # RFC 9110 §9.1: a method that is not recognised is answered 501.
        return GatewayError("http_not_supported", "the method is not known here", status=501)
    return head_error(said[:1].lower() + said[1:])


def head_too_large() -> GatewayError:
    """Refuse a head over its bound (RFC 6585 §5)."""
    message = f"the request's head is larger than {HEAD_BYTES_MAX:,} bytes"
    return GatewayError("request_header_too_large", message)


def is_overframed(fed: int, taken: int) -> bool:
    """Tell whether chunk extensions and trailers take more than is reasonable (§7.1.1)."""
    return fed - taken > _FRAMING_BYTES + _FRAMING_RATIO * taken


def head_too_slow() -> GatewayError:
    """Refuse a body that a client does not send on."""
    message = (
        "the body came too slowly: expected 1 KB/s averaged over 30 s,"
        " and never nothing for as long as gateway.send_timeout"
    )
    return GatewayError("invalid_request", message, extra={"connection": "close"})


def framing_error() -> GatewayError:
    """Refuse chunks that are mostly extensions, or endless trailers (§7.1.1)."""
    return head_error("the chunks carry more extensions than bytes (RFC 9112 §7.1.1)")
