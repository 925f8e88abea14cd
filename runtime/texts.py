"""Texts that an operator chose, or a stranger: which may be names, and how each may be shown.

A terminal obeys control characters, and characters that turn the direction of writing make a line
read as another; a spreadsheet takes a text for a formula. Both get them in a form that says what
they are and does nothing.
"""

import csv
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import urlsplit

NAME_MAX = 64
HIDDEN = "(hidden)"
"""Stands for a secret wherever a configuration is shown."""
_NEXT_ADDRESS = re.compile(r",(?=[a-zA-Z][a-zA-Z0-9+.-]*://)")
_USERINFO = re.compile(r"(?s)(?:(?<=://)|^(?!.*://)).*(?=@)")
_QUERY_VALUE = re.compile(r"(?s)(?<==)[^&]+|(?<![^&])[^&=]+(?![^&])")
QUOTED_MAX = 100
_BLANKS = "Zs"
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ODD = re.compile(r"[^\n\x20-\x7e]+")
_FORMULA = frozenset("=+-@−")  # noqa: RUF001
"""What begins a formula, in any width: `NFKC` makes one of all but the minus of mathematics."""
_BREAKS = ("\t", "\r", "\n")
_PIECES = re.compile("([;\t\r\n|])")
"""What ends a cell for a spreadsheet that was told so, or whose country writes lists with `;`."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_UNSEEN = "CZ"
"""Categories of control characters, of what has no width, and of blanks: they may be cut off."""


def is_writable(name: str) -> bool:
    """Whether a name can be written anywhere: 1 to 64 printable characters.

    Printable is no control character, nothing that turns the direction of writing, no line break.
    """
    return 0 < len(name) <= NAME_MAX and name.isprintable()


def label_objection(label: str) -> str | None:
    """Say why this is no label of a session; None when it is one, or none at all."""
    if not label or is_writable(label):
        return None
    return f"label: expected at most {NAME_MAX} printable characters, got {as_quoted(label)}"


def session_shown(session_id: str, label: str) -> str:
    """Write a session for an operator: its id, and what it is called."""
    return f"{session_id} ({label})" if label else session_id


def refuse_unwritable(services: Iterable[str]) -> None:
    """Refuse names of service types that cannot be written. Raises `ValueError`."""
    for name in services:
        if not is_writable(name):
            raise ValueError(
                f"services: expected names of 1 to {NAME_MAX} printable characters, got {name!r}"
            )


def address_shown(text: str) -> str:
    """Write an address, or several with commas, without user, password and values of its query.

    What is none is written so too: where its user would end is not known then, but the last `@`.
    """
    return ",".join(map(_address_shown, _NEXT_ADDRESS.split(text)))


def _address_shown(address: str) -> str:
    place, mark, query = address.partition("?" if "?" in address else "#")
    try:
        parts = urlsplit(address)
        # `port` raises for what is none: what looks like a host is a user and half a password then.
        plain = bool(parts.netloc) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        plain = False
    if not plain and "@" in query:  # of a password with a `?`, or `#`, in it
        return _USERINFO.sub(HIDDEN, address)
    return (
        (place if plain else _USERINFO.sub(HIDDEN, place)) + mark + _QUERY_VALUE.sub(HIDDEN, query)
    )


def count_phrase(count: int, single: str, several: str = "") -> str:
    """Say how many there are, `1 call`, `1,200 calls`; `several` where it is not `single` and s."""
    return f"{count:,} {single if count == 1 else several or f'{single}s'}"


def as_quoted(sent: object, most: int = QUOTED_MAX) -> str:
    """Quote what a stranger sent, in a message: no more of it than `most` characters."""
    if isinstance(sent, str):
        return repr(sent) if len(sent) <= most else f"{sent[:most]!r}…"
    written = repr(sent)
    return written if len(written) <= most else f"{written[:most]}…"


def decoding_words(error: ValueError) -> str:
    """Say why bytes are no text; of what else is wrong with them, what it says itself."""
    if isinstance(error, UnicodeDecodeError):
        return f"expected text in UTF-8, byte {error.start + 1} is none"
    return str(error)


def as_shown(text: str) -> str:
    r"""Write a text so that it stays on its line and commands nothing: an escape is `\x1b`."""
    if text.isprintable():
        return text
    return "".join(map(_escape_character, text))


def as_shown_lines(text: str) -> str:
    """Write a text of several lines so that it has these lines, and commands nothing."""
    return "\n".join(map(as_shown, text.split("\n")))


def as_shown_json(text: str) -> str:
    """Write JSON so that it means the same and commands nothing; lone surrogates too."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _ODD.sub(lambda match: "".join(map(_json_escape, match[0])), text)


def spreadsheet_cell(text: str) -> str:
    """Write a text so that no spreadsheet takes it, or a part of it, for a formula.

    A `'` stands before what would be one: at the beginning, behind blanks and what is not seen, and
    behind whatever may end a cell. A number is a number, with its sign.
    """
    if text.isalnum() or _NUMBER.fullmatch(text):
        return text
    first, *rest = _PIECES.split(text)
    quoted = "'" if _is_formula(first) or text.startswith(_BREAKS) else ""
    return quoted + first + "".join(f"'{part}" if _is_formula(part) else part for part in rest)


def _is_formula(text: str) -> bool:
    """Tell whether a cell that begins so is a formula, once blanks before it are cut off."""
    for character in text:
        if unicodedata.category(character)[0] not in _UNSEEN:
            return unicodedata.normalize("NFKC", character)[0] in _FORMULA
    return False


class _Out(Protocol):
    def write(self, text: str, /) -> object: ...


class _LineFeeds:
    """Ends lines with a line feed alone."""

    def __init__(self, out: _Out) -> None:
        self._out = out

    def write(self, line: str) -> None:
        """Take one whole row."""
        assert line.endswith("\r\n"), "the writer was told to end rows so"
        self._out.write(line[:-2] + "\n")


def csv_writer(out: _Out) -> Any:
    """Make a writer of CSV whose lines end with a line feed, and that quotes every line break.

    Told of a line feed alone, Python's (3.11.7) writes a bare carriage return as it is: that is
    the end of a line to whoever reads it.
    """
    return csv.writer(_LineFeeds(out), lineterminator="\r\n")


def _is_harmless(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == _BLANKS


def _escape_character(character: str) -> str:
    if _is_harmless(character):
        return character
    return _SHORT.get(character) or character.encode("unicode_escape").decode()


def _json_escape(character: str) -> str:
    if _is_harmless(character):
        return character
    pair = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{pair[at]:02x}{pair[at + 1]:02x}" for at in range(0, len(pair), 2))
