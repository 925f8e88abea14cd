"""`tidegate init`: a configuration that says what is to run, each server tried by what is free."""

import asyncio
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import typer

from runtime.environment import Environment, read_environment
from runtime.settings import SettingsError
from runtime.texts import count_phrase
from tidegate.configuration import load_configuration
from tidegate.console import output
from tidegate.console.errors import CommandError
from tidegate.probing.asking import doubled_path
from tidegate.probing.freecalls import ServerTried, try_servers
from tidegate.setup import questions, wishes
from tidegate.setup.tomltext import configuration_text, server_id, sessions_wanted
from tidegate.setup.wishes import Wishes

_NAME = "tidegate.toml"
_TERMINAL = "expected --demo, or at least one --server (at a terminal it asks)"


def init(
    *,
    demo: bool = typer.Option(
        False, "--demo", help="Four servers that paint by themselves, and made-up sessions."
    ),
    servers: list[str] = typer.Option(
        [], "--server", help="A server's address, such as http://10.0.0.7:8000; repeatable."
    ),
    credentials: Path | None = typer.Option(
        None, "--credentials", help="A file with one credential a line."
    ),
    hook: str = typer.Option("", "--hook", help="An address that is asked for credentials."),
    token_file: str = typer.Option("", "--token-file", help="A file with the hook's token."),
    sessions: int = typer.Option(
        wishes.HOOK_SESSIONS, "--sessions", min=1, help="How many sessions the hook is to provide."
    ),
    timezone: str = typer.Option(
        "UTC", "--timezone", help="Where the day of a quota begins, such as Asia/Shanghai."
    ),
    limits: list[str] = typer.Option(
        [], "--limit", help="Units that a session may use a day, such as image=10; repeatable."
    ),
    file: Path | None = typer.Option(
        None, "--file", help="Where to; by default what TIDEGATE_CONFIG names, or ./tidegate.toml."
    ),
    force: bool = typer.Option(False, "--force", help="Write it, though it is there."),
    as_json: bool = output.JSON,
) -> None:
    """Write a configuration with your servers, each tried by what costs nothing.

    At a terminal, without --demo or --server, it asks. A server is asked for / and /v1/models
    (which dialect it speaks), /ping (whether probes find it well) and, with credentials,
    /token/check about the first of them; what costs a unit is `tidegate servers test`, once the
    stack runs.

    Example: tidegate init --server http://127.0.0.1:8000 --credentials sessions.txt
    """
    environment = read_environment()
    path = file or _configuration_file(environment)
    if demo or servers:
        _refuse_contradictions(demo=demo, servers=servers, credentials=credentials, hook=hook)
        if zone := wishes.zone_objection(timezone):
            raise typer.BadParameter(zone, param_hint="--timezone")
        wanted = Wishes(
            servers=servers,
            credentials=wishes.read_credentials(credentials) if credentials else None,
            hook=hook,
            token_file=token_file,
            sessions=sessions,
            timezone=timezone,
            limits=wishes.read_limits(limits),
        )
        _refuse_overwriting(path, force=force)
    elif sys.stdin.isatty() and not as_json:
        _refuse_overwriting(path, force=force)
        wanted = _asked_wishes()
    else:
        raise typer.BadParameter(_TERMINAL)
    tried = _try_servers(wanted)
    _write_file(path, configuration_text(wanted, tried, path.parent), environment)
    if as_json:
        servers_tried = [
            {**msgspec.to_builtins(one.probed), **_without_probed(one)} for one in tried
        ]
        steps = _next_steps(wanted)
        output.print_json({"file": str(path), "servers": servers_tried, "next": steps})
    else:
        output.print_text("\n".join(_report_lines(path, wanted, tried)))
    for trouble in _troubles(wanted, tried):
        output.print_note(trouble)


def _configuration_file(environment: Environment) -> Path:
    """Where a configuration is looked for, and belongs."""
    folder = environment.config_lacking or Path()
    return environment.config or folder / _NAME


def _asked_wishes() -> Wishes:
    with _saying_that_nothing_is_written():
        return questions.ask_wishes()


@contextmanager
def _saying_that_nothing_is_written() -> Iterator[None]:
    """End with a word on it when somebody has had enough (Ctrl-C, Ctrl-D). Raises `Exit`."""
    try:
        yield
    except (KeyboardInterrupt, EOFError, typer.Abort):
        output.print_note("\nended; nothing was written")
        raise typer.Exit(1) from None


def _refuse_contradictions(
    *, demo: bool, servers: list[str], credentials: Path | None, hook: str
) -> None:
    """Refuse options that say two things. Raises `typer.BadParameter`."""
    if demo and (servers or credentials or hook):
        message = "the demo brings its own servers and sessions: expected it without --server,"
        raise typer.BadParameter(f"{message} --credentials and --hook", param_hint="--demo")
    if wrong := wishes.servers_objection(servers):
        raise typer.BadParameter(wrong, param_hint="--server")
    if credentials and hook:
        raise typer.BadParameter("expected --credentials or --hook", param_hint="--hook")
    if hook and (wrong := wishes.hook_objection(hook)):
        raise typer.BadParameter(wrong, param_hint="--hook")


def _refuse_overwriting(path: Path, *, force: bool) -> None:
    """Refuse before anything is asked. Raises `SettingsError`, `CommandError`."""
    try:
        there = path.exists()
    except OSError as error:
        raise CommandError(f"{path}: cannot be written ({error.strerror})") from None
    if there and not force:
        raise SettingsError(f"{path} is there already: expected another --file, or --force")


def _try_servers(wanted: Wishes) -> list[ServerTried]:
    """Ask every server at once."""
    first = wanted.credentials.first if wanted.credentials else None
    with _saying_that_nothing_is_written():
        return asyncio.run(try_servers(wanted.servers, first))


def _write_file(path: Path, text: str, environment: Environment) -> None:
    """Write it once it is known to be a configuration. Raises `CommandError`, `SettingsError`."""
    tomllib.loads(text)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        load_configuration(
            msgspec.structs.replace(environment, config=partial, config_unclear=None)
        )
        partial.replace(path)
    except OSError as error:
        raise CommandError(f"{path}: cannot be written ({error.strerror})") from None
    except SettingsError as error:
        raise SettingsError(str(error).replace(str(partial), str(path))) from None
    finally:
        partial.unlink(missing_ok=True)


def _without_probed(tried: ServerTried) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(tried)
    del fields["probed"]
    return fields


def _report_lines(path: Path, wanted: Wishes, tried: Sequence[ServerTried]) -> Iterator[str]:
    """Say what was found, what was written, and what to do next."""
    for number, server in enumerate(tried, 1):
        yield f"{server_id(number)}  {server.probed.url}"
        width = max(len(call.asked) for call in server.calls)
        yield from (f"  {call.asked:<{width}}  {call.judged}" for call in server.calls)
        yield ""
    if wanted.credentials is not None:
        good = count_phrase(wanted.credentials.good, "credential")
        yield f"{wanted.credentials.path}: {good}"
    yield f"wrote {path}; `tidegate config check` passes it. Next:\n"
    steps = _next_steps(wanted)
    width = max(map(len, steps))
    yield from (f"  {command:<{width}}  # {why}" for command, why in steps.items())


def _next_steps(wanted: Wishes) -> dict[str, str]:
    """Name the commands that follow, as they are typed here, and what each is for."""
    program = output.program_name()
    steps = {f"{program} up": "run it; Ctrl-C stops everything"}
    if wanted.servers:
        if sessions_wanted(wanted) == 0:
            steps[f"{program} sessions add credentials.txt"] = "in another terminal: sessions"
        test = f"{program} servers test {server_id(1)}"
        steps[test] = "in another terminal: one paid call"
    steps[f"{program} doctor"] = "whether a call would succeed"
    return steps


def _troubles(wanted: Wishes, tried: Sequence[ServerTried]) -> Iterator[str]:
    """Say what stands in the way of a first call, and what may."""
    if (file := wanted.credentials) is not None:
        if file.fault:
            yield f"{file.path}: {file.fault}"
        if not file.good:
            yield f"{file.path}: no credential in it yet; it is read again when it changes"
        if file.open_to_others:
            yield f"{file.path}: others on this machine may read it; chmod 600 {file.path}"
    for server in tried:
        if server.probed.why:
            yield (
                f"{server.probed.url} did not answer ({server.probed.why}): its dialect is left to"
                " you"
            )
        elif not server.probe_path:
            yield f"{server.probed.url}: no good probe; name its probe_path, or it counts as down"
        if server.probed.models is None and (doubled := doubled_path(server.probed.url)):
            yield doubled
        if server.account == "dead":
            yield f"{server.probed.url}: the first credential's login has expired"
