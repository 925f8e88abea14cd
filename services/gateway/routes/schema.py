"""OpenAPI at /schema, with an interactive page that needs nothing from elsewhere."""

from pathlib import Path
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from services.gateway.dashboard.policy import schema_policy
from services.gateway.domain.errors import GatewayError
from services.gateway.routes import refusals
from services.gateway.routes.contract import complete_schema
from services.gateway.routes.guard import SECURITY, watchers

_NOT_FOUND = 404
_PAGE = Path(__file__).with_name("schema.html")
_POLICY = schema_policy(_PAGE.read_bytes())


class SchemaPage(OpenAPIRenderPlugin):
    """One HTML file: lists every operation and lets one try it; loads no script from anywhere."""

    def __init__(self) -> None:
        """Read the file once."""
        super().__init__(path="/")
        self._page = _PAGE.read_bytes()

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Answer the page; it fetches the schema itself."""
        del request, openapi_schema
        return self._page


class Contract(JsonRenderPlugin):
    """The schema itself, completed once."""

    def __init__(self) -> None:
        """Know where it is."""
        super().__init__(path="/openapi.json")
        self._text: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Answer it."""
        del request
        if self._text is None:
            self._text = msgspec.json.encode(complete_schema(openapi_schema, SECURITY))
        return self._text


async def in_our_shape(response: Response[Any]) -> Response[Any]:
    """Give the page its policy; replace Litestar's for unknown paths under /schema by our error."""
    if response.status_code != _NOT_FOUND:
        if response.media_type == MediaType.HTML:
            response.headers["content-security-policy"] = _POLICY
        return response
    return refusals.error_response(GatewayError("not_found", "there is no such path under /schema"))


def openapi_config() -> OpenAPIConfig:
    """Describe the API."""
    scheme = SecurityScheme(type="http", scheme="bearer", description="An admin key, `sk-…`.")
    return OpenAPIConfig(
        title="Tidegate",
        version="1",
        description=(
            "Generation, administration and figures of one gateway. Which further paths generate"
            " what is its configuration; they take and give the bodies of their backends."
        ),
        components=Components(security_schemes={SECURITY: scheme}),
        render_plugins=[SchemaPage(), Contract()],
        use_handler_docstrings=True,
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            guards=[watchers],
            include_in_schema=False,
            after_request=in_our_shape,
        ),
    )
