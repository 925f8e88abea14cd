"""Who may be chosen for a call, and when somebody may be again if nobody may now."""

from contracts.balancer import SelectServer
from contracts.base import Instant, ServiceType
from contracts.pool import Candidate
from services.balancer import strategies
from services.balancer.domain.fleet import Member
from services.balancer.domain.health import restraint
from services.balancer.domain.pacing import rest_reason, rest_s
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer, Options

SERVICE_TYPES_MAX = 256
LEVEL_FULL_PERCENT = 80
_NAMED_MAX = 5
_DRAINING, _EJECTED = "draining", "ejected: "


def options_for(balancer: Balancer, service_type: ServiceType) -> Options:
    """Who may do a service type, and who chooses; kept until the fleet changes."""
    options = balancer.options.get(service_type)
    if options is None:
        # A service type is whatever a client wrote: without a bound it would grow for ever.
        if len(balancer.options) >= SERVICE_TYPES_MAX:
            balancer.options.clear()
        options = balancer.options[service_type] = _server_options(balancer, service_type)
    return options


def _server_options(balancer: Balancer, service_type: ServiceType) -> Options:
    """Sort the fleet into who may do a service type and who may not."""
    able: list[ServerStanding] = []
    out: list[Candidate] = []
    unable: list[Candidate] = []
    for member, standing in balancer.member_standings():
        if not member.can_do(service_type):
            why = f"cannot do {service_type}"
            unable.append(Candidate(server_id=standing.server_id, refused=why))
        elif (candidate := _candidate_out(member, service_type)) is not None:
            out.append(candidate)
        else:
            able.append(standing)
    shortage = None
    if not balancer.fleet.members:
        shortage = "no server is configured"
    elif not able:
        shortage = _shortage(out, service_type)
    levels = sorted({standing.server.level for standing in able})
    name, strategy = strategies.strategy_named(balancer.fleet.strategy_for(service_type))
    return Options(
        able,
        out,
        unable,
        shortage,
        levels if len(levels) > 1 else [],
        name,
        strategy,
        reads_criteria=name not in strategies.SAME_FOR_ALL,
    )


def _candidate_out(member: Member, service_type: ServiceType) -> Candidate | None:
    """Say why a server that can do it is out of use, and since when; None when it is not."""
    server_id = member.server.server_id
    if member.draining:
        return Candidate(server_id=server_id, refused=_DRAINING, since=member.drained_at)
    ejection = member.ejection_of(service_type)
    if ejection is not None:
        refused, since = f"{_EJECTED}{ejection.reason}", ejection.since
        return Candidate(server_id=server_id, refused=refused, since=since, until=ejection.until)
    if member.silence is not None:
        refused = "silent: an exchange there waits for long, and nothing else is answered"
        return Candidate(server_id=server_id, refused=refused, since=member.silence.since)
    if member.is_healthy:
        return None
    refused = f"down: {member.reason}"
    return Candidate(server_id=server_id, refused=refused, since=member.health_at)


def _shortage(out: list[Candidate], service_type: ServiceType) -> str:
    """Say what became of all who can do it: this is what clients read, so of probes no word."""
    if not out:
        return f"no server can do {service_type}"
    wanted = service_type or "it"
    more = f" and {len(out) - _NAMED_MAX} more" if len(out) > _NAMED_MAX else ""
    if all(candidate.refused.startswith(_EJECTED) for candidate in out):
        names = [f"{one.server_id} ({one.refused.removeprefix(_EJECTED)})" for one in out]
        return f"every server that can do {wanted} is ejected: {_listed(names)}{more}"
    names = [f"{candidate.server_id} is {_brief_reason(candidate.refused)}" for candidate in out]
    return f"no healthy server can do {wanted}: {_listed(names)}{more}"


def refusal_words(unavailable: list[Candidate], out: list[Candidate]) -> str:
    """Say why none of those that are well takes this call, and who else is out of use."""
    reasons = [f"{candidate.server_id}: {candidate.refused}" for candidate in unavailable]
    reasons += [f"{each.server_id}: {_brief_reason(each.refused)}" for each in out[:_NAMED_MAX]]
    return "; ".join(reasons)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_NAMED_MAX])


def _brief_reason(refused: str) -> str:
    if refused.startswith(_EJECTED):
        return f"ejected ({refused.removeprefix(_EJECTED)})"
    return refused.partition(":")[0]


def eligible_servers(
    balancer: Balancer, options: Options, wanted: SelectServer, region: str, now: Instant
) -> list[ServerStanding]:
    """List those that may be chosen now for a session of this region; empty: of whichever."""
    if not (region or wanted.avoid or wanted.dialects):
        return [
            standing
            for standing in options.able
            if standing.in_flight < standing.max_sessions
            and (not standing.restrained or not restraint_of(balancer, standing, wanted, now))
        ]
    return [
        standing
        for standing in options.able
        if standing.in_flight < standing.max_sessions
        and (not region or not standing.serves or region in standing.serves)
        and standing.server_id not in wanted.avoid
        and (not wanted.dialects or standing.server.dialect in wanted.dialects)
        and (not standing.restrained or not restraint_of(balancer, standing, wanted, now))
    ]


def serves_region(standing: ServerStanding, region: str) -> bool:
    """Tell whether sessions of this region may go there; those of none may go anywhere."""
    return not region or not standing.serves or region in standing.serves


def region_shut_out(
    balancer: Balancer, options: Options, wanted: SelectServer, now: Instant
) -> str:
    """Name the session's region if a session of another would be served now; else nothing."""
    region = wanted.session_region
    return region if region and eligible_servers(balancer, options, wanted, "", now) else ""


def servers_of_level(options: Options, eligible: list[ServerStanding]) -> list[ServerStanding]:
    """Those of the lowest level that has room: whose limits are in flight to less than 80 %.

    The limits are of all who may do the work, those who are full or were tried already among them.
    Where no level has room, everybody of them does.
    """
    for level in options.levels:
        of_level = [standing for standing in eligible if standing.server.level == level]
        if of_level:
            members = [standing for standing in options.able if standing.server.level == level]
            in_flight = sum(standing.in_flight for standing in members)
            limit = sum(standing.max_sessions for standing in members)
            if in_flight * 100 < LEVEL_FULL_PERCENT * limit:
                return of_level
    return eligible


def restraint_of(
    balancer: Balancer, standing: ServerStanding, wanted: SelectServer, now: Instant
) -> str | None:
    """Say why a server may not take one more now; what costs no unit only lets it rest."""
    if wanted.lease_id or wanted.only_ask:
        return restraint(balancer, standing, wanted.service_type, now)
    return rest_reason(standing, wanted.service_type, now)


def back_in_s(balancer: Balancer, options: Options, wanted: SelectServer, now: Instant) -> float:
    """How soon the first of those that are ejected may be tried again; 0: none of them is.

    0 as well where somebody well could do it, who has no room at this moment.
    """
    if any(_could_do(standing, wanted) for standing in options.able):
        return 0.0
    left = [
        (ejection.until - now).total_seconds()
        for server_id, member in balancer.fleet.members.items()
        if server_id not in wanted.avoid
        and member.can_do(wanted.service_type)
        and (ejection := member.ejection_of(wanted.service_type)) is not None
        and ejection.until is not None
    ]
    return round(max(1.0, min(left)), 3) if left else 0.0


def rests_s(options: Options, wanted: SelectServer, now: Instant) -> float:
    """How soon the first of those that only rest may be chosen; 0: none of them rests."""
    left = [
        rest_s(standing, wanted.service_type, now)
        for standing in options.able
        if _could_do(standing, wanted)
    ]
    return min(filter(None, left), default=0.0)


def _could_do(standing: ServerStanding, wanted: SelectServer) -> bool:
    """Tell whether only its load, or what restrains it, keeps this call away."""
    return (
        standing.server_id not in wanted.avoid
        and (not wanted.dialects or standing.server.dialect in wanted.dialects)
        and serves_region(standing, wanted.session_region)
    )
