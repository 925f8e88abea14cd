"""Where everything is, and what to do next: what `up` says once it is ready.

On a terminal of 80 columns and 24 rows all of it is seen at once, unless there is something beside.
"""

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.text import Text

from runtime.environment import Home
from tidegate.console.tables import wrapped
from tidegate.stack.screen.logfile import log_file

_INDENT = "  "
_NEXT = (
    ("status", "how things stand (top: the same, live)"),
    ("doctor", "what is wrong, and its cure"),
)
DEMO_MODEL = "jimeng-4.0"
_DEMO = """
This is the demo: four servers that paint by themselves, and sessions made up for them. For servers
of your own say `tidegate init`, which asks for them, or write tidegate.toml, and start again:

    [[servers]]
    id = "one"
    url = "http://127.0.0.1:8000"

    [pool]
    min_size = 1
    [pool.provisioner]
    kind = "file"
    path = "sessions.txt"

One credential a line in sessions.txt. The made-up sessions retire; keys and log stay.
"""
_DEMO_SHORT = (
    "This is the demo: four servers that paint by themselves, and sessions made up for them."
    " For servers of your own: `{command} init`, and start again."
)


class StartWords(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be said of a start, for a log or for a person."""

    home: Home
    url: str
    dashboard: str = ""
    """Its address, which may sign in whoever follows it; empty: there is none to tell."""
    notes: Sequence[str] = ()
    """Keys that open nothing, figures that are not there."""
    with_curl: bool = True
    model: str = DEMO_MODEL
    """Which the line to paste asks for; empty: none is known, and it names none."""
    servers: str = ""
    """Whose servers are in force, and what that asks of whoever starts it; empty: nothing."""
    demo: bool = False
    """Whether there are none but the demo's."""

    def plain_text(self) -> str:
        """Where it listens, with a line that works when pasted, for a log."""
        key = short_path(self.home.client_key)
        curl = (
            f'curl -s {self.url}/v1/images/generations -H "Authorization: Bearer'
            f' $(cat {shlex.quote(key)})"'
            f" -H 'Content-Type: application/json' -d {self._body()}\n\n"
        )
        return (
            f"\nTidegate listens on {self.url}\n"
            f"client key    {key}\n"
            f"operator key  {short_path(self.home.operator_key)}\n"
            + (f"dashboard     {self.dashboard}\n" if self.dashboard else "")
            + "\n"
            + "".join(f"{note}\n\n" for note in self.notes)
            + (curl if self.with_curl else "")
            + "Ctrl-C stops everything.\n"
            + (_DEMO if self.demo else self.servers)
        )

    def for_terminal(self, width: int) -> Text:
        """The same for a person at a terminal of so many columns: short, and with what is next."""
        block = Text()
        block.append("Tidegate is up: ", style="bold green").append(self.url, style="bold")
        block.append("\n")
        places = {"client key": self.home.client_key, "operator key": self.home.operator_key}
        for name, place in {**places, "log": log_file(self.home)}.items():
            block.append(f"{_INDENT}{name:<14}", style="dim").append(f"{short_path(place)}\n")
        if self.dashboard:
            beside = f"{_INDENT}{'dashboard':<14}"
            # An address that a terminal folds cannot be copied: it has a line of its own then.
            if len(beside) + len(self.dashboard) > width:
                beside = f"{beside.rstrip()}\n{_INDENT}"
            block.append(beside, style="dim").append(f"{self.dashboard}\n")
        for note in self.notes:
            block.append(f"\n{wrapped(note, width)}\n", style="yellow")
        if self.with_curl:
            block.append("\nTry it:\n", style="bold")
            block.append(self._curl_lines())
        block.append("\nIn another terminal (--help: everything else):\n", style="bold")
        block.append(f"{_INDENT}export TIDEGATE_HOME={shlex.quote(str(self.home.path.absolute()))}")
        block.append("\n")
        command = own_command()
        verbs = max(len(verb) for verb, _ in _NEXT)
        longest = max(len(f"{_INDENT}{command} {'':<{verbs}}  {meaning}") for _, meaning in _NEXT)
        beside = "  " if longest <= width else f"\n{_INDENT * 2}"
        for verb, meaning in _NEXT:
            block.append(f"{_INDENT}{command} {verb:<{verbs}}{beside}").append(
                f"{meaning}\n", style="dim"
            )
        words = _DEMO_SHORT.format(command=command) if self.demo else self.servers.strip()
        if words:
            block.append(f"\n{wrapped(words, width)}")
        return block.append("\nCtrl-C stops everything.\n")

    def _body(self) -> str:
        """The body of the line to paste, as a shell has it."""
        fields = {"model": self.model, "prompt": "a tide gate at dawn"}
        given = {name: value for name, value in fields.items() if value}
        return shlex.quote(json.dumps(given, separators=(",", ":"), ensure_ascii=False))

    def _curl_lines(self) -> str:
        key = shlex.quote(short_path(self.home.client_key))
        return (
            f"{_INDENT}curl -s {self.url}/v1/images/generations \\\n"
            f'{_INDENT}  -H "Authorization: Bearer $(cat {key})" \\\n'
            f"{_INDENT}  -H 'Content-Type: application/json' \\\n"
            f"{_INDENT}  -d {self._body()}\n"
        )


def own_command() -> str:
    """The command as one would type it here: by its path where the shell does not know it."""
    beside = Path(sys.executable).with_name("tidegate")
    if shutil.which("tidegate") or not beside.exists():
        return "tidegate"
    return shlex.quote(short_path(beside))


def short_path(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
