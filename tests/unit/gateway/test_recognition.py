"""Which backend a server is, by the heads of the pages as the four sources give them."""

import pytest

from services.gateway.dialects.recognition import READ_BYTES_MAX, recognised

JSON, HTML = "application/json; charset=utf-8", "text/html; charset=utf-8"
COMMON = (
    '{"service":"jimeng-api","status":"running","version":"1.6.3","description":'
    '"免费的AI图像和视频生成API服务 - 基于即梦AI的逆向工程实现","documentation":'
    '"https://github.com/iptag/jimeng-api","endpoints":{"images":"/v1/images/generations",'
    '"compositions":"/v1/images/compositions","videos":"/v1/videos/generations",'
)
I = COMMON + '"models":"/v1/models","health":"/ping"}}'  # noqa: E741
D = COMMON + (
    '"chat":"/v1/chat/completions","models":"/v1/models","health":"/ping","usage":"/usage",'
    '"proxy":"/proxy","docs":"/docs"}}'
)
Z = """<!DOCTYPE html>
<html lang="zh-CN">
  <head>
    <meta charset="UTF-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1.0" />
    <title>即梦 API 管理控制台</title>
    <style>
"""
L = """<!DOCTYPE html>
<html>
    <head>
        <meta charset="utf-8"/>
        <title>🚀 服务已启动</title>
    </head>
    <body>
        <p>jimeng-free-api已启动！<br>请通过LobeChat / NextChat / Dify等客户端或OpenAI SDK接入！</p>
    </body>
</html>"""  # noqa: RUF001


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
    assert recognised(page.encode(), kind, []) == dialect


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
    assert recognised(b"Not Found", "text/plain", owners) == dialect


def test_page_outweighs_the_models() -> None:
    assert recognised(I.encode(), JSON, ["jimeng-free-api"]) == "jimeng"


def test_bytes_that_are_no_text_tell_nothing() -> None:
    assert recognised(b"\xff\xfe\x00", HTML, []) == "plain"
