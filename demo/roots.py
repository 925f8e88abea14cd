"""What each of the four backends says at `GET /`, as its source has it (src/api/routes/index.ts).

Of `jimeng-free-all` it is the head of public/index.html, of `jimeng-free` the whole of
public/welcome.html: its title is another than what the page says.
"""

import json
from typing import Any

from demo import api
from demo.dialects import DemoBackend
from demo.door import DemoAnswer, Incoming

_IMAGES, _VIDEOS = "/v1/images/generations", "/v1/videos/generations"


def _service_text(**more: str) -> str:
    """Write what I says; D says the same, and names more of its paths."""
    text: dict[str, Any] = {
        "service": "jimeng-api",
        "status": "running",
        "version": "1.6.3",
        "description": "免费的AI图像和视频生成API服务 - 基于即梦AI的逆向工程实现",
        "documentation": "https://github.com/iptag/jimeng-api",
        "endpoints": {
            "images": _IMAGES,
            "compositions": "/v1/images/compositions",
            "videos": _VIDEOS,
            "models": "/v1/models",
            "health": "/ping",
            **more,
        },
    }
    return json.dumps(text, ensure_ascii=False, separators=(",", ":"))


ROOTS = {
    "jimeng": _service_text(),
    "drraw": _service_text(
        chat="/v1/chat/completions", usage="/usage", proxy="/proxy", docs="/docs"
    ),
    "jimeng-free-all": """<!DOCTYPE html>
<html lang="zh-CN">
  <head>
    <meta charset="UTF-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1.0" />
    <title>即梦 API 管理控制台</title>
    <style></style>
  </head>
  <body></body>
</html>
""",
    "jimeng-free": """<!DOCTYPE html>
<html>
    <head>
        <meta charset="utf-8"/>
        <title>🚀 服务已启动</title>
    </head>
    <body>
        <p>jimeng-free-api已启动！<br>请通过LobeChat / NextChat / Dify等客户端或OpenAI SDK接入！</p>
    </body>
</html>""",  # noqa: RUF001
}
"""By dialect."""


def root_answer(incoming: Incoming, backend: DemoBackend) -> DemoAnswer | None:
    """Answer `GET /` as the backend does: by JSON, or by a page."""
    if (incoming.method, incoming.path) != ("GET", "/"):
        return None
    said = ROOTS[backend.name]
    kind = "application/json" if said.startswith("{") else "text/html"
    return DemoAnswer(body=said.encode(), kind=f"{kind}; charset=utf-8")


def no_path_answer(incoming: Incoming, backend: DemoBackend) -> DemoAnswer:
    """Say that there is no such path, as this family does."""
    return api.backend_refusal(backend, backend.no_path(incoming.method, incoming.target))
