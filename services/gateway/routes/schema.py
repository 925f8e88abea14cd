"""OpenAPI at /schema, with an interactive page that needs nothing from elsewhere."""

from pathlib import Path
from typing import Any

from litestar import Request
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

SECURITY = "admin key"
_PAGE = Path(__file__).with_name("schema.html")


class Page(OpenAPIRenderPlugin):
    """One HTML file: lists every operation and lets one try it; loads no script from anywhere."""

    def __init__(self) -> None:
        """Read the file once."""
        super().__init__(path="/")
        self._page = _PAGE.read_bytes()

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Answer the page; it fetches the schema itself."""
        del request, openapi_schema
        return self._page


def openapi() -> OpenAPIConfig:
    """Describe the API."""
    scheme = SecurityScheme(type="http", scheme="bearer", description="An admin key, `sk-…`.")
    return OpenAPIConfig(
        title="Tidegate operator API",
        version="1",
        description=(
            "Administration and figures of one gateway. Generation endpoints take the bodies of"
            " their backends and are not listed here."
        ),
        components=Components(security_schemes={SECURITY: scheme}),
        render_plugins=[Page(), JsonRenderPlugin(path="/openapi.json")],
        use_handler_docstrings=True,
        path="/schema",
    )
