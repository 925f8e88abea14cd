"""Names that an operator chooses: they come to stand in headers, in logs and on terminals."""

from collections.abc import Iterable

NAME_MAX = 64


def writable(name: str) -> bool:
    """Whether a name can be written anywhere: 1 to 64 printable characters.

    Printable is no control character, nothing that turns the direction of writing, no line break.
    """
    return 0 < len(name) <= NAME_MAX and name.isprintable()


def refuse_unwritable(services: Iterable[str]) -> None:
    """Refuse names of service types that cannot be written. Raises `ValueError`."""
    for name in services:
        if not writable(name):
            raise ValueError(
                f"services: expected names of 1 to {NAME_MAX} printable characters, got {name!r}"
            )
