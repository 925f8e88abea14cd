"""`tidegate`: the verbs, each in a file of its own, imported only when it is used."""

import importlib
import inspect
import io
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from runtime.process.version import VERSION
from runtime.settings import SettingsError
from runtime.texts import as_quoted, as_shown_lines
from tidegate.console.errors import CommandError, GatewayRefusedError


class Verb(NamedTuple):
    """Where a verb is, and what it does in one line."""

    module: str
    summary: str


VERBS = {
    "up": Verb("stack.up", "Run the whole stack in the foreground."),
    "init": Verb("setup.init", "Ask what is to run, try your servers, write a configuration."),
    "stack": Verb("stack.restart", "Start a service of `up` again."),
    "migrate": Verb("stack.migrate", "Make secrets (--secrets), or streams and the first keys."),
    "gateway": Verb("stack.service", "Run one gateway."),
    "pool": Verb("stack.service", "Run one pool process."),
    "balancer": Verb("stack.service", "Run one balancer process."),
    "analytics": Verb("stack.service", "Run the analytics process."),
    "demo": Verb("stack.demo", "Run a demo server, or traffic."),
    "audit": Verb("ledger.audit", "Replay the log and name every violation."),
    "replay": Verb("ledger.replay", "Fold the log again and show the state."),
    "backup": Verb("backup.backup", "Back up log, credentials, DuckDB, keys and configuration."),
    "restore": Verb("backup.restore", "Restore a backup, and prove it."),
    "tail": Verb("ledger.tail", "Show the log as it grows."),
    "requests": Verb("ledger.requests", "List the requests of clients, the latest first."),
    "explain": Verb("ledger.explain", "Tell everything the log knows of one request."),
    "keys": Verb("admin.keys", "Issue, list, rotate and revoke API keys."),
    "secrets": Verb("masterkey.secrets", "Show and rotate the master key of the credentials."),
    "sessions": Verb("admin.sessions", "List, add and administer sessions."),
    "servers": Verb("admin.servers", "List, add, change and remove servers."),
    "leases": Verb("admin.leases", "List open and unknown leases, settle unknown ones."),
    "queue": Verb("admin.queue", "List the requests that wait for a session, end their waits."),
    "status": Verb("admin.live.status", "Say how things stand, and what needs doing."),
    "top": Verb("admin.live.top", "The same, live, on a whole terminal."),
    "dashboard": Verb("admin.dashboard", "Print a link that signs a browser in, once."),
    "stats": Verb("admin.figures.stats", "Show the last days' figures."),
    "export": Verb("admin.figures.export", "Write statistics into a file."),
    "report": Verb("admin.figures.report", "Show what a day or a week was like."),
    "sql": Verb("admin.figures.sql", "Ask the projections in SQL."),
    "doctor": Verb("doctor.doctor", "Look at everything, say what is wrong and how to cure it."),
    "config": Verb("admin.config", "Check, show or accept the configuration."),
    "completion": Verb("reference.completion", "Print what has a shell complete all this."),
}
_SERVICE = "stack.service"
_WRONG = 1
_USAGE = 2
_EXPECTED = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "finite_number": "a number that is finite",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
}
"""What an option or argument is to be, by what was found wrong with it."""
_NOT_AMONG = " is not one of "


class _WordedGroup(TyperGroup):
    """The verbs; what is wrong with an option or argument is said as everywhere else."""

    def invoke(self, ctx: Any) -> Any:
        """Call the verb."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = usage_words(error)
            raise


def usage_words(error: typer.BadParameter) -> str:
    """Say what was expected of an option or argument, and what came; else what it says itself."""
    faults: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    if not faults:
        return error.message
    fault = faults[0]
    expected = _EXPECTED.get(fault["type"], "").format(**fault.get("ctx", {}))
    _, among, choices = fault["msg"].rstrip(".").partition(_NOT_AMONG)
    if among:
        expected = "one of " + choices.replace("'", "")
    return f"expected {expected}, got {as_quoted(fault['input'])}" if expected else error.message


def verb_application(wanted: str) -> typer.Typer:
    """Make the command line with the verb that is wanted; the others are only named."""
    app = typer.Typer(
        cls=_WordedGroup,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Tidegate: sessions pooled, servers balanced, quota proved.",
    )
    app.callback()(_common_options)
    for name, verb in VERBS.items():
        if name != wanted:
            app.command(name, help=verb.summary)(_not_called)
            continue
        module = _verb_module(verb)
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name, help=verb.summary)
        else:
            app.command(name)(getattr(module, name))
    _let_help_flow(app)
    return app


def _let_help_flow(app: typer.Typer) -> None:
    """Take docstrings' paragraphs for lines: a terminal is as wide as it is, not as the code is."""
    for command in app.registered_commands:
        paragraphs = inspect.cleandoc(command.help or command.callback.__doc__ or "").split("\n\n")
        command.help = "\n\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)
    for group in app.registered_groups:
        assert group.typer_instance is not None, "every group here is an application"
        _let_help_flow(group.typer_instance)


def _common_options(
    *,
    version: bool = typer.Option(
        False,
        "--version",
        is_eager=True,
        callback=lambda wanted: _print_version() if wanted else None,
        help="Print the version.",
    ),
) -> None:
    """Tidegate: sessions pooled, servers balanced, quota proved."""


def _print_version() -> None:
    print(f"tidegate {VERSION}")
    raise typer.Exit


def main() -> None:
    """Run a verb: exit 0 when fine, 1 when it found something wrong, 2 for wrong usage."""
    _open_streams()
    if sys.argv[1:2] == ["help"]:
        sys.argv[1:] = [*sys.argv[2:], "--help"]
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    try:
        verb = VERBS.get(wanted)
        if verb and verb.module == _SERVICE and sys.argv[1:] == [wanted]:
            # Called by Typer, a service would carry pydantic through its life: 8 MB.
            getattr(_verb_module(verb), wanted)()
        else:
            verb_application(wanted)(prog_name="tidegate")
    except (SettingsError, GatewayRefusedError) as error:
        _print_trouble(f"tidegate: {error}")
        sys.exit(_USAGE)
    except CommandError as error:
        _print_trouble(f"tidegate: {error}")
        sys.exit(_WRONG)
    except UnicodeError as error:
        _print_trouble(f"tidegate: expected UTF-8 ({error})")
        sys.exit(_USAGE)
    except BrokenPipeError:
        # Whoever read this has seen enough; what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_WRONG)
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        _print_trouble(f"tidegate: {where}{error.strerror or error}")
        sys.exit(_WRONG)


def _print_trouble(text: str) -> None:
    """Say what stands in the way: on a terminal, broken between words."""
    if not sys.stderr.isatty():
        print(as_shown_lines(text), file=sys.stderr)
        return
    from tidegate.console import output  # noqa: PLC0415 (a service never needs what draws)

    output.print_note(text)


def _open_streams() -> None:
    """Have somewhere to print, and nothing that cannot be printed there."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            nothing = Path(os.devnull).open("r" if name == "stdin" else "w")  # noqa: SIM115
            setattr(sys, name, nothing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _verb_module(verb: Verb) -> ModuleType:
    return importlib.import_module(f"tidegate.{verb.module}")


def _not_called() -> None:
    """Stand for a verb that was not asked for."""


if __name__ == "__main__":
    main()
