"""The dashboard's page at `/`, and its files under `/ui/`: they need no key, and hold no figure."""

from typing import Any, cast

from litestar import Request, Response, get
from litestar.params import FromPath

from services.gateway.dashboard.files import PAGE, PageFile, page_files
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.paths import BASE

_NOT_MODIFIED = 304
_MOVED = 308


@get("/", include_in_schema=False, sync_to_thread=False)
def page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer the page; it is asked for anew each time, for it names the files of its version."""
    scope = cast("dict[str, Any]", request.scope)
    if not scope["raw_path"]:
        return Response(b"", status_code=_MOVED, headers={"location": f"{scope[BASE]}/"})
    return _answer(request, page_files().page, "no-cache")


@get("/ui/{path:path}", include_in_schema=False, sync_to_thread=False)
def page_file(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
    """Answer one file of the page. Raises `GatewayError` where there is none."""
    found = page_files().file_at(path)
    if found is None:
        raise GatewayError("not_found", f"the dashboard has no file {path[:200]}")
    return _answer(request, *found)


def _answer(request: Request[Any, Any, Any], file: PageFile, keep: str) -> Response[bytes]:
    """Answer a file as the browser takes it, or that it has it (RFC 9110 §13.1.2)."""
    headers = {"etag": file.etag, "cache-control": keep, "vary": "Accept-Encoding"}
    if file is page_files().files[PAGE]:
        headers["content-security-policy"] = page_files().policy
    known = request.headers.get("if-none-match", "")
    if file.etag in known:
        return Response(b"", status_code=_NOT_MODIFIED, headers=headers)
    body = file.body
    if file.packed and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        body = file.packed
    return Response(body, media_type=file.media_type, headers=headers)
