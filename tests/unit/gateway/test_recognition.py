"""Which backend a server is, by the pages of the four, as the demo has them from their sources."""

import pytest

from demo.roots import ROOTS
from services.gateway.dialects.recognition import READ_BYTES_MAX, recognise_dialect

JSON, HTML = "application/json; charset=utf-8", "text/html; charset=utf-8"
I, D, L = (ROOTS[name] for name in ("jimeng", "drraw", "jimeng-free"))  # noqa: E741
Z, _, _ = ROOTS["jimeng-free-all"].partition("</style>")
"""As much of it as is read: it is long."""


@pytest.mark.parametrize(
    ("page", "kind", "dialect"),
    [
        (I, JSON, "jimeng"),
        (D, JSON, "drraw"),
        (Z, HTML, "jimeng-free-all"),
        (L, HTML, "jimeng-free"),
        (L.replace("jimeng", "kimi"), HTML, "plain"),
        (L.replace("🚀 服务已启动", "jimeng-free-api已启动"), HTML, "jimeng-free"),
        (I, HTML, "plain"),
        ('{"service":"jimeng-api"}', JSON, "jimeng"),
        ('{"service":"jimeng-api","endpoints":["chat"]}', JSON, "jimeng"),
        ('{"service":"another"}', JSON, "plain"),
        ("[" * 100_000, JSON, "plain"),
        ("[]", JSON, "plain"),
        ("", "", "plain"),
        ("<title>即梦 API 管理控制台 2</title>", HTML, "plain"),
        ("<TITLE>\n 即梦 API 管理控制台 </TITLE>", HTML, "jimeng-free-all"),
        (" " * READ_BYTES_MAX + Z, HTML, "plain"),
    ],
)
def test_page_tells_the_dialect(page: str, kind: str, dialect: str) -> None:
    assert recognise_dialect(page.encode(), kind, []) == dialect


@pytest.mark.parametrize(
    ("owners", "dialect"),
    [
        (["jimeng-image", "jimeng-video", "jimeng-image"], "jimeng-free-all"),
        (["jimeng-free-api"], "jimeng-free"),
        (["jimeng-api"], "plain"),
        (["jimeng-free-api", "openai"], "plain"),
        (["jimeng-free-api", "jimeng-image"], "plain"),
        ([], "plain"),
    ],
)
def test_owner_of_the_models_tells_where_the_page_does_not(owners: list[str], dialect: str) -> None:
    assert recognise_dialect(b"Not Found", "text/plain", owners) == dialect


def test_page_outweighs_the_models() -> None:
    assert recognise_dialect(I.encode(), JSON, ["jimeng-free-api"]) == "jimeng"


def test_bytes_that_are_no_text_tell_nothing() -> None:
    assert recognise_dialect(b"\xff\xfe\x00", HTML, []) == "plain"
