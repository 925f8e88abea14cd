"""A question asked straight: what the environment says of proxies is for the world outside."""

import urllib.request
from http.client import HTTPResponse
from typing import cast


def open_url(url: str | urllib.request.Request, timeout_s: float) -> HTTPResponse:
    """Ask `url`, an address of our own parts or of a server, or what says so with its headers.

    Raises `urllib.error.HTTPError`, which is an answer, and `OSError` or `ValueError` without one.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return cast("HTTPResponse", opener.open(url, timeout=timeout_s))
