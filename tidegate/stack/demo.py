"""`tidegate demo`: a server to try Tidegate against, and traffic for it."""

import asyncio
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer

from demo import server as demo_server
from demo import traffic as demo_traffic
from demo.ledger import WrongLedgerError
from demo.options import DemoOptions, parse_limits
from demo.traffic import Called, TrafficOptions, TrafficSummary
from runtime.environment import Environment, read_environment, secret_variable
from runtime.process import lifecycle
from runtime.settings import SettingsError
from tidegate.console import api, output
from tidegate.console.errors import CommandError

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("server")
def serve_demo(
    *,
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(9001, min=0, max=65535, help="Port to listen on; 0: any free one."),
    control_port: int = typer.Option(
        0, min=0, max=65535, help="A second port, open even while it refuses connections; 0: none."
    ),
    ledger: Path | None = typer.Option(None, help="File that keeps what each credential got."),
    region: str = typer.Option("", help="Region it is in."),
    latency_ms: float = typer.Option(0.0, min=0, help="How long each answer takes."),
    jitter_ms: float = typer.Option(0.0, min=0, help="Up to this much longer, evenly."),
    limit: str = typer.Option("", help="Units a credential gets a day, as image=10,video=2."),
    units: str = typer.Option("request", help="request: a call is one unit; n: its field `n`."),
    timezone: str = typer.Option("UTC", help="Time zone of the ledger's days."),
    public_url: str = typer.Option("", help="How clients reach its pictures."),
    dialect: str = typer.Option(
        "", help="Be as strict as jimeng, drraw, jimeng-free-all or jimeng-free."
    ),
    request_within_s: float = typer.Option(
        300.0, help="With a dialect: answer 408 to a request that is not whole after so long."
    ),
    seed: int = typer.Option(0, help="Seed of its chance."),
) -> None:
    """Run a Jimeng-style server that draws pictures and keeps a ledger of its own.

    Example: tidegate demo server --port 9001 --ledger server-1.ledger
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise typer.BadParameter(
            'expected one such as "Asia/Shanghai"', param_hint="--timezone"
        ) from None
    try:
        options = DemoOptions(
            host=host,
            port=port,
            control_port=control_port,
            ledger=ledger,
            region=region,
            latency_ms=latency_ms,
            jitter_ms=jitter_ms,
            limits=parse_limits(limit),
            units=units,
            timezone=zone.key,
            public_url=public_url,
            dialect=dialect,
            request_within_s=request_within_s,
            seed=seed,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        lifecycle.run(partial(demo_server.run, options=options, announce=_announcement()))
    except WrongLedgerError as error:
        raise CommandError(f"--ledger: {error}") from None
    except OSError as error:
        file = f"{error.filename}: " if error.filename else ""
        why = f"{file}{error.strerror or error}"
        raise CommandError(f"cannot serve on {host}:{port}: {why}") from None


def _announcement() -> Callable[[str], None] | None:
    """Say on a terminal where it listens; else, or where a format is wanted, the log does."""
    if os.environ.keys() & {"TIDEGATE_LOG_FORMAT", "TIDEGATE_LOG_FILE"} or not sys.stderr.isatty():
        return None
    return lambda url: output.print_note(f"demo server: {url} (Ctrl-C ends it)")


@app.command("traffic")
def make_calls(
    *,
    count: int = typer.Option(100, min=0, help="How many calls."),
    rate: float = typer.Option(5.0, help="Calls a second."),
    mix: str = typer.Option("", help="Kinds of call in proportion, as image=8,video=1,chat=1."),
    seed: int = typer.Option(0, help="Seed of its chance."),
    as_json: bool = output.JSON,
) -> None:
    """Make calls at the gateway and sum up what came of them; exit 1 when none succeeded.

    Example: tidegate demo traffic --count 20 --rate 10
    """
    here = read_environment()
    try:
        options = TrafficOptions(
            url=api.gateway_address(here),
            key=_client_key(here),
            rate=rate,
            count=count,
            seed=seed,
        )
        if mix:
            weights: dict[str, float] = dict(parse_limits(mix))
            options = msgspec.structs.replace(options, mix=weights)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    summaries: list[TrafficSummary] = []

    async def main(stop: asyncio.Event) -> None:
        summaries.append(await demo_traffic.run(stop, options, partial(_note_call, quiet=as_json)))

    lifecycle.run(main)
    summary = summaries[0]
    if as_json:
        output.print_json(summary)
    else:
        output.print_pairs(msgspec.structs.asdict(summary).items())
    if summary.calls and not any(200 <= status < 300 for status in summary.statuses):  # noqa: PLR2004
        raise typer.Exit(1)


def _note_call(called: Called, *, quiet: bool) -> None:
    if not quiet:
        output.print_note(f"{called.kind} {called.status} {called.code} {called.latency_ms:.0f} ms")


def _client_key(environment: Environment) -> str:
    """Find a client key. Raises `SettingsError` when there is none."""
    given = secret_variable("TIDEGATE_CLIENT_KEY")
    if given:
        return given
    try:
        return environment.home.client_key.read_text().strip()
    except OSError as error:
        raise SettingsError(
            "TIDEGATE_CLIENT_KEY: expected a client key, or the one in"
            f" {environment.home.client_key} ({error.strerror})"
        ) from None
