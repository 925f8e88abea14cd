"""What was asked, what it becomes for one dialect, and why it cannot be done.

UntranslatableError   the dialect cannot do it, or the backend would get it wrong unnoticed
"""

from typing import Any, Literal

import msgspec

SUBMITTED_AFTER_S = 8.0
"""So long after the request's last byte a backend of this family has submitted, and polls."""
FILM_SUBMITTED_AFTER_S = 5.0
"""The same for films: I and D ask for one for the first time 5 s after it was submitted."""
Fields = dict[str, Any]


class Span(msgspec.Struct, frozen=True):
    """A piece of the client's own body: where it begins, and how many bytes it has."""

    start: int
    length: int


class File(msgspec.Struct, frozen=True):
    """A file in a form."""

    name: str
    filename: str
    content_type: str
    content: Span


class Asked(msgspec.Struct, frozen=True):
    """A generation request, read whole: the members of its JSON object, or a form's fields."""

    path: str
    request_id: str
    """Ours, which its client does not know yet."""
    fields: Fields
    files: tuple[File, ...] = ()
    is_form: bool = False
    read_alike: bool = True
    """Whether every backend reads in the body what was read here."""

    @property
    def model_name(self) -> str:
        """The model that is named; empty when none is."""
        model = self.fields.get("model")
        return model if isinstance(model, str) else ""


class UntranslatableError(Exception):
    """It cannot be done: what was wrong and what was expected, for the client."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """What a request becomes for one dialect."""

    path: str
    pieces: tuple[bytes | Span, ...] | None = None
    """The new body; None: the client's own, byte for byte."""
    content_type: str = ""
    told: str = ""
    """What was changed, such as `size=1024x1024 → ratio=1:1`; never a prompt or an address."""
    chat: Literal["image", "video"] | None = None
    """The answer is told as a chat completion about so much; None: it is passed on as it is."""
    results_included: int = 1
    """So many results of one call are no more than one unit."""
    submitted_after_s: float = SUBMITTED_AFTER_S
    """So long after the request's last byte the backend has submitted, and polls."""
    quoting: bool = False
    """It names addresses, which the backend's messages may repeat."""

    @property
    def body_length(self) -> int:
        """Bytes of the new body."""
        return sum(
            len(piece) if isinstance(piece, bytes) else piece.length for piece in self.pieces or ()
        )
