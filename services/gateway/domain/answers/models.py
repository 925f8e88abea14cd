"""The models of all servers as one list (endpoints.md), whatever each of them leaves out."""

import json
import math
from collections.abc import Iterable
from typing import Any

import msgspec

Models = dict[str, dict[str, Any]]
"""By id, in the order in which they were listed."""

_DIGITS_MAX = 1000
_decoder = msgspec.json.Decoder(dict[str, Any])


def read_models(body: bytes) -> Models | None:
    """Read what one server lists, completed to what SDKs expect of a model; None: no list.

    A server says `data: [{"id": …}, …]`; what else it says of a model is kept. An entry without
    an id is none, and of two with one id the first counts.
    """
    said = _read_entries(body).get("data")
    if not isinstance(said, list):
        return None
    models: Models = {}
    for entry in said:
        if isinstance(entry, dict) and isinstance(entry.get("id"), str) and entry["id"]:
            models.setdefault(entry["id"], _complete_entry(entry))
    return models


def _read_entries(body: bytes) -> dict[str, Any]:
    """Read an object, with what Node writes and the strict reader refuses; empty: it is none."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        text = body.decode("utf-8", "replace")
        lenient = json.loads(
            text, parse_constant=lambda _: None, parse_int=_whole_number, parse_float=_finite_number
        )
        # Half of an emoji cannot be written again: what stands for it can.
        again = json.dumps(lenient, ensure_ascii=False).encode("utf-8", "replace")
        return _decoder.decode(again)
    except (ValueError, RecursionError, msgspec.DecodeError):
        return {}


def _whole_number(digits: str) -> int | None:
    """Read a whole number; None for one of thousands of digits, which Python refuses to read."""
    return int(digits) if len(digits) <= _DIGITS_MAX else None


def _finite_number(text: str) -> float | None:
    """Read a number; None for one that is greater than any, such as `1e400`."""
    value = float(text)
    return value if math.isfinite(value) else None


def _complete_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Say `object`, `created` and `owned_by` where the server did not, or not as OpenAI does."""
    created = entry.get("created")
    owner = entry.get("owned_by")
    return entry | {
        "object": "model",
        "created": created if type(created) is int else 0,  # `true` would be one for `isinstance`
        "owned_by": owner if isinstance(owner, str) else "upstream",
    }


def merge_models(lists: Iterable[Models]) -> Models:
    """Take every model once, as the first server that lists it says."""
    found: Models = {}
    for models in lists:
        for name, model in models.items():
            found.setdefault(name, model)
    return found
