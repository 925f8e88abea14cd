"""Signing in and out, for browsers; links that sign in once."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from contracts.base import PRODUCT_VERSION, Instant
from services.gateway.clients.keys import Key, KeyScope, open_key
from services.gateway.domain.errors import GatewayError
from services.gateway.routes import signins
from services.gateway.routes.doors import Doors
from services.gateway.routes.guard import (
    SECURITY,
    SIGN_IN,
    SIGN_IN_BYTES_MAX,
    SIGN_IN_PATH,
    known_parameters_only,
    readers_only,
)
from services.gateway.signing.browser import sign_in_cookie
from services.gateway.signing.tokens import Token

_READERS = [readers_only, known_parameters_only]


class WantedSignIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key of an operator or a viewer, or what stands behind `#in=` in a link; one of them."""

    key: str = ""
    link: str = ""


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """For which key a request is answered; `expires_at` is null where the key itself was sent."""

    key_id: str
    key_name: str
    scope: KeyScope
    expires_at: Instant | None
    version: str
    """Of this gateway."""


class SignedOutReport(msgspec.Struct, frozen=True, kw_only=True):
    """The sign-in is over, here and on every other gateway."""

    signed_out: bool


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that signs in once within five minutes; `link` is what stands in it behind `#in=`."""

    link: str
    url: str
    expires_at: Instant


@post(
    SIGN_IN_PATH,
    status_code=200,
    tags=["sign-in"],
    summary="Sign in",
    request_max_body_size=SIGN_IN_BYTES_MAX,
    guards=[known_parameters_only],
)
async def sign_in(
    doors: NamedDependency[Doors], request: Request[Any, Any, Any], data: JSONBody[WantedSignIn]
) -> Response[SignedIn]:
    """Exchange a key, or a link, for a cookie that lasts twelve hours."""
    asked = signins.asked_of(doors, dict(request.scope))
    signins.refuse_foreign(asked)
    if bool(data.key) == bool(data.link):
        raise GatewayError("invalid_request", "body: expected `key` or `link`, one of them")
    if data.link:
        key, cookie, token = await signins.use_link(doors, data.link)
    else:
        key = open_key(data.key, doors.key_log.find_key)
        if key.scope not in signins.SIGNS_IN:
            message = f"key: expected an admin or a viewer key, got a {key.scope} key"
            raise GatewayError("model_not_allowed", message, "key")
        cookie, token = signins.new_sign_in(doors, key)
    lasts_s = int(signins.SIGN_IN_LASTS.total_seconds())
    return Response(
        _signed_in(key, token), headers={"set-cookie": _set_cookie(asked, cookie, lasts_s)}
    )


@get(
    SIGN_IN_PATH,
    tags=["sign-in"],
    summary="Who is signed in",
    guards=_READERS,
    security=[{SECURITY: []}],
)
async def show_sign_in(request: Request[Any, Any, Any]) -> SignedIn:
    """Say for which key requests are answered."""
    return _signed_in(request.state.key, request.state.get(SIGN_IN))


@delete(
    SIGN_IN_PATH,
    status_code=200,
    tags=["sign-in"],
    summary="Sign out",
    guards=_READERS,
    security=[{SECURITY: []}],
)
async def sign_out(
    doors: NamedDependency[Doors], request: Request[Any, Any, Any]
) -> Response[SignedOutReport]:
    """End the sign-in that the cookie stands for; without one there is nothing to end."""
    token = request.state.get(SIGN_IN)
    if token is not None:
        await signins.end_sign_in(doors, token)
    asked = signins.asked_of(doors, dict(request.scope))
    return Response(
        SignedOutReport(signed_out=token is not None),
        headers={"set-cookie": _set_cookie(asked, "", 0)},
    )


@post("/sign-in/links", status_code=200, tags=["sign-in"], summary="Make a link that signs in once")
async def make_link(
    doors: NamedDependency[Doors], admin: NamedDependency[Key], request: Request[Any, Any, Any]
) -> NewLink:
    """Make a link that signs in for the key by which it is asked for, once, within five minutes."""
    text, token = signins.new_link(doors, admin)
    asked = signins.asked_of(doors, dict(request.scope))
    url = f"{asked.scheme}://{asked.host}{asked.base_path}/#in={text}"
    return NewLink(link=text, url=url, expires_at=token.over_at)


def _signed_in(key: Key, token: Token | None) -> SignedIn:
    return SignedIn(
        key_id=key.key_id,
        key_name=key.name,
        scope=key.scope,
        expires_at=None if token is None else token.over_at,
        version=PRODUCT_VERSION,
    )


def _set_cookie(asked: signins.BrowserRequest, text: str, lasts_s: int) -> str:
    path, secure = asked.base_path or "/", asked.scheme == "https"
    return sign_in_cookie(asked.cookie_name, text, lasts_s, path=path, secure=secure)
