"""The dashboard's page as a gateway answers it: no key, its policy, and what a browser may keep."""

import gzip

import pytest

from services.gateway.dashboard.files import page_files
from tests.integration.gateway.doors import Desk

pytestmark = pytest.mark.anyio


async def test_page_needs_no_key_and_says_what_it_may_run(alone: Desk) -> None:
    found = await alone.http.get("/")

    assert found.status_code == 200
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["content-security-policy"] == page_files().policy
    assert found.headers["x-frame-options"] == "DENY"
    assert found.headers["cache-control"] == "no-cache"
    assert "access-control-allow-origin" not in found.headers


async def test_file_is_answered_compressed_and_kept_for_good(alone: Desk) -> None:
    ours = page_files()
    path = f"/ui/{ours.digest}/app.js"

    plain = await alone.http.get(path, headers={"accept-encoding": "identity"})
    found = await alone.http.get(path, headers={"accept-encoding": "gzip, br"})

    assert plain.content == found.content == ours.files["app.js"].body
    assert found.headers["content-encoding"] == "gzip"
    assert int(found.headers["content-length"]) == len(gzip.compress(found.content, 9))
    assert found.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "immutable" in found.headers["cache-control"]


async def test_file_that_the_browser_has_is_not_sent_again(alone: Desk) -> None:
    first = await alone.http.get("/ui/app.js")

    again = await alone.http.get("/ui/app.js", headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_head_has_the_headers_and_no_body(alone: Desk) -> None:
    found = await alone.http.head("/")

    assert (found.status_code, found.content) == (200, b"")
    assert "content-security-policy" in found.headers


async def test_file_that_is_not_there_is_an_error_of_ours(alone: Desk) -> None:
    for path in ("/ui/none.js", "/ui/files.py", "/ui/%2e%2e/app.py", "/ui/..%2fapp.py"):
        found = await alone.http.get(path)

        assert found.status_code in {400, 404}, path
        assert found.json()["error"]["code"] in {"not_found", "invalid_request"}


async def test_strange_host_gets_no_page(alone: Desk) -> None:
    found = await alone.http.get("/", headers={"host": "evil.example"})

    assert found.json()["error"]["code"] == "host_not_allowed"
