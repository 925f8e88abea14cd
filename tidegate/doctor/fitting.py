"""Sessions held against servers: whether each has somewhere to go, and who waits for what."""

from collections import Counter
from collections.abc import Iterator, Sequence

from contracts.balancer import PLAIN, BalancerStatusReply, Server
from contracts.pool import PoolStatusReply, SessionStatus, SessionView
from runtime.process.findings import DoctorFinding, note, wrong
from runtime.texts import count_phrase

_GONE = frozenset({SessionStatus.RETIRED, SessionStatus.DISABLED})
_REGIONAL = frozenset({PLAIN, "jimeng", "drraw"})
"""Dialects that know what to make of a session's region."""
_NO_REGION = "no region"
_NAMED = 5


def fitting_findings(reply: PoolStatusReply, servers: Sequence[Server]) -> Iterator[DoctorFinding]:
    """Hold the sessions that may work against the servers; `reply` has all of them."""
    views = [view for view in reply.sessions if view.status not in _GONE]
    regions = Counter(view.region for view in views)
    for region, count in sorted(regions.items()):
        if servers and not any(_serves(server, region) for server in servers):
            message = f"no server serves the {count_phrase(count, 'session')} of region {region}"
            yield wrong("sessions", "sessions_unserved", message)
    for server in servers:
        if regions and not any(_serves(server, region) for region in regions):
            there = ", ".join(region or _NO_REGION for region in sorted(regions))
            message = f"{server.server_id} takes no session that there is ({there})"
            yield note("servers", "server_without_sessions", message)
    yield from _doubt_findings(views)
    yield from _wait_findings(reply)


def uneven_findings(reply: BalancerStatusReply) -> Iterator[DoctorFinding]:
    """Tell of service types that some servers name and others only do, naming none.

    Where `capability_based` chooses, those that name it get every call of it that they have room
    for, be they slow or failing now and then: only full, or out, do they leave one to the others.
    """
    servers = [view.server for view in reply.servers]
    broad = [server.server_id for server in servers if not server.capabilities]
    for service_type in sorted({name for server in servers for name in server.capabilities}):
        own = reply.strategies.get(service_type, reply.strategy)
        if not broad or (reply.pinned or own) != "capability_based":
            continue
        named = [each.server_id for each in servers if service_type in each.capabilities]
        message = (
            f"{service_type}: {_some_of(named)} {'names' if len(named) == 1 else 'name'} it and"
            f" {'gets' if len(named) == 1 else 'get'} its calls; {_some_of(broad)}, without"
            " capabilities, only what is left over (capability_based)"
        )
        yield note("servers", "capabilities_uneven", message)


def _some_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _serves(server: Server, region: str) -> bool:
    """Whether a server gets sessions of a region; those without one may go anywhere."""
    if not region:
        return True
    return server.dialect in _REGIONAL and (not server.serves or region in server.serves)


def _doubt_findings(views: Sequence[SessionView]) -> Iterator[DoctorFinding]:
    """Tell the sessions that stand behind all others, because calls with them failed in a row."""
    doubtful = [view.session_id for view in views if view.doubts]
    if doubtful:
        message = f"{_some_of(doubtful)}: failures in a row, tried after all others"
        yield note("sessions", "sessions_doubtful", message)


def _wait_findings(reply: PoolStatusReply) -> Iterator[DoctorFinding]:
    """Tell who waits for what nobody can give: no session may work that has a unit of it."""
    for service_type, count in sorted(reply.waiting_by_type.items()):
        left = reply.remaining.get(service_type, 0)
        if not reply.sessions_active or (reply.growth_held and not left):
            why = reply.growth_held or "no session is active"
            waiting = count_phrase(count, "request waits", "requests wait")
            message = f"{waiting} for {service_type}, and {why}"
            yield wrong("sessions", "queue_hopeless", message)
