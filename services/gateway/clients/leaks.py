"""A key where none belongs: in an address, which browsers, fronts and servers write down."""

from urllib.parse import unquote_plus

from services.gateway.domain.errors import GatewayError

_BEGINNING = "sk-"
_NAME_MAX = 64


def key_in(query: bytes) -> str | None:
    """Find the parameter of a query whose value begins as our keys do; None: there is none."""
    for pair in query.decode("latin-1").replace(";", "&").split("&"):
        name, _, value = pair.partition("=")
        if unquote_plus(value).lstrip().lower().startswith(_BEGINNING):
            return unquote_plus(name)[:_NAME_MAX]
    return None


def key_in_url(name: str) -> GatewayError:
    """Refuse it, without saying it again: whoever reads an address would have it."""
    message = (
        f"{name!r} in the query looks like an API key: addresses are written down on their way;"
        " take this key for known to others, and send one as `Authorization: Bearer <key>`"
    )
    return GatewayError("invalid_request", message, name)
