"""The page about the gateway's endpoints: the generation paths, and the operator's from OpenAPI."""

from types import SimpleNamespace
from typing import Any, cast

from runtime.settings import DEFAULT_SERVICES
from services.gateway.accounts.passthrough import PASSED_THROUGH
from services.gateway.relay.models import PATH
from services.gateway.routes import Doors, operator_app
from tidegate.reference.markdown import as_code, markdown_table

_METHODS = ("get", "post", "put", "patch", "delete")


def endpoints_page() -> str:
    """Every endpoint; bodies and parameters are on the interactive page `/schema`."""
    generation = [
        (as_code(f"POST …{part}…"), as_code(name))
        for name, section in DEFAULT_SERVICES.items()
        for part in section.paths
    ]
    models = [("GET", PATH), ("GET", f"{PATH}/{{id}}")]
    passed = [
        (as_code(method), as_code(path)) for method, path in [*models, *sorted(PASSED_THROUGH)]
    ]
    return (
        "# Endpoints\n\n"
        "OpenAPI, with an interactive page, is served at `/schema`.\n\n"
        "## Generation (client key)\n\n"
        "A POST whose path contains one of these (`[services]`) takes a lease and is relayed byte"
        " for byte.\n\n"
        f"{markdown_table(('path', 'service type'), generation)}\n"
        "## Without a lease\n\n"
        "The models are those of all servers, merged by id and kept for `models_max_age`; HEAD is"
        " answered wherever GET is. The other calls are passed on to a server, for admin keys; with"
        " `?session=ID` they are asked for that session of the pool: its credential goes to a"
        " server that can be told it, and is concealed in what comes back.\n\n"
        f"{markdown_table(('method', 'path'), passed)}\n"
        "## Operator\n\n"
        f"{markdown_table(('method', 'path', 'what'), sorted(operator_endpoints()))}"
    )


def _closed_doors() -> Doors:
    """Doors that nobody goes through: enough to be described."""
    return cast("Doors", SimpleNamespace(logger=None))


def operator_endpoints() -> list[tuple[str, str, str]]:
    """Method, path and summary of every operator endpoint."""
    described: dict[str, Any] = operator_app(_closed_doors()).openapi_schema.to_schema()
    return [
        (as_code(method.upper()), as_code(path), operation.get("summary", ""))
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
