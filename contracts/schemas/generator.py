"""Make the schema files: one per message, and an AsyncAPI document of who sends what."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from contracts.base import Command, Event, Reply
from contracts.envelope import Envelope
from contracts.subjects import TABLE, USERS, Subject

FOLDER = Path(__file__).parent
_ASYNCAPI_VERSION = "3.0.0"
_KINDS = {Event: "events", Command: "commands", Reply: "replies"}


def schema_documents() -> dict[str, str]:
    """Make every file: its path under `contracts/schemas`, and its text."""
    documents = {
        "asyncapi.json": _as_text(asyncapi_document()),
        "envelope.json": _as_text(_schema_of(Envelope)),
    }
    for kind in message_types():
        documents[f"{_folder_of(kind)}/{_tag_of(kind)}.json"] = _as_text(_schema_of(kind))
    return dict(sorted(documents.items()))


def write_documents(folder: Path) -> None:
    """Write every file into `folder`, and take out those that nothing generates any more."""
    documents = schema_documents()
    for path in folder.rglob("*.json"):
        if str(path.relative_to(folder)) not in documents:
            path.unlink()
    for name, text in documents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def message_types() -> list[type[msgspec.Struct]]:
    """Every message of the table, each once, by name."""
    kinds = {
        kind for row in TABLE for kind in (*union_members(row.message), *union_members(row.reply))
    }
    return sorted(kinds, key=lambda kind: kind.__name__)


def union_members(message: object) -> Iterator[type[msgspec.Struct]]:
    """The classes of a message that may be a union; none for None."""
    for kind in get_args(message) or (message,):
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield kind


def asyncapi_document() -> dict[str, Any]:
    """Describe the table: a channel per subject, an operation per user that sends on it."""
    kinds = message_types()
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    names = {kind: {"payload": _ref_to("schemas", kind.__name__)} for kind in kinds}
    return {
        "asyncapi": _ASYNCAPI_VERSION,
        "info": {"title": "Tidegate on NATS", "version": "1"},
        "channels": {_channel_name(row): _channel_entry(row) for row in TABLE},
        "operations": dict(operation for row in TABLE for operation in _operation_entries(row)),
        "components": {
            "messages": {kind.__name__: body for kind, body in names.items()},
            "schemas": schemas,
        },
    }


def _channel_entry(row: Subject) -> dict[str, Any]:
    wildcards = row.pattern.count("*")
    channel: dict[str, Any] = {
        "address": row.pattern.replace("*", "{part}"),
        "messages": {
            kind.__name__: _ref_to("messages", kind.__name__)
            for kind in (*union_members(row.message), *union_members(row.reply))
        },
    }
    if wildcards:
        channel["parameters"] = {"part": {"description": "the shard, or the gateway"}}
    return channel


def _operation_entries(row: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    """Whoever writes an event sends it; whoever asks sends, and the owner receives."""
    senders = row.callers if row.reply else (row.owner, *row.callers)
    for user in USERS:
        action = "send" if user in senders else "receive" if user == row.owner else ""
        if not action:
            continue
        operation: dict[str, Any] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{_channel_name(row)}"},
            "messages": _message_refs(row, row.message),
        }
        if row.reply:
            operation["reply"] = {"messages": _message_refs(row, row.reply)}
        yield f"{user}.{action}.{_channel_name(row)}", operation


def _message_refs(row: Subject, message: object) -> list[dict[str, str]]:
    channel = f"#/channels/{_channel_name(row)}/messages"
    return [{"$ref": f"{channel}/{kind.__name__}"} for kind in union_members(message)]


def _ref_to(section: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


def _channel_name(row: Subject) -> str:
    return row.pattern.replace(".*", "")


def _schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return msgspec.json.schema(kind)


def _folder_of(kind: type[msgspec.Struct]) -> str:
    return next(folder for base, folder in _KINDS.items() if issubclass(kind, base))


def _tag_of(kind: type[msgspec.Struct]) -> str:
    tag = kind.__struct_config__.tag
    return str(tag) if tag else re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


def _as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
