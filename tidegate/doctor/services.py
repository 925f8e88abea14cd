"""The services, as they say themselves how they are."""

import asyncio
import json
import urllib.error
from collections.abc import Iterator
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from nats.aio.client import Client

from contracts import subjects
from contracts.analytics import AnalyticsReply, NamedQuery, Rows
from contracts.balancer import BalancerStatus, BalancerStatusReply, ServerView
from contracts.base import Failed, Ping, Pong
from contracts.pool import PoolStatus, PoolStatusReply
from runtime.addresses import system_words
from runtime.clock import Clock
from runtime.environment import Environment
from runtime.eventlog import EventLog, LogUnavailableError
from runtime.nats.connection import UnansweredError, ask_command
from runtime.process.findings import DoctorFinding, fine, note, unchecked, wrong
from runtime.texts import address_shown, count_phrase
from services.analytics import sql
from services.gateway.domain.attention import (
    choice_findings,
    draining_finding,
    is_down,
    out_code,
    server_name,
    session_findings,
    unwritable_finding,
)
from services.pool.generated import GENERATED, follow_fleet
from tidegate.console import api, direct
from tidegate.doctor import buckets, exposure
from tidegate.doctor.fitting import fitting_findings, uneven_findings
from tidegate.doctor.log import skew_finding
from tidegate.doctor.sessions import sessions_shown, sessions_to_serve

_TIMEOUT_S = 2.0
_CATCH_UP_S = 10.0
_LOOK_EVERY_S = 0.2
_NAMED = 5
_SET_ASIDE = NamedQuery(name="audit_set_aside", parameters={"limit": _NAMED})
_pool = msgspec.json.Decoder(PoolStatusReply | Failed)
_balancer = msgspec.json.Decoder(BalancerStatusReply | Failed)
_analytics = msgspec.json.Decoder(AnalyticsReply)
_pong = msgspec.json.Decoder(Pong | Failed)


async def service_findings(
    client: Client, clock: Clock, *, made_up: bool, size_written: bool = True
) -> list[DoctorFinding]:
    """Ask pool, balancer and analytics; with `made_up` also whether sessions are, and stay.

    `size_written`: somebody wrote how many sessions there are to be.
    """
    groups = await asyncio.gather(
        _pool_findings(client, clock, size_written=size_written),
        _balancer_findings(client, clock),
        _fitting_findings(client),
        _analytics_findings(client),
        *([_generated_findings(client)] if made_up else []),
    )
    return [finding for findings in groups for finding in findings]


async def _generated_findings(client: Client) -> list[DoctorFinding]:
    """Look for sessions that were made up for the demo, beside servers that are not its own."""
    with suppress(UnansweredError, LogUnavailableError):
        async with aclosing(follow_fleet(EventLog(client))) as told_anew:
            fleet = await anext(told_anew)
        if not fleet.has_own:
            return []
        views = await sessions_shown(client, await sessions_to_serve(client))
        count = sum(view.origin == GENERATED for view in views)
        if count:
            made_up = count_phrase(count, "session was", "sessions were")
            message = f"{made_up} made up, and servers of your own are given them"
            return [note("sessions", "generated_beside_own", message)]
    return []


async def _fitting_findings(client: Client) -> list[DoctorFinding]:
    """Hold sessions against servers, where both can be asked."""
    with suppress(UnansweredError):
        views = await sessions_shown(client, await sessions_to_serve(client))
        pool = await ask_command(client, subjects.pool_status(), PoolStatus(), _pool, _TIMEOUT_S)
        fleet = await ask_command(
            client, subjects.BALANCER_STATUS, BalancerStatus(), _balancer, _TIMEOUT_S
        )
        if isinstance(pool, PoolStatusReply) and isinstance(fleet, BalancerStatusReply):
            servers = [view.server for view in fleet.servers]
            fitting = fitting_findings(msgspec.structs.replace(pool, sessions=views), servers)
            return [*fitting, *uneven_findings(fleet)]
    return []  # who does not answer is told elsewhere


async def _pool_findings(
    client: Client, clock: Clock, *, size_written: bool
) -> list[DoctorFinding]:
    """Ask the pool how it is, and hold what it says against the buckets."""
    asked_at = clock()
    asked = PoolStatus(overview=True)
    try:
        reply = await ask_command(client, subjects.pool_status(), asked, _pool, _TIMEOUT_S)
    except UnansweredError as error:
        return [wrong("pool", "pool_no_leader", f"nobody leads it ({type(error).__name__})")]
    if not isinstance(reply, PoolStatusReply):
        return [wrong("pool", "pool_no_leader", f"it answers {reply.code}: {reply.message}")]
    said = session_findings(reply, size_written=size_written)
    findings = [*said, *await buckets.bucket_findings(client, reply)]
    if reply.unwritable_s:
        findings.append(unwritable_finding(reply))
    return [skew_finding("pool", reply.now, asked_at, clock()), *findings]


async def _balancer_findings(client: Client, clock: Clock) -> list[DoctorFinding]:
    """Ask the balancer for its servers, and ping each from here."""
    asked_at = clock()
    try:
        reply = await ask_command(
            client, subjects.BALANCER_STATUS, BalancerStatus(), _balancer, _TIMEOUT_S
        )
    except UnansweredError as error:
        message = f"nobody leads it ({type(error).__name__})"
        return [wrong("balancer", "balancer_no_leader", message)]
    if not isinstance(reply, BalancerStatusReply):
        message = f"it answers {reply.code}: {reply.message}"
        return [wrong("balancer", "balancer_no_leader", message)]
    findings = [
        skew_finding("balancer", reply.now, asked_at, clock()),
        fine("balancer", f"leads since epoch {reply.epoch}, strategy {reply.strategy}"),
    ]
    findings += choice_findings(reply)
    for view in reply.servers:
        findings += await asyncio.to_thread(_server_findings, view)
    return [*findings, *await exposure.exposure_findings([view.server for view in reply.servers])]


def _server_findings(view: ServerView) -> Iterator[DoctorFinding]:
    """Say how a server is to the balancer, and ask it from here what its probes ask."""
    server = view.server
    address = f"{server.url.rstrip('/')}{server.probe_path}"
    why = answer_trouble(address, server.probe_status)
    here = f"from here: {why}" if why else "it answers here too"
    name = server_name(view)
    if view.state == "draining":
        yield draining_finding(view)
    if is_down(view):
        told = view.words or view.reason or view.health
        yield wrong("servers", out_code(view), f"{name}: {told}; {here}")
    elif why:
        yield unchecked("servers", f"{name}: well to the balancer; {here}")
    else:
        yield fine("servers", f"{name}: {_condition(view)}")


def _condition(view: ServerView) -> str:
    """Word how a server does that may be chosen."""
    rate = f"{view.success_rate:.0%} succeed"
    return f"{view.words or 'well'}, {rate if view.attempts else 'nothing was tried lately'}"


async def _analytics_findings(client: Client) -> list[DoctorFinding]:
    """Ask analytics how far it is and what its file has."""
    area = "analytics"
    try:
        target = (await EventLog(client).stream_state()).last_sequence
        pong = await _await_checkpoint(client, target)
        findings = await _file_findings(client)
    except LogUnavailableError as error:
        return [unchecked(area, f"the log cannot be read: {error}")]
    except UnansweredError as error:
        return [wrong(area, "analytics_absent", f"it does not answer ({type(error).__name__})")]
    findings += [wrong(area, "analytics_sql", why) for why in sql.source_faults().values()]
    checkpoint = pong.sequence if pong else 0
    if checkpoint < target:
        trouble = pong.trouble if pong else ""
        behind = count_phrase(target - checkpoint, "envelope")
        message = f"it stands at log sequence {checkpoint}, {behind} behind"
        message += f": {trouble}" if trouble else ""
        findings.append(wrong(area, "analytics_behind", message))
    else:
        findings.append(fine(area, f"it has the log up to sequence {checkpoint}"))
    return findings


async def _await_checkpoint(client: Client, target: int) -> Pong | None:
    """Give it a while to come to where the log ended a moment ago; what it says of itself then."""
    deadline = asyncio.get_running_loop().time() + _CATCH_UP_S
    while True:
        reply = await ask_command(client, subjects.ANALYTICS_PING, Ping(), _pong, _TIMEOUT_S)
        pong = reply if isinstance(reply, Pong) else None
        arrived = (pong.sequence if pong else 0) >= target
        if arrived or asyncio.get_running_loop().time() > deadline:
            return pong
        await asyncio.sleep(_LOOK_EVERY_S)


async def _file_findings(client: Client) -> list[DoctorFinding]:
    """Ask what the file has: its migrations and views, and what it has no rows of."""
    area = "analytics"
    reply = await _named_rows(client, NamedQuery(name="schema"))
    if isinstance(reply, Failed) and reply.code == "rebuilding":
        return [unchecked(area, reply.message)]
    there: dict[str, list[str]] = {"schema": [], "views": []}
    for kind, name in [] if isinstance(reply, Failed) else reply:
        there[kind].append(name)
    lacking = [
        f"{kind} {source.name}"
        for kind, names in there.items()
        for source in sql.sources_of(kind)
        if source.name not in names
    ]
    if lacking:
        return [wrong(area, "analytics_schema", f"DuckDB lacks {', '.join(lacking)}")]
    findings = [fine(area, f"schema {there['schema'][-1]}, {len(there['views'])} views")]
    aside = await _named_rows(client, _SET_ASIDE)
    if aside and not isinstance(aside, Failed):
        first = ", ".join(event for event, _, _ in aside)
        count = count_phrase(aside[0][2], "event or envelope", "events or envelopes")
        message = f"no row holds {count}: {first}"
        findings.append(note(area, "events_set_aside", message))
    return findings


async def _named_rows(client: Client, question: NamedQuery) -> list[list[Any]] | Failed:
    """Ask a named query."""
    reply = await ask_command(client, subjects.ANALYTICS_QUERY, question, _analytics, _TIMEOUT_S)
    return reply.rows if isinstance(reply, Rows) else reply


def process_findings(environment: Environment) -> Iterator[DoctorFinding]:
    """Ask the gateway, and everything that `up` runs in this home, whether it is ready."""
    url = api.gateway_address(environment)
    why, url = answer_trouble(f"{url}/readyz"), address_shown(url)
    if not why:
        yield fine("gateway", f"{url} is ready")
    elif why.startswith("not ready"):
        yield wrong("gateway", "gateway_not_ready", f"{url}: {why}")
    else:
        yield wrong("gateway", "gateway_absent", f"{url}: {why}")
    for child in _child_records(environment):
        if not child.get("health_port"):
            continue
        path = child.get("ready_path", "/readyz")
        why = answer_trouble(f"http://127.0.0.1:{child['health_port']}{path}")
        process = (
            f"{child['name']} (process {child['pid']}, started again {child['restarts']} times)"
        )
        if why:
            yield wrong("processes", "process_not_ready", f"{process}: {why}")
        else:
            yield fine("processes", f"{process} is ready")


def _child_records(environment: Environment) -> list[dict[str, Any]]:
    try:
        children: list[dict[str, Any]] = json.loads(environment.home.run.read_text())["children"]
    except (OSError, ValueError, KeyError):
        return []
    return children


def answer_trouble(url: str, expected: int = 0) -> str | None:
    """Say why an address does not answer well, or with the status expected; None when it does."""
    try:
        with direct.open_url(url, _TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        with error:
            if error.code == expected:
                return None
            return (
                f"not ready: {_unready_reason(error.read())}"
                if error.code == _NOT_READY
                else str(error)
            )
    except (OSError, ValueError) as error:
        return f"no answer ({system_words(error)})"


_NOT_READY = 503


def _unready_reason(body: bytes) -> str:
    try:
        reply = json.loads(body)
        return str(reply.get("reason") or reply["error"])  # the second is nats-server's
    except (ValueError, KeyError, TypeError, AttributeError):
        return "it does not say why"
