"""Which backend a server is, by what it says of itself.

iptag/jimeng-api and gdtiti/drraw_nopoint answer `GET /` with the same object, but that the latter
names a path for chats (src/api/routes/index.ts); zhizinan1997/jimeng-free-api-all shows
public/index.html, LLM-Red-Team/jimeng-free-api public/welcome.html. Where the page says nothing,
the owner of the models may: `jimeng-api` is two of them, and so is neither.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from contracts.balancer import PLAIN

READ_BYTES_MAX = 64 * 1024
"""Of a page, as much is read: what tells stands at its start."""
_SERVICE = "jimeng-api"
_TITLE = re.compile(r"<title[^>]{0,200}>\s{0,200}([^<]{0,200}?)\s{0,200}</title>", re.IGNORECASE)
_CONSOLE = "即梦 API 管理控制台"
_STARTED = "jimeng-free-api已启动"
_OWNERS = {
    "jimeng-image": "jimeng-free-all",
    "jimeng-video": "jimeng-free-all",
    "jimeng-free-api": "jimeng-free",
}
"""`owned_by` of `/v1/models` (src/api/controllers/models.ts; src/api/routes/models.ts)."""


def recognise_dialect(page: bytes, content_type: str, owners: Iterable[str]) -> str:
    """Name the dialect of a server by its `GET /` and by who owns its models; else `plain`."""
    text = page[:READ_BYTES_MAX].decode("utf-8", "replace")
    kind = content_type.partition(";")[0].strip().lower()
    told = _by_object(text) if kind == "application/json" else _by_page(text)
    if told != PLAIN:
        return told
    named = {_OWNERS.get(owner, PLAIN) for owner in owners}
    return named.pop() if len(named) == 1 else PLAIN


def _by_object(text: str) -> str:
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return PLAIN
    if not isinstance(document, dict) or document.get("service") != _SERVICE:
        return PLAIN
    endpoints = document.get("endpoints")
    return "drraw" if isinstance(endpoints, dict) and "chat" in endpoints else "jimeng"


def _by_page(text: str) -> str:
    title = _TITLE.search(text)
    if title is not None and title[1] == _CONSOLE:
        return "jimeng-free-all"
    return "jimeng-free" if _STARTED in text else PLAIN
