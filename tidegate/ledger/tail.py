"""`tidegate tail`: the log as it grows, an event a line."""

import asyncio
import os
import re
import signal
import sys
from typing import Any

import typer

from contracts.events import event_tags
from runtime.environment import Environment, read_environment
from runtime.eventlog import EventLog, LogUnavailableError, Stored
from runtime.eventlog.records import UNREADABLE, Wanted, records_of, types_matching
from runtime.nats.connection import connect_as
from tidegate.console import output
from tidegate.console.errors import CommandError

_END = -1
_TAG_WIDTH = max(map(len, event_tags()))
_INDENT = 12
"""What has no room beside an event's head stands below, under its time."""
_SUBJECT = re.compile(r"evt(?=\.)(\.(\*|[^\s.*>\x00-\x1f\x7f]+))*(\.>)?")
"""A subject, or pattern of subjects, as NATS has them."""
_HEAD = ("event", "time", "subject", "type")


def tail(
    subject: str = typer.Argument("evt.>", help="Subject, or a pattern of subjects."),
    *,
    from_: int = typer.Option(0, "--from", min=0, help="Begin at this sequence of the log."),
    last: int = typer.Option(0, min=0, help="Begin so many envelopes before the log's end."),
    after: int = typer.Option(_END, min=_END, help="Begin behind this sequence of the log."),
    types: list[str] = typer.Option(
        [], "--type", help="Only events of this type, or pattern of types; may be given again."
    ),
    session: str = typer.Option("", help="Only events about this session."),
    request: str = typer.Option("", help="Only events of this request: our id, or the client's."),
    server: str = typer.Option("", help="Only events about this server, or of tries at it."),
    key: str = typer.Option("", help="Only events of requests by the key of this id, and of it."),
    as_json: bool = output.JSON,
) -> None:
    """Show every event as it is stored, until Ctrl-C; with --json a JSON object a line.

    It begins at the log's end unless it is told otherwise, and outlives a restart of NATS.

    Example: tidegate tail --last 20 --type "lease_*"
    """
    if not _SUBJECT.fullmatch(subject):
        raise typer.BadParameter(f"expected a subject of the log, such as evt.>, got {subject!r}")
    if sum((bool(from_), bool(last), after != _END)) > 1:
        raise typer.BadParameter("expected only one of --from, --last and --after")
    for wanted in types:
        if not types_matching(wanted):
            choices = ", ".join(sorted(event_tags()))
            raise typer.BadParameter(f"--type {wanted}: expected one of {choices}, or a pattern")
    begin = from_ - 1 if from_ else after
    try:
        asyncio.run(
            _follow_log(
                read_environment(),
                subject,
                Wanted(types, session, request, server, key),
                begin,
                last,
                as_json=as_json,
            )
        )
    except LogUnavailableError as error:
        raise CommandError(f"the event log cannot be read: {error}") from None
    except BrokenPipeError:
        # Whoever read this has seen enough; what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _follow_log(
    environment: Environment, subject: str, wanted: Wanted, after: int, last: int, *, as_json: bool
) -> None:
    """Print every event from `after` on, until a signal comes."""
    following = asyncio.current_task()
    assert following is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, following.cancel)
    client = None
    try:
        client = await connect_as(environment, "auditor", report=output.print_note)
        log = EventLog(client)
        if after == _END:
            after = max(0, (await log.stream_state()).last_sequence - last)
        async for batch in log.follow_from([subject], after):
            for stored in batch:
                _print_events(stored, wanted, as_json=as_json)
    except asyncio.CancelledError:
        return
    finally:
        if client is not None:
            await client.close()


def _print_events(stored: Stored, wanted: Wanted, *, as_json: bool) -> None:
    """Print the events of an envelope that are wanted."""
    for record in records_of(stored):
        if record["type"] == UNREADABLE:
            output.print_note(
                f"{stored.sequence}: the stored bytes are no envelope ({record['reason']})"
            )
        elif not wanted(record):
            continue
        elif as_json:
            output.print_record(record)
        else:
            name, time, subject, kind = (record.pop(field) for field in _HEAD)
            about = output.table_cell(_readable_fields(record))
            head = f"{name:>10}  {_short_time(time)}  {subject:<12}"
            output.print_headed(f"{head}  {kind:<{_TAG_WIDTH}}", about, _INDENT)


def _short_time(time: str) -> str:
    """Milliseconds are enough for a reader; columns stay columns."""
    whole, _, fraction = time.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<3.3}Z"


def _readable_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Shorten what would make a line a page: of an attempt, where it went and what came of it."""
    attempts = [
        " ".join(
            str(attempt[name])
            for name in ("server_id", "verdict", "status", "failure")
            if attempt.get(name)
        )
        for attempt in fields.get("attempts", ())
    ]
    return {**fields, "attempts": attempts} if attempts else fields
