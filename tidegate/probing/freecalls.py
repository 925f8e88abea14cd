"""What can be asked of a server for nothing, and how each answer was judged.

`GET /` and `/v1/models` say what it is, `/ping` whether the balancer's probes would find it well,
`/token/check` whether an account lives. What costs a unit is asked by `tidegate servers test`.
"""

import asyncio
from collections.abc import Iterable

import httpx
import msgspec

from contracts.balancer import PING_PATH
from runtime.credentials import Credential
from runtime.texts import count_phrase
from services.gateway.dialects.credentials import (
    authorization_of,
    dialects_saying,
    hide_secrets,
    secrets_of,
)
from services.gateway.domain.answers.accounts import CHECK, Standing, read_said
from services.gateway.domain.answers.concealing import CONCEALED
from services.gateway.domain.answers.failures import failure_tables
from tidegate.probing.asking import (
    TIMEOUT_S,
    PageRead,
    Probed,
    probe_server,
    probing_client,
    read_page,
)

_TABLES = failure_tables({}, {}, (), replace=False)
_PROBED_INSTEAD = ("/v1/models", "/health", "/")
"""What else a good probe may ask of servers without `/ping`, the first that is answered well."""
_BYTES_MAX = 64 * 1024
_SHOWN_MAX = 160


class FreeCall(msgspec.Struct, frozen=True, kw_only=True):
    """One question, and how its answer was judged."""

    asked: str
    """Method and path; never what went with them."""
    judged: str


class ServerTried(msgspec.Struct, frozen=True, kw_only=True):
    """A server, asked by everything that is free."""

    probed: Probed
    probe_path: str = PING_PATH
    """What its probes may ask; empty: nothing was answered well."""
    account: Standing | None = None
    """What it says of the first account; None: it was not asked."""
    calls: list[FreeCall] = []


async def try_servers(
    urls: Iterable[str], credential: Credential | None = None, timeout_s: float = TIMEOUT_S
) -> list[ServerTried]:
    """Try each of these addresses of servers; with a credential, ask after its account too."""
    async with probing_client() as client:
        tries = (_try_server(client, url, credential, timeout_s) for url in urls)
        return list(await asyncio.gather(*tries))


async def _try_server(
    client: httpx.AsyncClient, url: str, credential: Credential | None, timeout_s: float
) -> ServerTried:
    """Try one: first what it is, then a probe, then an account."""
    probed = await probe_server(client, url, timeout_s)
    if probed.why:
        calls = [FreeCall(asked="GET /", judged=probed.why)]
        return ServerTried(probed=probed, calls=calls)
    models = "no list of models"
    if probed.models is not None:
        models = count_phrase(probed.models, "model")
    calls = [
        FreeCall(asked="GET /", judged=f"it answers, and speaks {probed.dialect}"),
        FreeCall(asked="GET /v1/models", judged=models),
    ]
    base = url.rstrip("/")
    probe_path = ""
    for path in (PING_PATH, *_PROBED_INSTEAD):
        page = await read_page(client, f"{base}{path}", _BYTES_MAX, timeout_s)
        calls.append(FreeCall(asked=f"GET {path}", judged=_probe_text(page)))
        if _is_well(page):
            probe_path = path
            break
    account: Standing | None = None
    if credential is not None:
        account, judged = await _ask_account(client, probed, credential, timeout_s)
        calls.append(FreeCall(asked=f"POST {CHECK}", judged=judged))
    return ServerTried(probed=probed, probe_path=probe_path, account=account, calls=calls)


def _is_well(page: PageRead | str) -> bool:
    return isinstance(page, PageRead) and httpx.codes.is_success(page.status)


def _probe_text(page: PageRead | str) -> str:
    """Say how the balancer would judge this as the answer to a probe."""
    if isinstance(page, str):
        return f"no good probe: {page}"
    return f"{page.status}, a good probe" if _is_well(page) else f"{page.status}, no good probe"


async def _ask_account(
    client: httpx.AsyncClient, probed: Probed, credential: Credential, timeout_s: float
) -> tuple[Standing | None, str]:
    """Ask after an account as the pool's checks do; what it is, and the words for it."""
    authorization = authorization_of(credential.region, credential.credential)
    if not dialects_saying([probed.dialect], authorization):
        return None, f"not asked: {probed.dialect} cannot be told this credential's region or proxy"
    question = {"token": authorization.removeprefix(b"Bearer ").decode()}
    url = f"{probed.url.rstrip('/')}{CHECK}"
    page = await read_page(client, url, _BYTES_MAX, timeout_s, json=question)
    secrets = secrets_of(authorization)
    if isinstance(page, str):
        return None, f"nothing is known: {hide_secrets(page, secrets, CONCEALED)}"
    answer = read_said(CHECK, page.status, "", page.body, _TABLES, secrets)
    words = {
        "alive": "the account lives",
        "dead": "the login has expired",
        "unknown": "it says nothing of the account",
    }[answer.standing]
    why = f" ({answer.message[:_SHOWN_MAX]})" if answer.message else ""
    return answer.standing, f"{page.status}, {words}{why}"
