"""Which server for a lease, and why."""

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import GatewayId, Instant, ServiceType
from contracts.pool import Candidate
from services.balancer import strategies
from services.balancer.domain.fleet import Member
from services.balancer.domain.health import restraint, take_failure, warm_up
from services.balancer.domain.inflight import (
    is_of_this_term,
    leave_server,
    open_placement,
    start_exchange,
)
from services.balancer.domain.pacing import rest_reason, rest_s, take_turn
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer, Options, Placement
from services.balancer.strategies import Criteria, Ranking

_CANDIDATES_MAX = 5
_SERVICE_TYPES_MAX = 256


def select_server(
    balancer: Balancer, wanted: SelectServer, gateway_id: GatewayId, now: Instant
) -> Selected | NoServer:
    """Name a server, and count the exchange as in flight when it is for a lease.

    A lease that already has a server gets the same answer again, unless that server's failure is
    reported or it is to be avoided; then the new selection replaces the old one.
    """
    if not wanted.lease_id:
        if wanted.failed is not None:
            take_failure(balancer, wanted, wanted.failed, now)
        return _choose_server(balancer, wanted, now)
    placement = balancer.placements.get(wanted.lease_id)
    if placement is not None and placement.answer is not None and not _is_move(placement, wanted):
        return placement.answer
    if placement is None:
        placement = open_placement(balancer, wanted, gateway_id, now)
    left = leave_server(balancer, placement)
    # The same report comes again with a select that is sent again: it counts once.
    if wanted.failed is not None and wanted.failed.server_id != placement.failed_at:
        placement.failed_at = wanted.failed.server_id
        placement.reported |= {wanted.failed.server_id}
        if left != placement.failed_at or is_of_this_term(balancer, placement, left):
            take_failure(balancer, wanted, wanted.failed, now)
    answer = _choose_server(balancer, wanted, now)
    if wanted.lease_id in balancer.ended:
        # Nobody would ever leave that server: the end was heard before.
        del balancer.placements[wanted.lease_id]
    elif isinstance(answer, Selected):
        start_exchange(balancer, placement, answer, now)
    return answer


def _is_move(placement: Placement, wanted: SelectServer) -> bool:
    """Tell a report of failure from a select that was sent again."""
    assert placement.answer is not None, "only an answer can be asked for again"
    server_id = placement.answer.server_id
    if wanted.failed is not None and wanted.failed.server_id == server_id:
        return True
    return server_id in wanted.avoid


def _choose_server(balancer: Balancer, wanted: SelectServer, now: Instant) -> Selected | NoServer:
    """Rank those that may be chosen, and name the best; none when nobody may."""
    if balancer.warming:
        warm_up(balancer, now)
    options = balancer.options.get(wanted.service_type)
    if options is None:
        # A service type is whatever a client wrote: without a bound it would grow for ever.
        if len(balancer.options) >= _SERVICE_TYPES_MAX:
            balancer.options.clear()
        options = _server_options(balancer, wanted.service_type)
        balancer.options[wanted.service_type] = options
    eligible = [
        standing
        for standing in options.able
        if standing.in_flight < standing.max_sessions
        and standing.server_id not in wanted.avoid
        and (not wanted.dialects or standing.server.dialect in wanted.dialects)
        and not (standing.is_restrained and _restraint(balancer, standing, wanted, now))
    ]
    if not eligible:
        refused = _unavailable_candidates(balancer, options, wanted, now)
        reason = options.shortage or "; ".join(
            f"{candidate.server_id}: {candidate.refused}" for candidate in refused
        )
        return NoServer(
            reason=reason,
            candidates=[*refused, *options.refused][:_CANDIDATES_MAX],
            rests_s=_rests_s(options, wanted, now),
            back_in_s=_back_in_s(balancer, wanted, now),
        )
    name, strategy = _active_strategy(balancer)
    ranking = strategy(
        eligible,
        Criteria(
            service_type=wanted.service_type,
            client_region=wanted.client_region,
            session_region=wanted.session_region,
            now_s=now.timestamp(),
            chance=balancer.chance,
        ),
    )
    assert len(ranking.servers) == len(eligible), "a strategy loses nobody"
    if wanted.only_ask:
        best = balancer.standings[ranking.servers[0].server_id]
    else:
        best = _remember_turn(balancer, eligible, ranking)
        take_turn(best, wanted.service_type, now)
    return Selected(
        server_id=best.server_id,
        url=best.server.url,
        region=best.server.region,
        idempotent=best.server.idempotent,
        dialect=best.server.dialect,
        strategy=name,
        candidates=_best_candidates(balancer, ranking, options, wanted, now),
    )


def _active_strategy(balancer: Balancer) -> tuple[str, strategies.Strategy]:
    """The strategy in force; one that only a later version knows gives way to the default."""
    name = balancer.fleet.pinned or balancer.fleet.strategy
    if name not in strategies.STRATEGIES:
        name = strategies.DEFAULT
    return name, strategies.STRATEGIES[name]


def _remember_turn(
    balancer: Balancer, eligible: list[ServerStanding], ranking: Ranking
) -> ServerStanding:
    """Note the turn and the credits for the next time, and return the best server."""
    best = balancer.standings[ranking.servers[0].server_id]
    balancer.turn += 1
    assert best.turn < balancer.turn, "turns only grow: strategies order by them"
    best.turn = balancer.turn
    assert len(ranking.credits) in {0, len(eligible)}
    for standing, credit in zip(eligible, ranking.credits, strict=False):
        standing.credit = credit
    return best


def _best_candidates(
    balancer: Balancer, ranking: Ranking, options: Options, wanted: SelectServer, now: Instant
) -> list[Candidate]:
    """The best few, best first; then, where there is room, who was refused and why."""
    candidates = [
        Candidate(server_id=standing.server_id, score=score)
        for standing, score in zip(ranking.servers[:_CANDIDATES_MAX], ranking.scores, strict=False)
    ]
    if len(candidates) < _CANDIDATES_MAX:
        if len(ranking.servers) < len(options.able):
            candidates += _unavailable_candidates(balancer, options, wanted, now)
        candidates += options.refused
        del candidates[_CANDIDATES_MAX:]
    return candidates


def _unavailable_candidates(
    balancer: Balancer, options: Options, wanted: SelectServer, now: Instant
) -> list[Candidate]:
    """Who could do it, but not now or not for this request."""
    refused = []
    for standing in options.able:
        if standing.server_id in wanted.avoid:
            refused.append(Candidate(server_id=standing.server_id, refused="already tried"))
        elif wanted.dialects and standing.server.dialect not in wanted.dialects:
            why = f"cannot do this request ({standing.server.dialect})"
            refused.append(Candidate(server_id=standing.server_id, refused=why))
        elif held := _restraint(balancer, standing, wanted, now):
            refused.append(Candidate(server_id=standing.server_id, refused=held))
        elif standing.in_flight >= standing.max_sessions:
            why = f"full: {standing.in_flight} of {standing.max_sessions} exchanges"
            refused.append(Candidate(server_id=standing.server_id, refused=why))
    return refused


def _restraint(
    balancer: Balancer, standing: ServerStanding, wanted: SelectServer, now: Instant
) -> str | None:
    """Say why a server may not take one more now; what costs no unit only lets it rest."""
    if wanted.lease_id or wanted.only_ask:
        return restraint(balancer, standing, wanted.service_type, now)
    return rest_reason(standing, wanted.service_type, now)


def _back_in_s(balancer: Balancer, wanted: SelectServer, now: Instant) -> float:
    """How soon the first of those that are ejected may be tried again; 0: none of them is."""
    left = [
        (ejection.until - now).total_seconds()
        for server_id, member in balancer.fleet.members.items()
        if server_id not in wanted.avoid
        and _is_capable(member, wanted.service_type)
        and (ejection := member.ejection_of(wanted.service_type)) is not None
        and ejection.until is not None
    ]
    return round(max(1.0, min(left)), 3) if left else 0.0


def _rests_s(options: Options, wanted: SelectServer, now: Instant) -> float:
    """How soon the first of those that only rest may be chosen; 0: none of them rests."""
    left = [
        rest_s(standing, wanted.service_type, now)
        for standing in options.able
        if standing.server_id not in wanted.avoid
        and (not wanted.dialects or standing.server.dialect in wanted.dialects)
    ]
    return min(filter(None, left), default=0.0)


def _server_options(balancer: Balancer, service_type: ServiceType) -> Options:
    """Sort the fleet into who may do a service type and who may not."""
    able: list[ServerStanding] = []
    refused: list[Candidate] = []
    capable = False
    for member, standing in balancer.member_standings():
        why = _unfit_reason(member, service_type)
        capable = capable or _is_capable(member, service_type)
        if why:
            refused.append(Candidate(server_id=standing.server_id, refused=why))
        else:
            able.append(standing)
    shortage = None
    if not balancer.fleet.members:
        shortage = "no server is configured"
    elif not capable:
        shortage = f"no server can do {service_type}"
    elif not able:
        shortage = f"no healthy server can do {service_type or 'it'}"
    return Options(able, refused, shortage)


def _is_capable(member: Member, service_type: ServiceType) -> bool:
    capabilities = member.server.capabilities
    return not service_type or not capabilities or service_type in capabilities


def _unfit_reason(member: Member, service_type: ServiceType) -> str | None:
    if not _is_capable(member, service_type):
        return f"cannot do {service_type}"
    if member.draining:
        return "draining"
    ejection = member.ejection_of(service_type)
    if ejection is not None:
        return f"ejected: {ejection.reason}"
    if member.silence is not None:
        return "silent: an exchange there waits for long, and nothing else is answered"
    return None if member.is_healthy else f"down: {member.reason}"
