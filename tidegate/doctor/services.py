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
from contracts.balancer import BalancerStatus, BalancerStatusReply
from contracts.base import Failed, Ping, Pong
from contracts.pool import PoolStatus, PoolStatusReply
from runtime.clock import Clock
from runtime.environment import Environment
from runtime.eventlog import EventLog, LogUnavailableError
from runtime.nats.connection import UnansweredError, ask_command
from services.analytics import sql
from services.pool.generated import GENERATED, fleets
from tidegate.console import api, direct
from tidegate.doctor import exposure
from tidegate.doctor.findings import Finding, fine, note, unchecked, wrong
from tidegate.doctor.log import asked, skew

_TIMEOUT_S = 2.0
_CATCH_UP_S = 10.0
_LOOK_EVERY_S = 0.2
_NAMED = 5
_SET_ASIDE = NamedQuery(name="audit_set_aside", parameters={"limit": _NAMED})
_pool = msgspec.json.Decoder(PoolStatusReply | Failed)
_balancer = msgspec.json.Decoder(BalancerStatusReply | Failed)
_analytics = msgspec.json.Decoder(AnalyticsReply)
_pong = msgspec.json.Decoder(Pong | Failed)


async def looked_at(client: Client, clock: Clock, *, made_up: bool) -> list[Finding]:
    """Ask pool, balancer and analytics; with `made_up` also whether sessions are, and stay."""
    found = await asyncio.gather(
        _asked_pool(client, clock),
        _asked_balancer(client, clock),
        _asked_analytics(client),
        *([_asked_for_generated(client)] if made_up else []),
    )
    return [finding for findings in found for finding in findings]


async def _asked_for_generated(client: Client) -> list[Finding]:
    """Look for sessions that were made up for the demo, beside servers that are not its own."""
    question = PoolStatus(sessions=True)
    with suppress(UnansweredError, LogUnavailableError):
        async with aclosing(fleets(EventLog(client))) as told_anew:
            fleet = await anext(told_anew)
        if not fleet.own:
            return []
        told = await ask_command(client, subjects.pool_status(), question, _pool, _TIMEOUT_S)
        views = told.sessions if isinstance(told, PoolStatusReply) else []
        count = sum(one.origin == GENERATED and one.status != "retired" for one in views)
        if count:
            message = f"{count} sessions were made up, and servers of your own are given them"
            return [note("sessions", "generated_beside_own", message)]
    return []


async def _asked_pool(client: Client, clock: Clock) -> list[Finding]:
    asked_at = clock()
    try:
        told = await ask_command(client, subjects.pool_status(), PoolStatus(), _pool, _TIMEOUT_S)
    except UnansweredError as error:
        return [wrong("pool", "pool_no_leader", f"nobody leads it ({type(error).__name__})")]
    if not isinstance(told, PoolStatusReply):
        return [wrong("pool", "pool_no_leader", f"it answers {told.code}: {told.message}")]
    kept = await asked(client, f"STREAM.INFO.{subjects.CREDENTIALS_STREAM}")
    findings = [*_sessions(told), *_ciphertexts(told, kept)]
    if told.unwritable_s:
        message = f"it has taken no write for {told.unwritable_s:.0f} s: no lease is granted"
        findings.append(wrong("log", "log_unwritable", message))
    return [skew("pool", told.now, asked_at, clock()), *findings]


def _ciphertexts(told: PoolStatusReply, kept: dict[str, Any] | None) -> Iterator[Finding]:
    """Compare the sessions of the log with the ciphertexts of the bucket: it never has fewer."""
    if kept is None or "state" not in kept:
        return
    count = kept["state"]["messages"]
    if count < told.sessions_total:
        message = f"{told.sessions_total} sessions, but only {count} ciphertexts"
        yield wrong("sessions", "credentials_missing", message)


def _sessions(told: PoolStatusReply) -> Iterator[Finding]:
    summary = (
        f"{told.sessions_active} of {told.sessions_total} sessions are active, at least"
        f" {told.min_size} are wanted"
    )
    if told.sessions_active == 0 < told.min_size or told.sessions_total > told.sessions_active == 0:
        yield wrong("sessions", "no_active_session", summary)
    elif told.sessions_active < told.min_size:
        yield wrong("sessions", "sessions_short", summary)
    else:
        yield fine("sessions", summary)
    yield fine("pool", f"leads since epoch {told.epoch}, {told.open_leases} open leases")
    for service_type, units in told.remaining.items():
        if units == 0 and told.sessions_active:
            yield note("sessions", "quota_used_up", f"no unit of {service_type} is left today")


async def _asked_balancer(client: Client, clock: Clock) -> list[Finding]:
    asked_at = clock()
    try:
        told = await ask_command(
            client, subjects.BALANCER_STATUS, BalancerStatus(), _balancer, _TIMEOUT_S
        )
    except UnansweredError as error:
        message = f"nobody leads it ({type(error).__name__})"
        return [wrong("balancer", "balancer_no_leader", message)]
    if not isinstance(told, BalancerStatusReply):
        message = f"it answers {told.code}: {told.message}"
        return [wrong("balancer", "balancer_no_leader", message)]
    findings = [
        skew("balancer", told.now, asked_at, clock()),
        fine("balancer", f"leads since epoch {told.epoch}, strategy {told.strategy}"),
    ]
    if told.held is not None:
        message = f"it is held: {told.held.reason} ({told.held.digest})"
        findings.append(wrong("configuration", "configuration_held", message))
    if not told.servers:
        findings.append(wrong("servers", "no_servers", "there is none"))
    for view in told.servers:
        url = view.server.url
        why = await asyncio.to_thread(unanswered, f"{url.rstrip('/')}/ping")
        here = f"from here: {why}" if why else "it answers here too"
        name = f"{view.server.server_id} ({url})"
        if not view.healthy:
            message = f"{name}: {view.reason or view.health}; {here}"
            findings.append(wrong("servers", "server_down", message))
        elif why:
            findings.append(unchecked("servers", f"{name}: well to the balancer; {here}"))
        else:
            findings.append(fine("servers", f"{name}: well, {view.success_rate:.0%} succeed"))
    return [*findings, *await exposure.looked_at([view.server for view in told.servers])]


async def _asked_analytics(client: Client) -> list[Finding]:
    area = "analytics"
    try:
        target = (await EventLog(client).stream_state()).last_sequence
        checkpoint, trouble = await _caught_up(client, target)
        findings = await _file(client)
    except LogUnavailableError as error:
        return [unchecked(area, f"the log cannot be read: {error}")]
    except UnansweredError as error:
        return [wrong(area, "analytics_absent", f"it does not answer ({type(error).__name__})")]
    findings += [wrong(area, "analytics_sql", why) for why in sql.faults().values()]
    if checkpoint < target:
        message = f"it stands at log sequence {checkpoint}, {target - checkpoint} envelopes behind"
        message += f": {trouble}" if trouble else ""
        findings.append(wrong(area, "analytics_behind", message))
    else:
        findings.append(fine(area, f"it has the log up to sequence {checkpoint}"))
    return findings


async def _caught_up(client: Client, target: int) -> tuple[int, str]:
    """Give it a while to come to where the log ended a moment ago; where it stands then, and why.

    What it says of itself is told only where it is behind.
    """
    deadline = asyncio.get_running_loop().time() + _CATCH_UP_S
    while True:
        told = await ask_command(client, subjects.ANALYTICS_PING, Ping(), _pong, _TIMEOUT_S)
        pong = told if isinstance(told, Pong) else None
        checkpoint = pong.sequence if pong else 0
        if checkpoint >= target or asyncio.get_running_loop().time() > deadline:
            return checkpoint, pong.trouble if pong else ""
        await asyncio.sleep(_LOOK_EVERY_S)


async def _file(client: Client) -> list[Finding]:
    """Ask what the file has: its migrations and views, and what it has no rows of."""
    area = "analytics"
    told = await _rows(client, NamedQuery(name="schema"))
    if isinstance(told, Failed) and told.code == "rebuilding":
        return [unchecked(area, told.message)]
    there: dict[str, list[str]] = {"schema": [], "views": []}
    for kind, name in [] if isinstance(told, Failed) else told:
        there[kind].append(name)
    lacking = [
        f"{kind} {source.name}"
        for kind, names in there.items()
        for source in sql.folder(kind)
        if source.name not in names
    ]
    if lacking:
        return [wrong(area, "analytics_schema", f"DuckDB lacks {', '.join(lacking)}")]
    findings = [fine(area, f"schema {there['schema'][-1]}, {len(there['views'])} views")]
    aside = await _rows(client, _SET_ASIDE)
    if aside and not isinstance(aside, Failed):
        first = ", ".join(event for event, _, _ in aside)
        message = f"no row holds {aside[0][2]:,} events or envelopes: {first}"
        findings.append(note(area, "events_set_aside", message))
    return findings


async def _rows(client: Client, question: NamedQuery) -> list[list[Any]] | Failed:
    """Ask a named query."""
    told = await ask_command(client, subjects.ANALYTICS_QUERY, question, _analytics, _TIMEOUT_S)
    return told.rows if isinstance(told, Rows) else told


def processes(found: Environment) -> Iterator[Finding]:
    """Ask the gateway, and everything that `up` runs in this home, whether it is ready."""
    url = api.address(found)
    why = unanswered(f"{url}/readyz")
    if not why:
        yield fine("gateway", f"{url} is ready")
    elif why.startswith("not ready"):
        yield wrong("gateway", "gateway_not_ready", f"{url}: {why}")
    else:
        yield wrong("gateway", "gateway_absent", f"{url}: {why}")
    for child in _children(found):
        if not child.get("health_port"):
            continue
        path = child.get("ready_path", "/readyz")
        why = unanswered(f"http://127.0.0.1:{child['health_port']}{path}")
        told = f"{child['name']} (process {child['pid']}, started again {child['restarts']} times)"
        if why:
            yield wrong("processes", "process_not_ready", f"{told}: {why}")
        else:
            yield fine("processes", f"{told} is ready")


def _children(found: Environment) -> list[dict[str, Any]]:
    try:
        children: list[dict[str, Any]] = json.loads(found.home.run.read_text())["children"]
    except (OSError, ValueError, KeyError):
        return []
    return children


def unanswered(url: str) -> str:
    """Say why an address does not answer well; empty when it does."""
    try:
        with direct.opened(url, _TIMEOUT_S):
            return ""
    except urllib.error.HTTPError as error:
        with error:
            return f"not ready: {_reason(error.read())}" if error.code == _NOT_READY else str(error)
    except (OSError, ValueError) as error:
        return f"no answer ({error})"


_NOT_READY = 503


def _reason(body: bytes) -> str:
    try:
        told = json.loads(body)
        return str(told.get("reason") or told["error"])  # the second is nats-server's
    except (ValueError, KeyError, TypeError, AttributeError):
        return "it does not say why"
