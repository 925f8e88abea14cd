"""Sessions changed: called something, limited, drained, disabled, cooled, cleared, removed."""

import sys
from typing import Any

import typer

from runtime.quantities import parse_seconds
from runtime.texts import count_phrase
from tidegate.admin.pool import sessionlists
from tidegate.admin.sessioncolumns import session_columns
from tidegate.console import api, listing, output
from tidegate.console.listing import ListOptions

_SESSION = typer.Argument(help="Id of the session, as `list` shows it.")
_ONE = typer.Argument("", help="Id of the session, as `list` shows it.", metavar="[SESSION_ID]")
_ALL = typer.Option(False, "--all", help="Every session that has not retired.")
_DRY_RUN = typer.Option(False, "--dry-run", help="Change nothing; only count.")
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
    account: str = typer.Option(
        "", help="Join this account, once and for good: its quota is used from then on."
    ),
    tier: str | None = typer.Option(None, help='Whose limits its account has; "" takes them away.'),
    reason: str = _REASON,
    as_json: bool = output.JSON,
) -> None:
    """Call a session something, limit it, give it a tier, or have it use an account's quota.

    What it has used is added to the account's; zone and reset hour must be the same, limits and
    tier, too, where it has any. Limits and tier are those of all sessions of the account.

    Example: tidegate sessions change ses_0a1b2c3d4e5f --label "account 7" --tier vip
    """
    if label is None and tier is None and not limit and not account:
        raise typer.BadParameter("expected --label, --limit, --account or --tier")
    body: dict[str, Any] = {"reason": reason}
    if label is not None:
        body["label"] = label
    if limit:
        body["limits"] = dict(map(sessionlists.read_limit, limit))
    if account:
        body["account"] = account
    if tier is not None:
        body["tier"] = tier
    _change_session(session_id, body, as_json=as_json)


def drain_sessions(
    session_id: str = _ONE,
    *,
    status: str = sessionlists.STATUS,
    service_type: str = sessionlists.SERVICE_TYPE,
    label: str = sessionlists.LABEL,
    text: str = sessionlists.TEXT,
    everything: bool = _ALL,
    dry_run: bool = _DRY_RUN,
    reason: str = _REASON,
    as_json: bool = output.JSON,
) -> None:
    """Grant no new lease of a session, or of all that fit; those that are open go on.

    Example: tidegate sessions drain ses_0a1b2c3d4e5f --reason "account is being closed"
    """
    body = {"status": "draining", "reason": reason}
    query = sessionlists.filter_query(status, service_type, label, text)
    chosen = _chosen(session_id, query, everything=everything, dry_run=dry_run)
    _change_chosen(chosen, body, "drained", as_json=as_json)


def disable_sessions(
    session_id: str = _ONE,
    *,
    status: str = sessionlists.STATUS,
    service_type: str = sessionlists.SERVICE_TYPE,
    label: str = sessionlists.LABEL,
    text: str = sessionlists.TEXT,
    everything: bool = _ALL,
    dry_run: bool = _DRY_RUN,
    reason: str = _REASON,
    as_json: bool = output.JSON,
) -> None:
    """Have a session, or all that fit, no good any more, as one whose login has expired.

    Unlike a drained one it does not count towards the pool's size: others may take its place.

    Example: tidegate sessions disable ses_0a1b2c3d4e5f --reason "login has expired"
    """
    body = {"status": "disabled", "reason": reason}
    query = sessionlists.filter_query(status, service_type, label, text)
    chosen = _chosen(session_id, query, everything=everything, dry_run=dry_run)
    _change_chosen(chosen, body, "disabled", as_json=as_json)


def cool_sessions(
    session_id: str = _ONE,
    *,
    duration: str = typer.Option(..., "--for", help='How long: "90s", "10m", "2h".'),
    status: str = sessionlists.STATUS,
    service_type: str = sessionlists.SERVICE_TYPE,
    label: str = sessionlists.LABEL,
    text: str = sessionlists.TEXT,
    everything: bool = _ALL,
    dry_run: bool = _DRY_RUN,
    reason: str = _REASON,
    as_json: bool = output.JSON,
) -> None:
    """Grant no new lease of a session, or of all that fit, for a while.

    Example: tidegate sessions cool ses_0a1b2c3d4e5f --for 10m
    """
    try:
        cool_s = float(parse_seconds(duration))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    body = {"cool_s": cool_s, "reason": reason}
    query = sessionlists.filter_query(status, service_type, label, text)
    chosen = _chosen(session_id, query, everything=everything, dry_run=dry_run)
    _change_chosen(chosen, body, "cooled", as_json=as_json)


def clear_sessions(
    session_id: str = _ONE,
    *,
    status: str = sessionlists.STATUS,
    service_type: str = sessionlists.SERVICE_TYPE,
    label: str = sessionlists.LABEL,
    text: str = sessionlists.TEXT,
    everything: bool = _ALL,
    dry_run: bool = _DRY_RUN,
    reason: str = _REASON,
    as_json: bool = output.JSON,
) -> None:
    """Make a session, or all that fit, active again: not cooling, suspect, draining or disabled.

    What its backend called used up stays so until its reset, and what was used stays used.

    Example: tidegate sessions clear ses_0a1b2c3d4e5f
    """
    body = {"status": "active", "cool_s": 0, "reason": reason}
    query = sessionlists.filter_query(status, service_type, label, text)
    chosen = _chosen(session_id, query, everything=everything, dry_run=dry_run)
    _change_chosen(chosen, body, "cleared", as_json=as_json)


def remove_sessions(
    session_id: str = _ONE,
    *,
    status: str = sessionlists.STATUS,
    service_type: str = sessionlists.SERVICE_TYPE,
    label: str = sessionlists.LABEL,
    text: str = sessionlists.TEXT,
    everything: bool = _ALL,
    dry_run: bool = _DRY_RUN,
    yes: bool = typer.Option(False, "--yes", help="Do not ask, where a terminal would."),
    as_json: bool = output.JSON,
) -> None:
    """Retire a session, or all that fit: adding its credential again revives it.

    On a terminal it says how many fit, and asks before it removes them.

    Example: tidegate sessions remove --status disabled --dry-run
    """
    query = sessionlists.filter_query(status, service_type, label, text)
    chosen = _chosen(session_id, query, everything=everything, dry_run=dry_run)
    if isinstance(chosen, str):
        answer = api.delete(f"/api/sessions/{api.path_segment(chosen)}")
        said = f"{chosen} {'is' if answer['changed'] else 'was'} retired"
        output.print_answer(answer, said, as_json=as_json)
        return
    if is_terminal() and not (yes or dry_run):
        tried = api.delete("/api/sessions", **chosen, dry_run=True)
        count = count_phrase(tried["changed"], "session")
        typer.confirm(f"remove {count}?", abort=True, err=True)
    _print_outcome(api.delete("/api/sessions", **chosen), "removed", as_json=as_json)


def is_terminal() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty()


def _chosen(
    session_id: str, query: dict[str, Any], *, everything: bool, dry_run: bool
) -> str | dict[str, Any]:
    """Read which sessions are meant: the id of one, or the parameters that say which.

    Raises `BadParameter` for neither, or both.
    """
    if bool(session_id) is (bool(query) or everything):
        raise typer.BadParameter(
            "expected a session's id, or which sessions: --status, --type, --label, --find, --all"
        )
    if session_id:
        if dry_run:
            raise typer.BadParameter("expected which sessions, not one", param_hint="--dry-run")
        return session_id
    given = {**query, "all": everything, "dry_run": dry_run}
    return {name: value for name, value in given.items() if value}


def _change_chosen(
    chosen: str | dict[str, Any], body: dict[str, Any], done: str, *, as_json: bool
) -> None:
    """Change one and show it, or all that fit and say how many these were."""
    if isinstance(chosen, str):
        _change_session(chosen, body, as_json=as_json)
    else:
        _print_outcome(api.patch("/api/sessions", body, **chosen), done, as_json=as_json)


def _print_outcome(answer: dict[str, Any], done: str, *, as_json: bool) -> None:
    """Say how many were changed, or would be, of how many that fit."""
    would = "would be " if answer["dry_run"] else ""
    text = f"{answer['changed']} of {answer['fitting']} sessions that fit {would}{done}"
    output.print_answer(answer, text, as_json=as_json)


def _change_session(session_id: str, body: dict[str, Any], *, as_json: bool) -> None:
    answer = api.patch(f"/api/sessions/{api.path_segment(session_id)}", body)
    if as_json:
        output.print_json(answer)
    else:
        listing.print_list(session_columns([answer]), [answer], ListOptions(), "")
