"""A question asked straight: what the environment says of proxies is for the world outside."""

import urllib.request
from http.client import HTTPResponse
from typing import cast


def open_url(url: str, timeout_s: float, key: str = "") -> HTTPResponse:
    """Ask `url`, an address of our own parts or of a server; show it `key` if there is one.

    Raises `urllib.error.HTTPError`, which is an answer, and `OSError` or `ValueError` without one.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    question = urllib.request.Request(url, headers=headers)  # noqa: S310 (an address of ours)
    return cast("HTTPResponse", opener.open(question, timeout=timeout_s))
