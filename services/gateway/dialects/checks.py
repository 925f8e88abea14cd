"""What every backend of the family takes, and refuses, ignores or gets wrong when it is not so."""

import sys
from typing import Any

from services.gateway.dialects.words import Fields, UntranslatableError

_NAME_BYTES_MAX = 1000
_COUNT_DIGITS_MAX = 9
_FORMATS = ("url", "b64_json")
_DECIMAL_MAX = 30
"""Characters of a decimal number: one of a megabyte takes a second to read."""
_ASKED_FOR = (True, "true", "True")
_INTEGERS = frozenset({"n", "duration", "width", "height", "seed"})
_DECIMALS = frozenset({"sample_strength"})
_BOOLEANS = frozenset({"intelligent_ratio", "stream"})


def check_words(fields: Fields) -> None:
    """Check the texts and numbers. Raises `UntranslatableError`."""
    for name in ("model", "duration"):
        value = fields.get(name)
        if isinstance(value, str) and len(value.encode("utf-8", "replace")) > _NAME_BYTES_MAX:
            raise UntranslatableError(f"{name}: expected at most {_NAME_BYTES_MAX} bytes", name)
    if not isinstance(fields.get("prompt"), str):
        raise UntranslatableError("prompt: expected a text", "prompt")
    for name in ("model", "negative_prompt"):
        if not isinstance(fields.get(name, ""), str):
            raise UntranslatableError(f"{name}: expected a text", name)
    if fields.get("response_format", "url") not in _FORMATS:
        message = f"response_format: expected {' or '.join(_FORMATS)}"
        raise UntranslatableError(message, "response_format")
    strength = fields.get("sample_strength", 0)
    if not _is_number(strength):
        raise UntranslatableError("sample_strength: expected a number", "sample_strength")
    if not isinstance(fields.get("intelligent_ratio", False), bool):
        message = "intelligent_ratio: expected true or false"
        raise UntranslatableError(message, "intelligent_ratio")
    if fields.get("stream") in _ASKED_FOR:
        message = "stream: expected none, for no server here streams its results"
        raise UntranslatableError(message, "stream")


def check_count(fields: Fields, most: int, made: str) -> None:
    """Check `n`: one call makes `made`, whatever it says. Raises `UntranslatableError`."""
    n = fields.get("n")
    if n is None:
        return
    text = str(n).removesuffix(".0")
    whole = not isinstance(n, bool) and text.isdecimal() and len(text) <= _COUNT_DIGITS_MAX
    if not whole or not 1 <= int(text) <= most:
        expected = f"1 to {most}" if most > 1 else "1"
        message = f"n: expected {expected}, for one call makes {made}, got {str(n)[:40]!r}"
        raise UntranslatableError(message, "n")


def with_types(fields: Fields) -> Fields:
    """Read a form's texts as what their names say they are; text that is none stays text."""
    return {name: _as_typed(name, value) for name, value in fields.items()}


def _as_typed(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name in _BOOLEANS and len(value) <= len("false") and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    try:
        if name in _INTEGERS and len(value) <= _COUNT_DIGITS_MAX:
            return int(value)
        if name in _DECIMALS and len(value) <= _DECIMAL_MAX:
            return float(value)
    except ValueError:
        return value
    return value


def _is_number(value: Any) -> bool:
    """Whether it is one that a float holds; JSON's whole numbers may be of any length."""
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    return good and abs(value) <= sys.float_info.max
