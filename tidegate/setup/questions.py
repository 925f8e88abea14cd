"""What `init` asks at a terminal; what cannot be is asked again, with the reason."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import typer

from runtime.settings import SettingsError
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.setup.wishes import (
    DEFAULT_LIMITS,
    HOOK_SESSIONS,
    CredentialsFile,
    Wishes,
    hook_objection,
    read_count,
    read_credentials,
    servers_objection,
    zone_objection,
)

_Answer = TypeVar("_Answer")
_INTRODUCTION = """\
Tidegate pools the credentials of your backends and balances over your servers.
Everything that is asked here can be changed in the file afterwards, while it
runs. Return takes what stands in [brackets]; Ctrl-C ends this, and nothing is
written.
"""


def ask_wishes() -> Wishes:
    """Ask for everything."""
    output.print_text(_INTRODUCTION)
    demo = _ask("Run the demo, or servers of your own? (demo, own)", "demo", _read_kind)
    wishes = Wishes() if demo else _ask_sessions(Wishes(servers=_ask_servers()))
    zone = _ask("Time zone in which the day of a quota begins", "UTC", _read_zone)
    limits = {
        name: _ask(f"Units of {name} that a session may use a day", str(limit), _read_units)
        for name, limit in DEFAULT_LIMITS.items()
    }
    return msgspec.structs.replace(wishes, timezone=zone, limits=limits)


def _ask(question: str, default: str | None, read: Callable[[str], _Answer]) -> _Answer:
    """Ask until the answer can be read."""
    while True:
        text: str = typer.prompt(question, default=default)
        try:
            return read(text.strip())
        except (SettingsError, CommandError) as error:
            output.print_indented([f"  {error}"])


def _read_kind(text: str) -> bool:
    """Tell whether it is the demo."""
    kinds = {"demo": True, "own": False}
    if text.lower() not in kinds:
        raise SettingsError(f"expected demo or own, got {text!r}")
    return kinds[text.lower()]


def _ask_servers() -> list[str]:
    """Ask for addresses of servers, one after another; an empty line ends it."""
    servers = [_ask("Address of a server, such as http://127.0.0.1:8000", None, _read_server([]))]
    while url := _ask("Another one (return: no more)", "", _read_server(servers)):
        servers.append(url)
    return servers


def _read_server(servers: list[str]) -> Callable[[str], str]:
    def read_server(url: str) -> str:
        if url and (wrong := servers_objection([*servers, url])):
            raise SettingsError(wrong)
        return url

    return read_server


def _ask_sessions(wishes: Wishes) -> Wishes:
    """Ask where sessions come from."""
    output.print_text("Credentials come from a file, a hook, or `tidegate sessions add` alone.")
    kind = _ask("Where from? (file, hook, none)", "file", _read_source)
    if kind == "file":
        credentials = _ask("A file with one credential a line", "sessions.txt", _read_file)
        return msgspec.structs.replace(wishes, credentials=credentials)
    if kind == "none":
        return wishes
    hook = _ask("Address of the hook", None, _read_hook)
    token_file = _ask("A file with the token that it wants (return: none)", "", str)
    sessions = _ask("Sessions wanted of it", str(HOOK_SESSIONS), _read_sessions)
    return msgspec.structs.replace(wishes, hook=hook, token_file=token_file, sessions=sessions)


def _read_source(text: str) -> str:
    if text.lower() not in {"file", "hook", "none"}:
        raise SettingsError(f"expected file, hook or none, got {text!r}")
    return text.lower()


def _read_file(text: str) -> CredentialsFile:
    return read_credentials(Path(text).expanduser())


def _read_hook(text: str) -> str:
    if wrong := hook_objection(text):
        raise SettingsError(wrong)
    return text


def _read_zone(text: str) -> str:
    if wrong := zone_objection(text):
        raise SettingsError(wrong)
    return text


def _read_units(text: str) -> int:
    return read_count(text, "units")


def _read_sessions(text: str) -> int:
    return read_count(text, "sessions")
