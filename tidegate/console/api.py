"""The gateway's operator endpoints, as the verbs ask them: an admin key, one answer, one error."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from runtime.environment import Environment, read_environment, secret_variable
from runtime.settings import SettingsError
from tidegate.console.errors import CommandError, RefusedError

_TIMEOUT_S = 60.0
_FILE_TIMEOUT_S = 900.0
"""A file begins to come when it is written, as long as `export_timeout` after the question."""
_ERROR_STATUS = 400
_NO_ID = re.compile(r"[/\\;\x00-\x1f\x7f\ud800-\udfff]")
"""What stands in no path of a gateway."""
_SENDABLE = re.compile(r"[\x21-\x7e]{1,4096}")
"""What may stand behind `Bearer ` in a header."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def get(path: str, **query: Any) -> Any:
    """Read something."""
    return _asked("GET", path, query=query)


def post(path: str, body: Any = None, timeout_s: float = _TIMEOUT_S) -> Any:
    """Make or do something."""
    return _asked("POST", path, body=body, timeout_s=timeout_s)


def patch(path: str, body: Any) -> Any:
    """Change something."""
    return _asked("PATCH", path, body=body)


def put(path: str, body: Any) -> Any:
    """Set something."""
    return _asked("PUT", path, body=body)


def delete(path: str) -> Any:
    """Take something out."""
    return _asked("DELETE", path)


def segment(text: str) -> str:
    """Write an id so that it is one segment of a path. Raises `SettingsError` for what is none."""
    if text in {"", ".", ".."} or _NO_ID.search(text):
        raise SettingsError(
            f"expected an id, got {text!r}: none is empty, dots alone, or has a line break,"
            " `/`, `\\` or `;` in it"
        )
    return quote(text, safe="")


def _asked(
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
    with _connected() as client:
        try:
            answer = client.request(
                method, path, params=query or None, json=body, timeout=timeout_s
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _nobody(client, error) from None
        return _judged(client, answer)


@contextmanager
def download(path: str, **query: Any) -> Iterator[httpx.Response]:
    """Read something long piece by piece.

    Raises `CommandError` when it is refused, there is none, or it breaks off.
    """
    with _connected() as client:
        try:
            waiting = httpx.Timeout(_TIMEOUT_S, read=_FILE_TIMEOUT_S)
            with client.stream("GET", path, params=query, timeout=waiting) as answer:
                if answer.status_code >= _ERROR_STATUS:
                    answer.read()
                    _judged(client, answer)
                yield answer
        except httpx.ConnectError as error:
            raise _nobody(client, error) from None
        except httpx.HTTPError as error:
            raise CommandError(f"the answer broke off: {error or type(error).__name__}") from None


def _connected() -> httpx.Client:
    """Make a client that shows the admin key to the gateway."""
    found = read_environment()
    url = address(found)
    key = {"Authorization": f"Bearer {admin_key(found, url)}"}
    # No proxy of the environment: it would see the key. Certificates are still its business.
    way = httpx.HTTPTransport()
    return httpx.Client(
        base_url=url, timeout=_TIMEOUT_S, trust_env=False, transport=way, headers=key
    )


def _nobody(client: httpx.Client, error: Exception) -> CommandError:
    url = str(client.base_url).rstrip("/")
    return CommandError(
        f"expected a gateway at {url} ({error or type(error).__name__});"
        " start one with `tidegate up`, or name another in TIDEGATE_API"
    )


def _judged(client: httpx.Client, answer: httpx.Response) -> Any:
    """Let an answer through that is JSON and no error. Raises `CommandError`."""
    try:
        told = answer.json()
    except ValueError:
        url = str(client.base_url).rstrip("/")
        raise CommandError(
            f"{url} is no Tidegate gateway: it answered {answer.status_code} without JSON"
        ) from None
    if answer.status_code == _ERROR_STATUS:
        raise RefusedError(_message(told, answer.status_code))
    if answer.status_code > _ERROR_STATUS:
        raise CommandError(_message(told, answer.status_code))
    return told


def address(found: Environment) -> str:
    """Find the gateway: TIDEGATE_API, or the one that runs from this home.

    Raises `SettingsError` when TIDEGATE_API is no HTTP address.
    """
    url = os.environ.get("TIDEGATE_API", "")
    if not url:
        own = f"http://127.0.0.1:{found.port}" if found.home.operator_key.exists() else found.api
        return _running(found) or own
    if not _is_address(url):
        raise SettingsError(
            f"TIDEGATE_API: expected an address such as http://127.0.0.1:8080, got {url!r}"
        )
    return url.rstrip("/")


def _is_address(url: str) -> bool:
    try:
        httpx.URL(url)
        parts = urlsplit(url)
        has_port = parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and has_port


def _running(found: Environment) -> str:
    """Where the `up` of this home listens; empty when none runs."""
    try:
        run = json.loads(found.home.run.read_text())
    except (OSError, ValueError):
        return ""
    return str(run.get("url", "")) if isinstance(run, dict) else ""


def admin_key(found: Environment, url: str) -> str:
    """Find the admin key: TIDEGATE_ADMIN_KEY or, for this machine alone, the home's.

    Raises `SettingsError` when there is none to show to `url`.
    """
    given = secret_variable("TIDEGATE_ADMIN_KEY")
    if given and _SENDABLE.fullmatch(given) is None:
        raise SettingsError("TIDEGATE_ADMIN_KEY: expected one key of visible ASCII characters")
    if given:
        return given
    if not _near(url):
        raise SettingsError(
            f"TIDEGATE_ADMIN_KEY: expected an admin key for {url};"
            " the operator key of the home is shown to this machine only"
        )
    try:
        return found.home.operator_key.read_text().strip()
    except OSError as error:
        raise SettingsError(
            "TIDEGATE_ADMIN_KEY: expected an admin key, or the operator key in"
            f" {found.home.operator_key} ({error.strerror}): `tidegate up` makes one, in the home"
            " that TIDEGATE_HOME names"
        ) from None


def _near(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


def _message(told: Any, status: int) -> str:
    error = told.get("error") if isinstance(told, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return str(message) if message else f"the gateway answered {status}"
