"""`tidegate tail`: the log as it grows, an event a line."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import typer

from contracts.events import AnyEvent, UnknownEvent, tags
from tidegate.cli import logreading, output
from tidegate.cli.errors import CommandError
from tidegate.runtime.connection import connected_as
from tidegate.runtime.environment import Environment, environment
from tidegate.runtime.eventlog import EventLog, LogUnavailableError, Stored

_END = -1
_TAG_WIDTH = max(map(len, tags()))


class Wanted:
    """Which events are to be shown; a lease's later events are known by its id."""

    def __init__(self, types: Sequence[str] = (), session: str = "", request: str = "") -> None:
        """Take tags, or patterns of them; an empty wish is no wish."""
        self._types = types
        self._session = session
        self._request = request
        self._leases: set[str] = set()

    def __call__(self, event: AnyEvent | UnknownEvent, kind: str) -> bool:
        """Tell whether an event is wanted."""
        if self._session and not self._of_session(event):
            return False
        if self._request and not self._of_request(event):
            return False
        return not self._types or any(fnmatchcase(kind, wanted) for wanted in self._types)

    def _of_session(self, event: Any) -> bool:
        lease_id = getattr(event, "lease_id", "")
        if getattr(event, "session_id", "") == self._session:
            if lease_id:
                self._leases.add(lease_id)
            return True
        return bool(lease_id) and lease_id in self._leases

    def _of_request(self, event: Any) -> bool:
        """Know a request by our id, by its client's, and by the leases that carry ours."""
        if getattr(event, "client_request_id", "") == self._request:
            self._leases.add(event.request_id)
        known = {self._request, *self._leases}
        of_lease = str(getattr(event, "lease_id", "")).rpartition(".")[0]
        return bool({getattr(event, "request_id", ""), of_lease} & known)


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
    as_json: bool = output.JSON,
) -> None:
    """Show every event as it is stored, until Ctrl-C; with --json a JSON object a line.

    It begins at the log's end unless it is told otherwise, and outlives a restart of NATS.

    Example: tidegate tail --last 20 --type "lease_*"
    """
    if not subject.startswith("evt."):
        raise typer.BadParameter(f"expected a subject of the log, such as evt.>, got {subject!r}")
    if sum((bool(from_), bool(last), after != _END)) > 1:
        raise typer.BadParameter("expected only one of --from, --last and --after")
    for wanted in types:
        if not any(fnmatchcase(tag, wanted) for tag in tags()):
            known = ", ".join(sorted(tags()))
            raise typer.BadParameter(f"--type {wanted}: expected one of {known}, or a pattern")
    begin = from_ - 1 if from_ else after
    try:
        asyncio.run(
            _follow(
                environment(),
                subject,
                Wanted(types, session, request),
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


async def _follow(
    found: Environment, subject: str, wanted: Wanted, after: int, last: int, *, as_json: bool
) -> None:
    following = asyncio.current_task()
    assert following is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, following.cancel)
    client = None
    try:
        client = await connected_as(found, "auditor", told=output.note)
        log = EventLog(client)
        if after == _END:
            after = max(0, (await log.state()).last_sequence - last)
        async for batch in log.follow([subject], after):
            for stored in batch:
                _print(stored, wanted, as_json=as_json)
    except asyncio.CancelledError:
        return
    finally:
        if client is not None:
            await client.close()


def _print(stored: Stored, wanted: Wanted, *, as_json: bool) -> None:
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
        kind = str(fields.get("type", ""))
        if not wanted(event, kind):
            continue
        name = f"{stored.sequence}.{index}"
        if as_json:
            whole = {"event": name, "time": envelope.time.isoformat(), "subject": stored.subject}
            print(json.dumps({**whole, **fields}, ensure_ascii=False), flush=True)
        else:
            del fields["type"]
            when, about = _moment(envelope.time), output.cell(_readable(fields))
            print(f"{name:>10}  {when}  {stored.subject:<12}  {kind:<{_TAG_WIDTH}}  {about}")
            sys.stdout.flush()


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _readable(fields: dict[str, Any]) -> dict[str, Any]:
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
