"""`tidegate tail`: the log as it grows, an event a line."""

import asyncio
import json
import signal
from typing import Any

import msgspec
import typer

from contracts.events import UnknownEvent
from tidegate.cli import logreading, output
from tidegate.cli.errors import CommandError
from tidegate.runtime.environment import Environment, environment
from tidegate.runtime.eventlog import EventLog, LogUnavailableError, Stored


def tail(
    subject: str = typer.Argument("evt.>", help="Subject, or a pattern of subjects."),
    *,
    after: int = typer.Option(
        -1, min=-1, help="Begin behind this sequence; by default at the log's end."
    ),
    as_json: bool = output.JSON,
) -> None:
    """Show every event as it is stored, until Ctrl-C; with --json a JSON object a line.

    Example: tidegate tail evt.balancer --after 0
    """
    if not subject.startswith("evt."):
        raise typer.BadParameter(f"expected a subject of the log, such as evt.>, got {subject!r}")
    try:
        asyncio.run(_follow(environment(), subject, after, as_json=as_json))
    except LogUnavailableError as error:
        raise CommandError(f"the event log cannot be read: {error}") from None


async def _follow(found: Environment, subject: str, after: int, *, as_json: bool) -> None:
    following = asyncio.current_task()
    assert following is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, following.cancel)
    try:
        async with logreading.auditor(found) as client:
            log = EventLog(client)
            begin = (await log.state()).last_sequence if after < 0 else after
            async for batch in log.follow([subject], begin):
                for stored in batch:
                    _print(stored, as_json=as_json)
    except asyncio.CancelledError:
        return


def _print(stored: Stored, *, as_json: bool) -> None:
    envelope = logreading.opened(stored)
    if envelope is None:
        output.note(f"{stored.sequence}: the stored bytes are no envelope")
        return
    for index, event in enumerate(envelope.events):
        fields: dict[str, Any]
        if isinstance(event, UnknownEvent):
            fields = json.loads(event.raw)
        else:
            fields = msgspec.to_builtins(event)
        name, told = f"{stored.sequence}.{index}", envelope.time.isoformat()
        if as_json:
            whole = {"event": name, "time": told, "subject": stored.subject, **fields}
            print(json.dumps(whole, ensure_ascii=False), flush=True)
        else:
            kind = fields.pop("type", "")
            print(f"{name} {told} {stored.subject} {kind} {output.cell(fields)}", flush=True)
