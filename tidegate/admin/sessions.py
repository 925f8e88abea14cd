"""`tidegate sessions`: the pool's sessions, listed, added, in and out of files, administered."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from runtime.credentials import Credential, WrongCredential
from runtime.texts import count_phrase
from tidegate.admin import sessionfiles, sessiontests
from tidegate.admin.pool import sessionchanges, sessionlists
from tidegate.admin.sessioncolumns import is_retired, is_uncounted, session_columns
from tidegate.console import api, files, listing, output
from tidegate.console.errors import CommandError, GatewayRefusedError
from tidegate.console.listing import ListOptions

app = typer.Typer(no_args_is_help=True, add_completion=False)
_BATCH = 1000
_TOTALS = ("data", "changed", "added", "revived", "labelled", "joined", "restated")
_OF_THOSE_THERE = {
    "labelled": "now called otherwise",
    "joined": "entered an account, for good",
    "restated": "with another tier, or more units used, in the account now",
}
_SESSIONS = typer.Argument(None, help="Ids of sessions, as `list` shows them.")
_SERVER = typer.Option("", help="Id of the server to ask; by default one that can tell most.")


@app.command("list")
def list_sessions(
    *,
    status: str = sessionlists.STATUS,
    service_type: str = sessionlists.SERVICE_TYPE,
    label: str = sessionlists.LABEL,
    text: str = sessionlists.TEXT,
    order: str = sessionlists.ORDER,
    limit: int = listing.LIMIT,
    cursor: str = listing.CURSOR,
    offset: int = listing.OFFSET,
    wide: bool = listing.WIDE,
    columns: str = listing.COLUMNS,
    sort: str = listing.SORT,
    where: list[str] = listing.WHERE,
    as_json: bool = output.JSON,
) -> None:
    """List sessions with what each has left today of every service type, retired ones last.

    On a terminal those that retired are only counted, unless something is asked for (--status
    retired).

    The pool chooses (--status, --type, --label, --find) and orders (--order) before --offset and
    --limit; --where and --sort go by what is listed.

    Example: tidegate sessions list --status cooling,suspect --sort -last_used
    """
    query = {**sessionlists.filter_query(status, service_type, label, text), "sort": order}
    with api.options_for(**sessionlists.OPTIONS):
        answer = api.get_list("/api/sessions", limit, cursor, offset, **query)
    shown = session_columns(answer["data"])
    options = ListOptions(wide, columns, sort, where)
    rows = listing.listed_rows(shown, answer["data"], options, is_retired)
    if as_json:
        output.print_json({**answer, "data": rows})
        return
    chosen = any([status, service_type, label, text, where])
    listed = rows if chosen or output.terminal_width() is None else _unretired(rows)
    listing.print_list(shown, listed, options, "no sessions")
    if left_out := len(rows) - len(listed):
        output.print_prose(
            f"\n{count_phrase(left_out, 'session')} that retired left out: --status retired lists"
            " them"
        )
    output.print_prose(
        f"\n{count_phrase(answer['total'], 'session')}, {answer['active']} active"
        f" (between {answer['min_size']} and {answer['max_size']}),"
        f" {count_phrase(answer['open_leases'], 'open lease')}; left today:"
        f" {output.table_cell(answer['remaining'])}{_sum_remark(rows)}"
    )
    listing.print_cursor(answer)


def _unretired(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if not is_retired(row)]


def _sum_remark(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what the sum leaves out of the rows above it; empty where it leaves nothing out."""
    accounts = [row["account"] for row in rows if row.get("account")]
    remarks = ["each account once"] if len(accounts) > len({*accounts}) else []
    if any(map(is_uncounted, rows)):
        remarks.append("without those in brackets")
    return f" ({', '.join(remarks)})" if remarks else ""


@app.command("add")
def add_sessions(
    file: str = typer.Argument(
        help="A file of credentials, one a line or one JSON object a line (`us-`, `hk-`, `jp-` or"
        " `sg-` before a credential names its region); `-` is standard input."
    ),
    *,
    region: str = typer.Option("", help="Region of those that name none: us, hk, jp or sg."),
    timezone: str = typer.Option("", help="Quota time zone of those that name none."),
    account: str = typer.Option(
        "", help="Account of those that name none: whose quota they use, 16 sessions at most."
    ),
    tier: str = typer.Option("", help="Tier of those that name none."),
    label: str = typer.Option(
        "", help=f"What to call those that name nothing. {sessionlists.LABEL_HELP}"
    ),
    as_json: bool = output.JSON,
) -> None:
    """Add sessions, or revive them; adding one twice is harmless.

    Credentials come from a file, because arguments are seen by everyone on the machine.

    Example: tidegate sessions add credentials.txt --timezone Asia/Shanghai
    """
    data = sessionfiles.data_of(file)
    said = {
        "region": region,
        "timezone": timezone,
        "label": label,
        "account": account,
        "tier": tier,
    }
    lines = sessionfiles.session_lines(data, file, defaults=said)
    _send_sessions(lines, file, as_json=as_json)


@app.command("import")
def import_sessions(
    file: str = typer.Argument(
        help="A credential a line, or JSON lines, or CSV when it is named so: credential, region,"
        " timezone, quota_reset_hour, label, account, tier, limits and used today (CSV:"
        " limit_<service type>, used_<service type>); `-` is standard input."
    ),
    *,
    as_csv: bool = typer.Option(False, "--csv", help="It is CSV, whatever its name."),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Only read the file, and ask which service types there are."
    ),
    as_json: bool = output.JSON,
) -> None:
    """Add the good sessions of a file, and name the lines that are of no use; then the exit is 1.

    A line is a token alone or a JSON object, and both may stand in one file.

    Example: tidegate sessions import sessions.csv
    """
    data = sessionfiles.data_of(file)
    services, unasked = sessionfiles.service_types() if dry_run else (None, "")
    if unasked:
        output.print_note(unasked)
    as_csv = as_csv or sessionfiles.is_csv(file)
    lines = sessionfiles.session_lines(data, file, as_csv=as_csv, services=services)
    _send_sessions(lines, file, as_json=as_json, dry_run=dry_run)


def _send_sessions(
    lines: list[sessionfiles.Line], file: str, *, as_json: bool, dry_run: bool = False
) -> None:
    """Send the good ones, tell what came of them, and name the others."""
    good = [(number, item) for number, item in lines if isinstance(item, Credential)]
    refused = [(number, item.reason) for number, item in lines if isinstance(item, WrongCredential)]
    totals: dict[str, list[Any]] = {name: [] for name in _TOTALS}
    with output.progress_bar("adding sessions", len(good), shown=not dry_run) as moved:
        for start in range(0, 0 if dry_run else len(good), _BATCH):
            batch = good[start : start + _BATCH]
            answer = _post_batch([sessionfiles.as_session(item) for _, item in batch])
            for name in totals:
                totals[name] += answer.get(name, [])
            refused += [(batch[item["line"] - 1][0], item["reason"]) for item in answer["refused"]]
            moved(len(batch))
    refused.sort()
    named = [{"line": number, "reason": reason} for number, reason in refused]
    if as_json:
        output.print_json({**totals, "refused": named, "read": len(lines)})
    elif dry_run:
        output.print_text(f"{len(good)} of {len(lines)} sessions can be imported")
    else:
        output.print_text("\n".join(totals["changed"]) or "nothing new")
        count = len(totals["added"]) + len(totals["revived"])
        output.print_note(f"{count} of {len(lines)} sessions added or revived")
        for name, words in _OF_THOSE_THERE.items():
            if totals[name]:
                there = count_phrase(len(totals[name]), "that was there", "that were there")
                output.print_note(f"{there} {words}")
    if refused:
        raise CommandError(f"{file}: of no use:\n  {sessionfiles.wrong_lines_text(refused)}")


def _post_batch(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    """Add some; where none is good, what is said of each, or of all of them in one message."""
    try:
        return dict(api.post("/api/sessions", sessions))
    except GatewayRefusedError as error:
        reasons = error.refused or {1: str(error)}
        none: dict[str, Any] = {name: [] for name in _TOTALS}
        lines = range(1, len(sessions) + 1)
        untold = "refused, as those before it"
        refused = [{"line": line, "reason": reasons.get(line, untold)} for line in lines]
        return {**none, "refused": refused}


@app.command("export")
def export_sessions(
    file: str = typer.Argument(
        help="A file to write, which must not exist: JSON lines, or CSV when it is named so; `-` is"
        " standard output."
    ),
    *,
    as_csv: bool = typer.Option(False, "--csv", help="Write CSV, whatever its name."),
    as_json: bool = output.JSON,
) -> None:
    """Write every session to a file: its state, limits and use; never a credential.

    Example: tidegate sessions export sessions.csv
    """
    if as_json and file == files.STDOUT:
        raise typer.BadParameter("--json tells what was written to a file; expected its name")
    with files.open_output(file, "FILE") as into:
        answer = api.get_list("/api/sessions", listing.LISTED_MAX)
        text = sessionfiles.sessions_text(
            answer["data"], as_csv=as_csv or sessionfiles.is_csv(file)
        )
        into.write(text.encode())
    if as_json:
        output.print_json({"file": file, "sessions": len(answer["data"]), "total": answer["total"]})
    else:
        output.print_note(f"{count_phrase(len(answer['data']), 'session')} exported")


app.command("change")(sessionchanges.change_session)
app.command("drain")(sessionchanges.drain_sessions)
app.command("disable")(sessionchanges.disable_sessions)
app.command("cool")(sessionchanges.cool_sessions)
app.command("clear")(sessionchanges.clear_sessions)
app.command("remove")(sessionchanges.remove_sessions)


@app.command("test")
def check_accounts(
    session_ids: list[str] = _SESSIONS,
    *,
    every: bool = typer.Option(
        False, "--all", help="Every session but those that retired, as many as --limit."
    ),
    limit: int = typer.Option(100, min=1, max=10_000, help="With --all: at most so many."),
    server: str = _SERVER,
    as_json: bool = output.JSON,
) -> None:
    """Ask a backend whether the accounts of sessions live, one after another; exit 1 for any dead.

    A dead one makes its session suspect, a live one clears it; none is disabled. One whose account
    has no points left is granted no more until its reset; so collect the points of the day first
    (`receive`).

    Example: tidegate sessions test ses_0a1b2c3d4e5f ses_5f4e3d2c1b0a --server server-1
    """
    if bool(session_ids) == every:
        raise typer.BadParameter("expected the ids of sessions, or --all")
    left = 0
    if every:
        listed = api.get("/api/sessions", limit=limit, status=sessionlists.UNRETIRED)
        session_ids = [session["session_id"] for session in listed["data"]]
        left = listed["total"] - len(session_ids)
    rows = sessiontests.ask_for_each("test", session_ids, server)
    sessiontests.show_rows(rows, sessiontests.TESTED, as_json=as_json)
    if left > 0:
        more = count_phrase(left, "more session was", "more sessions were")
        output.print_note(f"{more} not tested: --limit")
    if any(row["judged"] not in sessiontests.FINE for row in rows):
        raise typer.Exit(1)


@app.command("receive")
def receive_points(
    session_ids: list[str] = _SESSIONS, *, server: str = _SERVER, as_json: bool = output.JSON
) -> None:
    """Have the free points of the day collected, at a server that speaks `jimeng`.

    It collects only where an account has none left. A session that was found used up before stays
    so until its reset.

    Example: tidegate sessions receive ses_0a1b2c3d4e5f
    """
    if not session_ids:
        raise typer.BadParameter("expected the ids of sessions")
    rows = sessiontests.ask_for_each("receive", session_ids, server)
    sessiontests.show_rows(rows, sessiontests.RECEIVED, as_json=as_json)
    if any("error" in row for row in rows):
        raise typer.Exit(1)
