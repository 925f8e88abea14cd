"""Sessions changed: called something, limited, drained, cooled, cleared, removed."""

from typing import Any

import typer

from runtime.quantities import parse_seconds
from tidegate.admin import sessionlists
from tidegate.console import api, output

_SESSION = typer.Argument(help="Id of the session, as `list` shows it.")
_REASON = typer.Option("", help="Why; it is kept in the log.")


def change_session(
    session_id: str = _SESSION,
    *,
    label: str | None = typer.Option(
        None, help=f'What to call it; "" takes it away. {sessionlists.LABEL_HELP}'
    ),
    limit: list[str] = typer.Option(
        [], help="Units a day of a service type, such as image=50; with one, all others go."
    ),
    reason: str = _REASON,
    as_json: bool = output.JSON,
) -> None:
    """Call a session something, or limit it otherwise than its service types are.

    Example: tidegate sessions change ses_0a1b2c3d4e5f --label "account 7"
    """
    if label is None and not limit:
        raise typer.BadParameter("expected --label or --limit")
    body: dict[str, Any] = {"reason": reason}
    if label is not None:
        body["label"] = label
    if limit:
        body["limits"] = dict(map(sessionlists.read_limit, limit))
    _change_session(session_id, body, as_json=as_json)


def drain_session(
    session_id: str = _SESSION, *, reason: str = _REASON, as_json: bool = output.JSON
) -> None:
    """Grant no new lease of a session; those that are open go on.

    Example: tidegate sessions drain ses_0a1b2c3d4e5f --reason "account is being closed"
    """
    _change_session(session_id, {"status": "draining", "reason": reason}, as_json=as_json)


def cool_session(
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
        cool_s = float(parse_seconds(duration))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    _change_session(session_id, {"cool_s": cool_s, "reason": reason}, as_json=as_json)


def clear_session(
    session_id: str = _SESSION, *, reason: str = _REASON, as_json: bool = output.JSON
) -> None:
    """Make a session active again: no longer cooling, suspect, draining, disabled or removed.

    What its backend called used up stays so until its reset, and what was used stays used.

    Example: tidegate sessions clear ses_0a1b2c3d4e5f
    """
    _change_session(
        session_id, {"status": "active", "cool_s": 0, "reason": reason}, as_json=as_json
    )


def remove_session(session_id: str = _SESSION, *, as_json: bool = output.JSON) -> None:
    """Retire a session: its history stays, and adding its credential again revives it.

    Example: tidegate sessions remove ses_0a1b2c3d4e5f
    """
    answer = api.delete(f"/api/sessions/{api.path_segment(session_id)}")
    text = f"{session_id} {'is' if answer['changed'] else 'was'} retired"
    output.print_answer(answer, text, as_json=as_json)


def _change_session(session_id: str, body: dict[str, Any], *, as_json: bool) -> None:
    answer = api.patch(f"/api/sessions/{api.path_segment(session_id)}", body)
    if as_json:
        output.print_json(answer)
    else:
        output.print_records(sessionlists.COLUMNS, [answer])
