"""`tidegate sessions`: the pool's sessions, listed, added, in and out of files, administered."""

from pathlib import Path
from typing import Any

import typer

from runtime.quantities import seconds
from tidegate.admin import sessionfiles
from tidegate.console import api, output
from tidegate.console.errors import CommandError

app = typer.Typer(no_args_is_help=True, add_completion=False)
_COLUMNS = (
    "session_id",
    "status",
    "region",
    "quota_day",
    "used",
    "reserved",
    "remaining",
    "open_leases",
    "cooling_s",
    "reason",
    "origin",
)
_BATCH = 1000
_SESSION = typer.Argument(help="Id of the session, as `list` shows it.")
_REASON = typer.Option("", help="Why; it is kept in the log.")


@app.command("list")
def list_(
    *,
    limit: int = typer.Option(1000, min=1, max=10_000, help="At most so many."),
    as_json: bool = output.JSON,
) -> None:
    """List sessions with what each has used, reserved and left today.

    Example: tidegate sessions list
    """
    found = api.get("/api/sessions", limit=limit)
    if as_json:
        output.as_json(found)
        return
    rows = [[session.get(column) for column in _COLUMNS] for session in found["data"]]
    output.table(_COLUMNS, rows, "no sessions")
    print(
        f"\n{found['total']} sessions, {found['active']} active (between {found['min_size']} and"
        f" {found['max_size']}), {found['open_leases']} open leases; left today:"
        f" {output.cell(found['remaining'])}"
    )


@app.command()
def add(
    file: str = typer.Argument(
        help="A file of credentials, one a line (`us-`, `hk-`, `jp-` or `sg-` before it names its"
        " region) or one JSON object a line; `-` is standard input."
    ),
    *,
    region: str = typer.Option("", help="Region of those that name none: us, hk, jp or sg."),
    timezone: str = typer.Option("", help="Quota time zone of those that name none."),
    as_json: bool = output.JSON,
) -> None:
    """Add sessions, or revive them; adding one twice is harmless.

    Credentials come from a file, because arguments are seen by everyone on the machine.

    Example: tidegate sessions add credentials.txt --timezone Asia/Shanghai
    """
    wanted = sessionfiles.credentials(file, {"region": region, "timezone": timezone})
    named: list[str] = []
    changed: list[str] = []
    for start in range(0, len(wanted), _BATCH):
        found = api.post("/api/sessions", wanted[start : start + _BATCH])
        named += found["data"]
        changed += found["changed"]
    if as_json:
        output.as_json({"data": named, "changed": changed})
    else:
        print("\n".join(changed or []) or "nothing new")
        output.note(f"{len(changed)} of {len(named)} sessions added or revived")


@app.command("import")
def import_(
    file: str = typer.Argument(
        help="JSON lines, or CSV when it is named so: credential, region, timezone, limits (CSV:"
        " limit_<service type>); `-` is standard input."
    ),
    *,
    as_csv: bool = typer.Option(False, "--csv", help="It is CSV, whatever its name."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only read the file."),
    as_json: bool = output.JSON,
) -> None:
    """Add the sessions of a file, all or none: any bad line is named, and then nothing is sent.

    Example: tidegate sessions import sessions.csv
    """
    text = "\n".join(sessionfiles.lines_of(file))
    lines = sessionfiles.sessions(text, file, as_csv=as_csv or sessionfiles.is_csv(file))
    if dry_run:
        found: dict[str, Any] = {"data": [], "changed": []}
        told = f"{len(lines)} sessions can be imported"
    else:
        try:
            found = api.post("/api/sessions", [line.session for line in lines])
        except CommandError as error:
            raise CommandError(f"{file}: {sessionfiles.refused(str(error), lines)}") from None
        told = f"{len(found['changed'])} of {len(lines)} sessions added or revived"
    if as_json:
        output.as_json({**found, "read": len(lines)})
    else:
        print(told)


@app.command()
def export(
    file: str = typer.Argument(
        help="Where to: JSON lines, or CSV when it is named so; `-` is standard output."
    ),
    *,
    as_csv: bool = typer.Option(False, "--csv", help="Write CSV, whatever its name."),
    as_json: bool = output.JSON,
) -> None:
    """Write every session to a file: its state, limits and use; never a credential.

    Example: tidegate sessions export sessions.csv
    """
    if as_json and file == "-":
        raise typer.BadParameter("--json tells what was written to a file; expected its name")
    found = api.get("/api/sessions", limit=sessionfiles.SESSIONS_MAX)
    text = sessionfiles.written(found["data"], as_csv=as_csv or sessionfiles.is_csv(file))
    if file == "-":
        print(text, end="")
    else:
        try:
            Path(file).write_text(text)
        except OSError as error:
            raise CommandError(f"{file}: cannot be written ({error.strerror})") from None
    if as_json:
        output.as_json({"file": file, "sessions": len(found["data"]), "total": found["total"]})
    else:
        output.note(f"{len(found['data'])} of {found['total']} sessions exported")
    if len(found["data"]) < found["total"]:
        raise typer.Exit(1)


@app.command()
def drain(
    session_id: str = _SESSION, *, reason: str = _REASON, as_json: bool = output.JSON
) -> None:
    """Grant no new lease of a session; those that are open go on.

    Example: tidegate sessions drain ses_0a1b2c3d4e5f --reason "account is being closed"
    """
    _change(session_id, {"status": "draining", "reason": reason}, as_json=as_json)


@app.command()
def cool(
    session_id: str = _SESSION,
    *,
    duration: str = typer.Option(..., "--for", help='How long: "90s", "10m", "2h".'),
    reason: str = _REASON,
    as_json: bool = output.JSON,
) -> None:
    """Grant no new lease of a session for a while.

    Example: tidegate sessions cool ses_0a1b2c3d4e5f --for 10m
    """
    try:
        cool_s = float(seconds(duration))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    _change(session_id, {"cool_s": cool_s, "reason": reason}, as_json=as_json)


@app.command()
def clear(
    session_id: str = _SESSION, *, reason: str = _REASON, as_json: bool = output.JSON
) -> None:
    """Make a session active again: no longer cooling, suspect, draining, disabled or removed.

    Example: tidegate sessions clear ses_0a1b2c3d4e5f
    """
    _change(session_id, {"status": "active", "cool_s": 0, "reason": reason}, as_json=as_json)


@app.command()
def remove(session_id: str = _SESSION, *, as_json: bool = output.JSON) -> None:
    """Retire a session: its history stays, and adding its credential again revives it.

    Example: tidegate sessions remove ses_0a1b2c3d4e5f
    """
    found = api.delete(f"/api/sessions/{api.segment(session_id)}")
    if as_json:
        output.as_json(found)
    else:
        print(f"{session_id} is retired" if found["changed"] else f"{session_id} was retired")


def _change(session_id: str, body: dict[str, Any], *, as_json: bool) -> None:
    found = api.patch(f"/api/sessions/{api.segment(session_id)}", body)
    if as_json:
        output.as_json(found)
    else:
        output.table(_COLUMNS, [[found.get(column) for column in _COLUMNS]])
