"""Servers asked what they are: `GET /` and `/v1/models`, within bounds, and nothing else.

No proxy of the environment, no redirect, no credential, no address that is never a server's; so
much time and so many bytes.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx
import msgspec

from contracts.balancer import PLAIN, Server
from contracts.base import ServerId
from runtime.addresses import (
    ForbiddenAddressError,
    address_objection,
    resolve_allowed,
    system_words,
)
from services.balancer.settings import server_objection
from services.gateway.dialects.recognition import READ_BYTES_MAX, recognise_dialect
from services.gateway.domain.answers.models import Models, read_models

TIMEOUT_S = 5.0
"""Of one question, from the look-up of the name to the end of the answer."""
_MODELS_BYTES_MAX = 4_000_000
_AT_ONCE_MAX = 8
_API_BASE = "/v1"
_PORTS = {"http": 80, "https": 443}
_WHY_MAX = 200


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says of itself."""

    url: str
    dialect: str = PLAIN
    """The one that is recognised."""
    models: int | None = None
    """How many it lists; None: it lists none."""
    owners: list[str] = []
    why: str = ""
    """Why it did not answer; empty when it did."""


class PageRead(msgspec.Struct, frozen=True):
    """As much of an answer as was read."""

    status: int
    content_type: str
    body: bytes


def url_objection(url: str) -> str | None:
    """Say why an address is no server's, and what was expected; None when it may be one."""
    return server_objection(Server(server_id=ServerId("probed"), url=url))


def doubled_path(url: str) -> str | None:
    """Say what becomes of an address that ends in `/v1`, where a server hardly listens; else None.

    Clients' paths begin with it, and are asked for behind the address.
    """
    base = url.rstrip("/")
    if not base.endswith(_API_BASE):
        return None
    return (
        f"{url}: calls would go to {base}{_API_BASE}/images/generations; expected"
        f" {base.removesuffix(_API_BASE)}, unless it has {_API_BASE} twice"
    )


async def probe_servers(urls: Iterable[str], timeout_s: float = TIMEOUT_S) -> list[Probed]:
    """Ask each of these; what is no server's address is not asked."""
    room = asyncio.Semaphore(_AT_ONCE_MAX)
    async with probing_client() as client:

        async def ask_server(url: str) -> Probed:
            async with room:
                return await probe_server(client, url, timeout_s)

        return list(await asyncio.gather(*map(ask_server, urls)))


def probing_client() -> httpx.AsyncClient:
    """Make what asks: no proxy of the environment, no redirect."""
    return httpx.AsyncClient(
        timeout=None,  # noqa: S113 (`read_page` bounds the whole question)
        trust_env=False,
        follow_redirects=False,
        headers={"user-agent": "tidegate-probe", "accept-encoding": "identity"},
    )


async def probe_server(client: httpx.AsyncClient, url: str, timeout_s: float) -> Probed:
    """Ask one server for its page and its models."""
    why = url_objection(url)
    if why:
        return Probed(url=url, why=why)
    base = url.rstrip("/")
    page = await read_page(client, f"{base}/", READ_BYTES_MAX, timeout_s)
    if isinstance(page, str):
        return Probed(url=url, why=page)
    list_ = await read_page(client, f"{base}/v1/models", _MODELS_BYTES_MAX, timeout_s)
    models = _model_list(list_)
    owners = sorted({str(model["owned_by"]) for model in (models or {}).values()})
    return Probed(
        url=url,
        dialect=recognise_dialect(page.body, page.content_type, owners),
        models=None if models is None else len(models),
        owners=owners,
    )


def _model_list(said: PageRead | str) -> Models | None:
    if isinstance(said, str) or said.status != httpx.codes.OK:
        return None
    return read_models(said.body)


async def read_page(
    client: httpx.AsyncClient, url: str, bytes_max: int, timeout_s: float, json: Any = None
) -> PageRead | str:
    """Ask by GET, or `json` by POST, and read so many bytes; or say why there is no answer."""
    method = "GET" if json is None else "POST"
    try:
        async with asyncio.timeout(timeout_s):
            parsed = httpx.URL(url)
            await resolve_allowed(parsed.host, parsed.port or _PORTS[parsed.scheme])
            async with client.stream(method, url, json=json) as response:
                # httpx looked the name up again, maybe to another end.
                reached = response.extensions["network_stream"].get_extra_info("server_addr")
                if forbidden := address_objection(str(reached[0])):
                    return forbidden
                body = bytearray()
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) >= bytes_max:
                        break
                kind = response.headers.get("content-type", "")
                return PageRead(response.status_code, kind, bytes(body[:bytes_max]))
    except TimeoutError:
        return f"no answer within {timeout_s:g} s"
    except ForbiddenAddressError as error:
        return str(error)[:_WHY_MAX]
    except (httpx.ConnectError, OSError) as error:
        return f"no connection: {system_words(error)}"[:_WHY_MAX]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"{type(error).__name__}: {error}"[:_WHY_MAX]
