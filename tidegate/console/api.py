"""The gateway's operator endpoints, as the verbs ask them: an admin key, one answer, one error."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from runtime.addresses import system_words
from runtime.environment import Environment, read_environment, secret_variable
from runtime.settings import SettingsError
from runtime.texts import address_shown
from tidegate.console.errors import (
    CommandError,
    GatewayAbsentError,
    GatewayRefusedError,
    GatewayUnableError,
)

PAGE = 1000
"""Records of a list that are asked for at once."""
_TIMEOUT_S = 60.0
_FILE_TIMEOUT_S = 900.0
"""A file begins to come when it is written, as long as `export_timeout` after the question."""
_ERROR_STATUS = 400
_UNABLE_STATUS = 500
_NO_ID = re.compile(r"[/\\;\x00-\x1f\x7f\ud800-\udfff]")
"""What stands in no path of a gateway."""
_SENDABLE = re.compile(r"[\x21-\x7e]{1,4096}")
"""What may stand behind `Bearer ` in a header."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def get(path: str, **query: Any) -> Any:
    """Read what is at `path`; `query` are its parameters. Raises `CommandError`."""
    return _ask_gateway("GET", path, query=query)


def get_pages(
    path: str, limit: int, cursor: str = "", offset: int = 0, **query: Any
) -> Iterator[dict[str, Any]]:
    """Read page after page of a list, up to so many records. Raises `CommandError`.

    The first `offset` of it are passed over: what comes behind them goes on by cursor.
    """
    behind: dict[str, Any] = {"offset": offset} if offset else {}
    behind |= {"cursor": cursor} if cursor else {}
    while limit > 0:
        page = get(path, limit=min(limit, PAGE), **query, **behind)
        yield page
        limit -= len(page["data"])
        cursor = page.get("next", "")
        if not cursor:
            return
        behind = {"cursor": cursor}


def get_list(
    path: str, limit: int, cursor: str = "", offset: int = 0, **query: Any
) -> dict[str, Any]:
    """Put pages together: all that is not `data` is the last one's. Raises `CommandError`."""
    pages = list(get_pages(path, limit, cursor, offset, **query))
    data = [record for page in pages for record in page["data"]]
    return {**pages[-1], "data": data}


def post(path: str, body: Any = None, timeout_s: float = _TIMEOUT_S) -> Any:
    """Make or do something; waits `timeout_s` for it. Raises `CommandError`."""
    return _ask_gateway("POST", path, body=body, timeout_s=timeout_s)


def patch(path: str, body: Any, **query: Any) -> Any:
    """Change what `body` names; `query` are parameters. Raises `CommandError`."""
    return _ask_gateway("PATCH", path, body=body, query=query)


def put(path: str, body: Any) -> Any:
    """Put `body` in the place of what is there. Raises `CommandError`."""
    return _ask_gateway("PUT", path, body=body)


def delete(path: str, **query: Any) -> Any:
    """Take out what is at `path`; `query` are its parameters. Raises `CommandError`."""
    return _ask_gateway("DELETE", path, query=query)


def path_segment(text: str) -> str:
    """Write an id so that it is one segment of a path. Raises `SettingsError` for what is none."""
    if text in {"", ".", ".."} or _NO_ID.search(text):
        raise SettingsError(
            f"expected an id, got {text!r}: none is empty, dots alone, or has a line break,"
            " `/`, `\\` or `;` in it"
        )
    return quote(text, safe="")


def _ask_gateway(
    method: str,
    path: str,
    *,
    body: Any = None,
    query: dict[str, Any] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> Any:
    """Ask the gateway; its answer.

    Raises `CommandError` when it refuses, or there is none.
    """
    with _admin_client() as client:
        try:
            answer = client.request(
                method, path, params=query or None, json=body, timeout=timeout_s
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_gateway(client, error) from None
        return _json_answer(client, answer)


@contextmanager
def download(path: str, **query: Any) -> Iterator[httpx.Response]:
    """Read something long piece by piece.

    Raises `CommandError` when it is refused, there is none, or it breaks off.
    """
    with _admin_client() as client:
        try:
            waiting = httpx.Timeout(_TIMEOUT_S, read=_FILE_TIMEOUT_S)
            with client.stream("GET", path, params=query, timeout=waiting) as answer:
                if answer.status_code >= _ERROR_STATUS:
                    answer.read()
                    _json_answer(client, answer)
                yield answer
        except httpx.ConnectError as error:
            raise _no_gateway(client, error) from None
        except httpx.HTTPError as error:
            raise CommandError(f"the answer broke off: {error or type(error).__name__}") from None


@contextmanager
def options_for(**options: str) -> Iterator[None]:
    """Have a refusal name the option that was typed, not the parameter that it became.

    Raises `GatewayRefusedError`.
    """
    try:
        yield
    except GatewayRefusedError as error:
        name, colon, reason = str(error).partition(": ")
        if name not in options:
            raise
        raise GatewayRefusedError(f"{options[name]}{colon}{reason}", error.refused) from None


def _admin_client() -> httpx.Client:
    """Make a client that shows the admin key to the gateway."""
    here = read_environment()
    url = gateway_address(here)
    key = {"Authorization": f"Bearer {admin_key(here, url)}"}
    # No proxy of the environment: it would see the key. Certificates are still its business.
    way = httpx.HTTPTransport()
    return httpx.Client(
        base_url=url, timeout=_TIMEOUT_S, trust_env=False, transport=way, headers=key
    )


def _no_gateway(client: httpx.Client, error: Exception) -> GatewayAbsentError:
    url = address_shown(str(client.base_url).rstrip("/"))
    return GatewayAbsentError(
        f"expected a gateway at {url} ({system_words(error) or type(error).__name__});"
        " start one with `tidegate up`, or name another in TIDEGATE_API"
    )


def _json_answer(client: httpx.Client, answer: httpx.Response) -> Any:
    """Let an answer through that is JSON and no error. Raises `CommandError`."""
    try:
        body = answer.json()
    except ValueError:
        url = address_shown(str(client.base_url).rstrip("/"))
        raise CommandError(
            f"{url} is no Tidegate gateway: it answered {answer.status_code} without JSON"
        ) from None
    if answer.status_code == _ERROR_STATUS:
        message = _error_message(body, answer.status_code)
        raise GatewayRefusedError(message, _refused_items(body))
    if answer.status_code >= _UNABLE_STATUS:
        raise GatewayUnableError(_error_message(body, answer.status_code))
    if answer.status_code > _ERROR_STATUS:
        raise CommandError(_error_message(body, answer.status_code))
    return body


def gateway_address(environment: Environment) -> str:
    """Find the gateway: TIDEGATE_API, or the one that runs from this home.

    Raises `SettingsError` when TIDEGATE_API is no HTTP address.
    """
    url = os.environ.get("TIDEGATE_API", "")
    if not url:
        own = (
            f"http://127.0.0.1:{environment.port}"
            if environment.home.operator_key.exists()
            else environment.api
        )
        return _running_address(environment) or own
    if not _is_address(url):
        raise SettingsError(
            "TIDEGATE_API: expected an address such as http://127.0.0.1:8080, without user and"
            f" password, got {address_shown(url)!r}"
        )
    return url.rstrip("/")


def _is_address(url: str) -> bool:
    try:
        httpx.URL(url)
        parts = urlsplit(url)
        has_port = parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return False
    # A user in the address would be sent instead of the admin key.
    own = has_port and "@" not in parts.netloc
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and own


def _running_address(environment: Environment) -> str:
    """Where the `up` of this home listens; empty when none runs."""
    try:
        run = json.loads(environment.home.run.read_text())
    except (OSError, ValueError):
        return ""
    return str(run.get("url", "")) if isinstance(run, dict) else ""


def admin_key(environment: Environment, url: str) -> str:
    """Find the admin key: TIDEGATE_ADMIN_KEY or, for this machine alone, the home's.

    Raises `SettingsError` when there is none to show to `url`.
    """
    given = secret_variable("TIDEGATE_ADMIN_KEY")
    if given and _SENDABLE.fullmatch(given) is None:
        raise SettingsError("TIDEGATE_ADMIN_KEY: expected one key of visible ASCII characters")
    if given:
        return given
    if not _is_loopback(url):
        raise SettingsError(
            f"TIDEGATE_ADMIN_KEY: expected an admin key for {address_shown(url)};"
            " the operator key of the home is shown to this machine only"
        )
    try:
        return environment.home.operator_key.read_text().strip()
    except OSError as error:
        raise SettingsError(
            "TIDEGATE_ADMIN_KEY: expected an admin key, or the operator key in"
            f" {environment.home.operator_key} ({error.strerror}): `tidegate up` makes one, in"
            " the home that TIDEGATE_HOME names"
        ) from None


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


def _error_message(body: Any, status: int) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return str(message) if message else f"the gateway answered {status}"


def _refused_items(body: Any) -> dict[int, str]:
    """Read what an error says of each item of a list; empty where it says nothing of that."""
    error = body.get("error") if isinstance(body, dict) else None
    items = error.get("refused") if isinstance(error, dict) else None
    return {item["line"]: item["reason"] for item in items or ()}
