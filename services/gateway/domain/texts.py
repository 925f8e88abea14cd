"""How much of a stranger's text is told: bounded by what it takes in the log, not as it reads.

Written as JSON a control character takes six bytes, and one from beyond ASCII up to four.
"""

from msgspec import json

TEXT_BYTES_MAX = 128
"""Of what is told of every call, with its question and with its end."""
MESSAGE_BYTES_MAX = 200
"""Of what it was answered."""
_SHORT = {"\b", "\t", "\n", "\f", "\r", '"', "\\"}
"""Those that are written with a backslash before them."""


def cut_text(text: str, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """Cut a text, between characters, so that it takes at most `bytes_max` within JSON's quotes."""
    # Printable ASCII takes two bytes at most, a quote or a backslash: nearly every text ends here.
    if len(text) * 2 <= bytes_max and text.isascii() and text.isprintable():
        return text
    text = text[:bytes_max]  # no character takes less than a byte
    if len(json.encode(text)) - 2 <= bytes_max:
        return text
    kept, left = 0, bytes_max
    while (left := left - _encoded_bytes(text[kept])) >= 0:
        kept += 1
    return text[:kept]


def short_ms(ms: float) -> float:
    """Leave out what is below a microsecond; a quarter of the work that `round` makes of it."""
    return int(ms * 1000 + 0.5) / 1000


def _encoded_bytes(character: str) -> int:
    if character in _SHORT:
        return 2
    return len(r"\u001f") if character < " " else len(character.encode())
