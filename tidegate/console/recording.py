"""What a verb did with the log as a whole, handed in where everybody sees it."""

from typing import Any

from runtime.settings import SettingsError
from tidegate.console import api, output
from tidegate.console.errors import CommandError

_TIMEOUT_S = 5.0
_WORDS_MAX, _TEXTS_MAX = 500, 10


def record_operation(path: str, done: dict[str, Any]) -> None:
    """Have a gateway put it into the log; that it could not is told, and changes nothing else."""
    try:
        api.post(path, done, timeout_s=_TIMEOUT_S)
    except (CommandError, SettingsError) as error:
        output.print_note(f"not recorded in the log: {error}")


def shortened_texts(texts: list[str]) -> list[str]:
    """Keep as many, and as much of each, as is recorded."""
    return [text[:_WORDS_MAX] for text in texts[:_TEXTS_MAX]]
