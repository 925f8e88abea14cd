"""What OpenAPI says beyond what Litestar finds out: every error of every operation, and `/v1`.

Generation paths are configuration and go past the framework; these are the ones that every client
of this trade knows. Their bodies are the backends', so little is promised of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.analytics import FileFormat, ReportFormat, ReportPeriod
from contracts.base import NUMBER_MAX
from runtime.credentials import REGIONS
from runtime.texts import NAME_MAX
from services.gateway.clients.browsers import ANY_HOST
from services.gateway.domain.errors import KINDS, ErrorCode
from services.gateway.routes.admin.leases import LeaseState
from services.gateway.routes.figures import reports, statistics

Json = dict[str, Any]
_OPERATOR: tuple[ErrorCode, ...] = (
    "invalid_request",
    "invalid_api_key",
    "model_not_allowed",
    "internal_error",
)
_BY_COOKIE: tuple[ErrorCode, ...] = ("sign_in_ended", "read_only_key", "cross_site_refused")
_ASKS_OTHERS: tuple[ErrorCode, ...] = ("ledger_unavailable", "no_backend")
_GENERATES = tuple(code for code in KINDS if code not in {"not_found", "internal_error"})
_MODELS: tuple[ErrorCode, ...] = (
    "invalid_api_key",
    "rate_limit_exceeded",
    "upstream_error",
    "no_backend",
)
_CLIENT = "client key"
_REFERENCE = "#/components/"
_RETRY_AFTER = {"schema": {"type": "string", "pattern": "^[0-9]+$"}}
_BODIES: Mapping[tuple[str, str], Json] = {
    ("/api/sessions", "post"): {
        "oneOf": [
            {"$ref": "#/components/schemas/NewSession"},
            {"type": "array", "items": {"$ref": "#/components/schemas/NewSession"}},
        ]
    }
}
"""Of bodies whose items are looked at one by one."""
_LABEL = "What operators call it; clients never see it. No personal data."
_NEW_SESSION: Json = {
    "type": "object",
    "required": ["credential"],
    "additionalProperties": False,
    "properties": {
        "credential": {"type": "string", "pattern": "^[\\x21-\\x7e]{1,4096}$"},
        "region": {
            "enum": ["", *REGIONS],
            "description": "The same as `us-` and so on before the credential.",
        },
        "timezone": {"type": "string"},
        "label": {"type": "string", "maxLength": NAME_MAX, "description": _LABEL},
        "quota_timezone": {"type": "string", "description": "The same as `timezone`."},
        "limits": {
            "type": "object",
            "additionalProperties": {"type": "integer", "minimum": 0, "maximum": NUMBER_MAX},
        },
    },
}
"""What `runtime.credentials` takes."""
_CONTENT: Mapping[str, Iterable[str]] = {
    "/api/reports/{period}": reports.MEDIA_TYPES.values(),
    "/api/stats/export": statistics.MEDIA_TYPES.values(),
    "/api/events/stream": ("text/event-stream",),
    "/livez": ("text/plain", "application/json"),
    "/readyz": ("text/plain", "application/json"),
    "/metrics": ("text/plain",),
}
"""Of answers that are no JSON of a fixed shape."""
_CHOICES: Mapping[tuple[str, str], Iterable[str]] = {
    ("/api/reports/{period}", "period"): ReportPeriod,
    ("/api/reports/{period}", "format"): ReportFormat,
    ("/api/stats/export", "format"): FileFormat,
    ("/api/leases", "state"): LeaseState,
}
"""Parameters of a few words; the framework would word a wrong one itself."""
_GENERATIONS: tuple[tuple[str, str, str], ...] = (
    ("/v1/images/generations", "Pictures from a text", "application/json"),
    ("/v1/images/compositions", "A picture from pictures", "application/json"),
    ("/v1/images/edits", "A picture changed", "multipart/form-data"),
    ("/v1/videos/generations", "A film from a text", "application/json"),
    ("/v1/chat/completions", "A generation by a conversation", "application/json"),
)


def complete_schema(schema: Json, key_name: str) -> Json:
    """Add what is missing; `key_name` is how the schema calls an admin key."""
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= _component_schemas()
    components.setdefault("securitySchemes", {})[_CLIENT] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A client key, `sk-…`.",
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _describe_operation(path, method, operation)
    schema["paths"] |= _generation_paths() | _models_path() | _token_paths(key_name)
    return schema


def _describe_operation(path: str, method: str, operation: Json) -> None:
    """Replace the framework's errors by ours, and add those that it cannot know."""
    for parameter in operation.get("parameters", ()):
        choices = _CHOICES.get((path, parameter["name"]))
        if choices is not None:
            parameter["schema"]["enum"] = [str(choice) for choice in choices]
    if (path, method) in _BODIES:
        operation["requestBody"]["content"]["application/json"]["schema"] = _BODIES[path, method]
    responses = operation["responses"]
    responses.pop("400", None)
    good = next(iter(responses.values()))
    if path in _CONTENT:
        good["content"] = {kind: {} for kind in _CONTENT[path]}
    for response in responses.values():
        response["headers"] = {**response.get("headers", {}), **_request_id()}
    codes: list[ErrorCode] = ["invalid_request", "internal_error"]  # a key in any query is refused
    codes += [] if path in ANY_HOST else ["host_not_allowed"]
    if path.startswith("/api/"):
        codes += [*_OPERATOR, *_BY_COOKIE, *_ASKS_OTHERS]
        named = "{" in path or "session" in path or path.endswith(("/accept", "/probe"))
        named |= (path, method) == ("/api/queue", "delete")
        codes += ["not_found"] if named else []
        codes += ["sign_in_link_invalid"] if path.endswith("/sign-in") else []
        codes += ["request_too_large"] if "requestBody" in operation else []
        codes += ["upstream_error"] if path.endswith(("/test", "/receive")) else []
        codes += _GENERATES if path.startswith("/api/servers") and path.endswith("/test") else []
        codes += ["rate_limit_exceeded"] if method == "get" else []
    elif path == "/readyz":
        responses["503"] = {"description": "not ready, and why", "headers": _request_id()}
        responses["503"]["content"] = good["content"]
    elif path == "/metrics":
        codes += [*_OPERATOR, *_BY_COOKIE]
    responses |= _error_responses(dict.fromkeys(codes))


def _error_responses(codes: Iterable[ErrorCode]) -> Json:
    """Describe the answers of some errors, by status."""
    by_status = defaultdict(list)
    for code in codes:
        by_status[KINDS[code].status].append(KINDS[code])
    responses: Json = {}
    for status, kinds in sorted(by_status.items()):
        headers = _request_id()
        if any(kind.retry_after_s for kind in kinds):
            headers["Retry-After"] = _RETRY_AFTER
        if any(kind.should_retry is not None for kind in kinds):
            headers["X-Should-Retry"] = {"schema": {"enum": ["true", "false"]}}
        if status == KINDS["invalid_api_key"].status:
            headers["WWW-Authenticate"] = {"schema": {"type": "string"}, "required": True}
        responses[str(status)] = {
            "description": "; ".join(f"`{kind.code}`: {kind.situation}" for kind in kinds),
            "headers": headers,
            "content": {"application/json": {"schema": _schema_ref("Error")}},
        }
    return responses


def _request_id() -> Json:
    return {"X-Request-ID": {"schema": {"type": "string", "format": "uuid"}, "required": True}}


def _schema_ref(name: str) -> Json:
    return {"$ref": f"{_REFERENCE}schemas/{name}"}


def _operation_entry(
    name: str, summary: str, key: str, codes: Iterable[ErrorCode], content: Mapping[str, Json]
) -> Json:
    good = {"description": summary, "headers": _request_id(), "content": dict(content)}
    return {
        "operationId": name,
        "tags": ["generation"],
        "summary": summary,
        "security": [{key: []}],
        "responses": {"200": good, **_error_responses(codes)},
    }


def _generation_paths() -> Json:
    """Describe the doors that make something."""
    paths = {}
    kinds = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {}}
    for path, summary, kind in _GENERATIONS:
        name = "".join(part.title() for part in path.split("/"))
        operation = _operation_entry(name, summary, _CLIENT, [*_GENERATES, "internal_error"], kinds)
        operation["responses"]["504"] = operation["responses"]["502"]
        operation["responses"]["4XX"] = operation["responses"]["400"]
        wanted = "ChatRequest" if "chat" in path else "GenerationRequest"
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _schema_ref(wanted)}},
        }
        paths[path] = {"post": operation}
    return paths


def _models_path() -> Json:
    codes = [*_MODELS, "ledger_unavailable", "pool_saturated", "internal_error"]
    kept = {"application/json": {"schema": _schema_ref("Models")}}
    content = {"application/json": {"schema": _schema_ref("Model")}}
    several = _operation_entry("Models", "The models of all servers", _CLIENT, codes, kept)
    single = _operation_entry("Model", "One of them", _CLIENT, [*codes, "not_found"], content)
    bad = _error_responses(["invalid_request"])
    several["responses"] |= bad
    single["responses"] |= bad
    single["parameters"] = [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    ]
    return {"/v1/models": {"get": several}, "/v1/models/{id}": {"get": single}}


def _token_paths(key_name: str) -> Json:
    """Describe the doors that pass a server's accounts through."""
    paths = {}
    session = {
        "name": "session",
        "in": "query",
        "schema": {"type": "string"},
        "description": "Of this session of the pool.",
    }
    for path, summary in (
        ("/token/check", "Whether a token lives"),
        ("/token/points", "What points tokens have"),
    ):
        codes = [*_GENERATES, "not_found", "internal_error"]
        name = "".join(part.title() for part in path.split("/"))
        operation = _operation_entry(name, summary, key_name, codes, {"application/json": {}})
        operation["responses"]["default"] = {"description": "the backend's own answer"}
        operation["responses"]["504"] = operation["responses"]["502"]
        operation["parameters"] = [session]
        operation["requestBody"] = {"content": {"application/json": {"schema": {}}}}
        paths[path] = {"post": operation}
    return paths


def _component_schemas() -> Json:
    """Describe the bodies that the doors share."""
    nullable = {"type": ["string", "null"]}
    error = {
        "message": {"type": "string"},
        "type": {"enum": sorted({kind.type for kind in KINDS.values()})},
        "param": nullable,
        "code": {"enum": sorted(KINDS)},
        "upstream_code": {"type": "integer", "description": "The backend's own, if it gave one."},
        "refused": {"type": "array", "description": "Of a list: each `line`, and its `reason`."},
    }
    model = {
        "type": "object",
        "required": ["id", "object", "created"],
        "properties": {"id": {"type": "string"}, "object": {"type": "string"}, "created": {}},
    }
    asked = {
        "model": {"type": "string"},
        "n": {"type": "integer", "minimum": 1, "maximum": 10_000},
    }
    return {
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["message", "type", "param", "code"],
                    "properties": error,
                }
            },
        },
        "Model": model,
        "Models": {
            "type": "object",
            "required": ["object", "data"],
            "properties": {
                "object": {"const": "list"},
                "data": {"type": "array", "items": _schema_ref("Model")},
            },
        },
        "NewSession": _NEW_SESSION,
        "GenerationRequest": {
            "type": "object",
            "properties": {**asked, "prompt": {"type": "string"}},
        },
        "ChatRequest": {
            "type": "object",
            "properties": {
                **asked,
                "messages": {"type": "array", "items": {"type": "object"}},
                "stream": {"type": "boolean"},
            },
        },
    }
