"""`tidegate explain`: one request's whole story, in the order in which it happened."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import typer

from runtime.texts import session_shown
from tidegate.console import api, output
from tidegate.console.moments import parsed_moment
from tidegate.ledger import candidates

StoryPart = dict[str, Any]
_CONSEQUENCES = {
    "session_doubted": "session {} is doubted",
    "credentials_refused": "no session was left whose login is believed",
}
"""Events by what they say, where their names alone do not."""
_TOLD_OF_A_CALL = ("path", "model", "key_id", "gateway_id", "client_address", "user_agent")


def explain(
    request_id: str = typer.Argument(
        help="The X-Request-ID of an answer, or the X-Request-ID that its client gave."
    ),
    *,
    as_json: bool = output.JSON,
) -> None:
    """Tell everything the log knows of a request: decisions, servers tried and refused, units.

    Example: tidegate explain 0193b2c4-7f00-7abc-8def-0123456789ab
    """
    answer = api.get(f"/api/requests/{api.path_segment(request_id)}/explain")
    if as_json:
        output.print_json(answer)
        return
    if not answer["data"]:
        output.print_indented(count_lines(request_id, answer))
    for story in answer["data"]:
        output.print_indented(story_lines(story))
        output.print_text()
    if len(answer["data"]) > 1:
        output.print_text(
            f"{len(answer['data'])} requests have this id of a client's, the latest first"
        )
    output.print_text(f"true up to sequence {answer['sequence']} of the log")


def count_lines(request_id: str, answer: StoryPart) -> Iterator[str]:
    """Say of which counts an id without a trace of its own may be one: none of them names it."""
    yield f"request {request_id} came at {answer['at']} and has no trace of its own: it may be"
    for row in answer["counted"]:
        name = f" ({row['key_name']})" if row["key_name"] else ""
        service = f" for {row['service_type']}" if row["service_type"] else ""
        yield (
            f"  one of {row['calls']} answered {row['status']} {row['code']}{service} to key"
            f" {row['key_id']}{name}, from {row['since']} to {row['until']} (by the"
            f" {row['refused_by']}, event {row['event_id']})"
        )
    if len(answer["counted"]) > 1:
        yield "  (of one of these counts at the most; its id does not say which)"


def story_lines(story: StoryPart) -> Iterator[str]:
    """Write a story, a line a fact."""
    yield f"request {story['request_id']}"
    described: StoryPart = next(iter([*story["asked"], *story["leases"], *story["refusals"]]), {})
    if own := described.get("client_request_id"):
        yield f"  its client calls it {own}"
    yield from _pair_line("  ", described, _TOLD_OF_A_CALL)
    leases = {lease["number"]: lease for lease in story["leases"]}
    refusals = {refusal["number"]: refusal for refusal in story["refusals"]}
    asked = {row["number"]: row for row in story["asked"]}
    for number in sorted(asked.keys() | leases.keys() | refusals.keys()):
        row = asked.get(number, {})
        if row.get("asked_at"):
            units = row.get("units")
            yield f"{row['asked_at']}  asked for {units} of {row['service_type']} (lease {number})"
            yield from _wait_line(row)
        if number in refusals:
            yield from _refusal_lines(refusals[number])
        if number in leases:
            lease = leases[number]
            tried = [
                attempt for attempt in story["attempts"] if attempt["lease_id"] == lease["lease_id"]
            ]
            yield from _lease_lines(lease, tried)
        if number not in refusals and number not in leases:
            yield "  no decision is in the log"
    for event in story["consequences"]:
        why = f": {event['reason']}" if event["reason"] else ""
        yield f"{event['ts']}  {_consequence(event)}{why}"


def _wait_line(asked: StoryPart) -> Iterator[str]:
    """Say how long it waited for the decision, where that was long: between two clocks."""
    if asked.get("ts"):
        moments = (datetime.fromisoformat(asked[name]) for name in ("asked_at", "ts"))
        began, ended = moments
        waited_s = (ended - began).total_seconds()
        if waited_s >= 1:
            yield f"  it waited {output.table_cell(waited_s)} s for a session"


def _consequence(event: StoryPart) -> str:
    """Name what the request did to a session, or to all of them."""
    words = _CONSEQUENCES.get(event["event"], f"{event['event']} {{}}")
    return words.format(session_shown(event["entity_id"], event.get("session_label") or ""))


def _refusal_lines(refusal: StoryPart) -> Iterator[str]:
    yield f"{refusal['ts']}  refused: {refusal['reason']} (event {refusal['event_id']})"
    if refusal["retry_after_s"]:
        yield f"  to be asked again after {output.table_cell(refusal['retry_after_s'])} s"
    if refusal["count"] > 1:
        since = f" since {refusal['since']}" if refusal.get("since") else " of that second"
        yield (
            f"  it stands for {refusal['count']} equal refusals{since}; the others have no event of"
            " their own"
        )
    if not refusal["count"]:
        yield "  it had been told before, and counts as nothing"


def _session_text(lease: StoryPart) -> str:
    return session_shown(lease["session_id"], lease.get("session_label") or "")


def _lease_lines(lease: StoryPart, tried: list[StoryPart]) -> Iterator[str]:
    """Write a lease: its grant, its attempts, how it ended and what was counted."""
    trial = ", the one call by which a suspect session may clear itself" if lease["trial"] else ""
    whose = f"session {_session_text(lease)}{_account_text(lease)}"
    yield (
        f"{lease['granted_at']}  granted: {whose}, {lease['units_reserved']}"
        f" of {lease['service_type']} on {lease['quota_day']}{trial} (sequence"
        f" {lease['granted_sequence']})"
    )
    for attempt in tried:
        yield from _attempt_lines(attempt)
        yield from candidates.candidate_lines(attempt, _chosen_at(lease, tried[0], attempt))
    if lease["outcome"] == "open":
        yield f"  it is open; without a word it expires at {lease['expires_at']}"
        return
    # A correction leaves the outcome and moves the units: until then all of them were held.
    units = f"{lease['units_reserved']} held" if lease["correction"] else _units_text(lease)
    failed = lease["outcome"] == "cancelled" and lease["error_code"]
    end = f"failed, {lease['error_code']}; never sent" if failed else lease["outcome"]
    yield f"{lease['ended_at']}  {end}: {units} (sequence {lease['ended_sequence']})"
    yield from _pair_line("  ", lease, ("reason", "verdict", "error_code", "error_message"))
    if lease["status"]:
        cut = ", cut off after the verdict" if lease["cut"] else ""
        yield f"  the client was answered {lease['status']}{cut}"
    if lease["total_ms"]:
        lease_ms, first, total = (
            output.table_cell(lease[name]) for name in ("lease_ms", "first_byte_ms", "total_ms")
        )
        yield f"  lease {lease_ms} ms, first byte {first} ms, {total} ms in all"
    if lease["correction"]:
        why = f" ({lease['correction_reason']})" if lease.get("correction_reason") else ""
        units = _units_text(lease)
        yield f"{lease['corrected_at']}  corrected by {lease['correction']}: {units}{why}"


def _units_text(lease: StoryPart) -> str:
    """Say what became of the units that were reserved."""
    named = {
        "units_settled": "used",
        "units_unknown": "held, for nobody knows",
        "units_expired": "held, for no word came",
        "units_over": "done beyond the reservation",
    }
    parts = [f"{lease[name]} {meaning}" for name, meaning in named.items() if lease[name]]
    back = lease["units_reserved"] - lease["units_used"]
    return ", ".join([*parts, *([f"{back} given back"] if back else [])])


def _attempt_lines(attempt: StoryPart) -> Iterator[str]:
    """Write an attempt at one server."""
    code = f", its code {attempt['upstream_code']}" if attempt["upstream_code"] else ""
    code += f", the generator's {attempt['inner_code']}" if attempt.get("inner_code") else ""
    code += f", taken for {attempt['meaning']}" if attempt.get("meaning") else ""
    status = f" {attempt['status']}" if attempt["status"] else ""
    failure = f" ({attempt['failure']})" if attempt["failure"] else ""
    sent = "" if attempt["sent"] else "; nothing was sent"
    yield (
        f"  attempt {attempt['attempt']} at {attempt['server_id']} ({attempt['strategy']}):"
        f" {attempt['verdict']}{status}{failure}{code}{sent}; connected in"
        f" {output.table_cell(attempt['connect_ms'])} ms, first byte"
        f" {output.table_cell(attempt['first_byte_ms'])} ms,"
        f" {output.table_cell(attempt['total_ms'])} ms in all"
    )
    if attempt.get("started_ms"):
        yield f"    begun {output.table_cell(attempt['started_ms'])} ms after the request asked"
    if attempt.get("why"):
        yield f"    {attempt['why']}"
    if attempt.get("translated"):
        yield f"    said in its dialect: {attempt['translated']}"


def _chosen_at(lease: StoryPart, first: StoryPart, attempt: StoryPart) -> datetime | None:
    """When a server was chosen: at once for a lease's first attempt, a while later for another."""
    granted_at = parsed_moment(lease["granted_at"])
    later_ms = (attempt.get("started_ms") or 0.0) - (first.get("started_ms") or 0.0)
    return granted_at and granted_at + timedelta(milliseconds=max(0.0, later_ms))


def _pair_line(indent: str, row: StoryPart, names: tuple[str, ...]) -> Iterator[str]:
    given = {name: row[name] for name in names if row.get(name)}
    if given:
        yield indent + ", ".join(f"{name} {value}" for name, value in given.items())


def _account_text(lease: dict[str, Any]) -> str:
    """Say whose quota it was, and of which tier, where that is not the session's own."""
    said = [f"{name} {lease[name]}" for name in ("account", "tier") if lease.get(name)]
    return f" ({', '.join(said)})" if said else ""
