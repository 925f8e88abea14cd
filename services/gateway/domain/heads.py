"""Which headers go up and which come down, and what may stand in one at all.

Of a client's, all but what is ours, what says who or where it is, and what software behind a proxy
takes the proxy's word for. Of a server's, those of `PASSED` alone: the front before this gateway,
and the browser behind it, obey headers that no server of strangers should write.
"""

import re
from collections.abc import Collection, Iterable
from functools import lru_cache

Headers = list[tuple[bytes, bytes]]
PASSED = frozenset(
    {
        b"accept-ranges",
        b"content-disposition",
        b"content-encoding",
        b"content-language",
        b"content-length",
        b"content-range",
        b"content-type",
        b"etag",
        b"last-modified",
        b"openai-model",
        b"openai-processing-ms",
        b"openai-version",
    }
)
"""What a client sees of a server's head, once each, beside what `response_headers` names."""
OF_THE_BODY = frozenset({b"content-type", b"content-encoding", b"content-length", b"content-range"})
"""What a body is read by: never the matter of one hop alone, whatever `Connection` names."""
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy",  # no header at all, but the variable HTTP_PROXY of a CGI
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""RFC 9110 §7.6.1: they end at each hop."""
_OURS_UP = frozenset(
    {
        b"accept-encoding",
        b"content-length",
        b"expect",
        b"host",
        b"x-max-wait-ms",
        b"x-request-id",
        b"x-session-affinity",
    }
)
_SECRETS = frozenset(
    {
        b"access-token",
        b"api-key",
        b"apikey",
        b"authentication",
        b"authorization",
        b"cookie",
        b"cookie2",
        b"ocp-apim-subscription-key",
        b"openai-api-key",
        b"private-token",
        b"x-access-token",
        b"x-admin-key",
        b"x-api-key",
        b"x-api-token",
        b"x-apikey",
        b"x-functions-key",
        b"x-goog-api-key",
        b"x-openai-api-key",
        b"x-session-token",
        b"x-token",
    }
)
_TRUSTED_ELSEWHERE = frozenset(
    {
        # Where a request comes from.
        b"client-ip",
        b"fastly-client-ip",
        b"forwarded",
        b"front-end-https",
        b"true-client-ip",
        b"via",
        b"x-client-ip",
        b"x-client-region",
        b"x-cluster-client-ip",
        b"x-country-code",
        b"x-host",
        b"x-original-for",
        b"x-original-forwarded-for",
        b"x-original-host",
        b"x-original-proto",
        b"x-originating-ip",
        b"x-real-ip",
        b"x-real-port",
        b"x-scheme",
        b"x-url-scheme",
        # What it asks for.
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-method",
        b"x-original-uri",
        b"x-original-url",
        b"x-override-url",
        b"x-rewrite-url",
        # Who asks, as a front has found out.
        b"remote-user",
        b"x-middleware-subrequest",
        # What a front is to do with the answer.
        b"x-sendfile-type",
    }
)
_FAMILIES = (
    b"cf-",
    b"cloudfront-",
    b"proxy-",
    b"ssl-client",
    b"x-accel-",
    b"x-consumer-",
    b"x-goog-authenticated-user",
    b"x-jwt-",
    b"x-proxyuser",
    b"x-remote-",
    b"x-webauth-",
    b"x-amzn-",
    b"x-appengine-",
    b"x-auth",
    b"x-azure-",
    b"x-client-cert",
    b"x-envoy-",
    b"x-forwarded",
    b"x-ms-client-principal",
    b"x-ssl-",
    b"x-vercel-",
)
"""The beginnings of further such names."""
_NOT_SENT = _HOP_BY_HOP | _OURS_UP | _SECRETS | _TRUSTED_ELSEWHERE
NAME_BYTES_MAX = 128
"""Nobody's header has a longer one."""
_PLAIN_NAME = re.compile(rb"[a-z0-9-]+")
"""An underscore or a dot becomes what a dash becomes, wherever a name is made a variable's."""
_TOKEN = re.compile(r"[A-Za-z0-9-]{1,64}")
_OURS_DOWN = frozenset(
    {
        b"alt-svc",
        b"cache-control",
        b"date",
        b"location",
        b"refresh",
        b"retry-after",
        b"server",
        b"server-timing",
        b"vary",
        b"x-client-request-id",
        b"x-remaining-quota",
        b"x-request-id",
        b"x-sendfile",
        b"x-server-id",
        b"x-server-region",
        b"x-service-type",
        b"x-session-id",
        b"x-should-retry",
    }
)
_OURS_DOWN_FAMILIES = (b"access-control-", b"proxy-", b"set-cookie", b"x-accel-", b"x-ratelimit-")
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
"""RFC 9110 §5.5: what may stand in no value."""


@lru_cache(maxsize=1024)
def goes_up(name: bytes) -> bool:
    """Whether a client's header, by its name in lower case, is for a server.

    Not to be asked of a name over `NAME_BYTES_MAX`: what was answered is kept.
    """
    return (
        name not in _NOT_SENT
        and not name.startswith(_FAMILIES)
        and _PLAIN_NAME.fullmatch(name) is not None
    )


def hop_names(value: bytes) -> frozenset[bytes]:
    """Read the names in one value of `Connection`; those that a body is read by are left out."""
    # What nearly everybody says, and it names nothing.
    if value in {b"keep-alive", b"close", b"Keep-Alive"}:
        return frozenset()
    return frozenset(part.strip().lower() for part in value.split(b",")) - OF_THE_BODY


def name_objection(name: str) -> str | None:
    """Say why no server's header of that name can be passed on; None when it can."""
    lower = name.lower().encode("utf-8", "replace")
    if _TOKEN.fullmatch(name) is None:
        return f'expected names of headers such as "X-Seed", got {name!r}'
    if lower in _HOP_BY_HOP or lower in _OURS_DOWN or lower.startswith(_OURS_DOWN_FAMILIES):
        return f"expected headers that a server may write for clients, {name} is none"
    return None


def clean_headers(headers: Headers) -> Headers:
    """Leave out what cannot be written as a header: it would end it, and begin another."""
    return [pair for pair in headers if not controls_in(b"".join(pair))]


def controls_in(text: bytes) -> int:
    """Count the line breaks and other control characters."""
    return len(text) - len(text.translate(None, _CONTROLS))


_FRAMING = frozenset({b"content-length", b"content-type"})


def names_passing(also: Iterable[str]) -> frozenset[bytes]:
    """Name what a client sees of a server's head, where `also` is passed on too."""
    return PASSED | {name.lower().encode() for name in also}


def headers_passing(
    upstream: Iterable[tuple[bytes, bytes]],
    names: Collection[bytes] = PASSED,
    secrets: tuple[bytes, ...] = (),
) -> Headers:
    """Keep what a client may see of a server's head: nothing that repeats the credential.

    But for what frames the answer: a credential of a character or two is in any length, and a
    client without one waits for ever.
    """
    headers: Headers = []
    seen: set[bytes] = set()
    hop: frozenset[bytes] = frozenset()
    for name, value in upstream:
        lower = name.lower()
        if lower == b"connection":
            hop |= hop_names(value)
        elif lower in names and lower not in seen:
            # Of two with one name the front and the browser behind it may obey different ones.
            if lower in PASSED:
                seen.add(lower)
            headers.append((lower, value))
    for secret in secrets:
        headers = [pair for pair in headers if secret not in pair[1] or pair[0] in _FRAMING]
    return [pair for pair in headers if pair[0] not in hop] if hop else headers
