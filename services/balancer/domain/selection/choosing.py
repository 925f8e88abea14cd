"""Which server for a lease, and why."""

from contracts.balancer import NoServer, Selected, SelectServer
from contracts.base import GatewayId, Instant, ServerId
from contracts.pool import Candidate
from services.balancer.domain.health import take_failure, warm_up
from services.balancer.domain.inflight import (
    is_of_this_term,
    leave_server,
    open_placement,
    start_exchange,
)
from services.balancer.domain.latency import fleet_median_ms
from services.balancer.domain.pacing import take_turn
from services.balancer.domain.selection.candidates import (
    CANDIDATES_MAX,
    best_candidates,
    unavailable_candidates,
)
from services.balancer.domain.selection.eligibility import (
    back_in_s,
    eligible_servers,
    options_for,
    refusal_words,
    region_shut_out,
    rests_s,
    servers_of_level,
)
from services.balancer.domain.standing import ServerStanding
from services.balancer.domain.state import Balancer, Placement
from services.balancer.strategies import ANY_CALL, Criteria, Ranking

NOBODY_PICKED = ServerId("")
_NOWHERE = ServerId("")


def select_server(
    balancer: Balancer,
    wanted: SelectServer,
    gateway_id: GatewayId,
    now: Instant,
    picked: ServerId = NOBODY_PICKED,
) -> Selected | NoServer:
    """Name a server, and count the exchange as in flight when it is for a lease.

    `picked` is the one that an operator's own strategy named, where one was asked.
    A lease that already has a server gets the same answer again, unless that server's failure is
    reported or it is to be avoided; then the new selection replaces the old one.
    """
    if not wanted.lease_id:
        if wanted.failed is not None:
            take_failure(balancer, wanted, wanted.failed, now)
        return _choose_server(balancer, wanted, now, picked)
    placement = balancer.placements.get(wanted.lease_id)
    if placement is None:
        placement, left = open_placement(balancer, wanted, gateway_id, now), _NOWHERE
    elif placement.answer is not None and not _is_move(placement, wanted):
        return placement.answer
    else:
        left = leave_server(balancer, placement)
    # The same report comes again with a select that is sent again: it counts once.
    if wanted.failed is not None and wanted.failed.server_id != placement.failed_at:
        placement.failed_at = wanted.failed.server_id
        placement.reported |= {wanted.failed.server_id}
        if left != placement.failed_at or is_of_this_term(balancer, placement, left):
            take_failure(balancer, wanted, wanted.failed, now)
    answer = _choose_server(balancer, wanted, now, picked)
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


def _choose_server(
    balancer: Balancer, wanted: SelectServer, now: Instant, picked: ServerId
) -> Selected | NoServer:
    """Rank those that may be chosen, and name the best; none when nobody may."""
    if wanted.only:
        return _choose_only(balancer, wanted)
    if balancer.warming:
        warm_up(balancer, now)
    options = balancer.options.get(wanted.service_type) or options_for(
        balancer, wanted.service_type
    )
    eligible = eligible_servers(balancer, options, wanted, wanted.session_region, now)
    if not eligible:
        refused = unavailable_candidates(balancer, options, wanted, now)
        return NoServer(
            reason=options.shortage or refusal_words(refused, options.out),
            candidates=[*refused, *options.out, *options.unable][:CANDIDATES_MAX],
            rests_s=rests_s(options, wanted, now),
            back_in_s=back_in_s(balancer, options, wanted, now),
            region=region_shut_out(balancer, options, wanted, now),
        )
    if options.levels:
        eligible = servers_of_level(options, eligible)
    criteria = ANY_CALL
    if options.reads_criteria:
        criteria = Criteria(
            service_type=wanted.service_type,
            client_region=wanted.client_region,
            session_region=wanted.session_region,
            now_s=now.timestamp(),
            median_ms=fleet_median_ms(balancer.latencies, wanted.service_type),
            picked=picked,
            chance=balancer.chance,
        )
    ranking = options.strategy(eligible, criteria)
    assert len(ranking.servers) == len(eligible), "a strategy loses nobody"
    if wanted.only_ask:
        best = balancer.standings[ranking.servers[0].server_id]
    else:
        best = _remember_turn(balancer, eligible, ranking)
        if best.paces:
            take_turn(best, wanted.service_type, now)
    name, why = options.strategy_name, ranking.why
    if ranking.by:
        name, why = ranking.by, f"{name} {why}"
    return Selected(
        server_id=best.server_id,
        url=best.server.url,
        region=best.server.region,
        idempotent=best.server.idempotent,
        dialect=best.server.dialect,
        strategy=name,
        in_flight=best.in_flight + (1 if wanted.lease_id else 0),
        candidates=best_candidates(balancer, ranking, options, wanted, now),
        why=why,
    )


def _choose_only(balancer: Balancer, wanted: SelectServer) -> Selected | NoServer:
    """Name the one server that is wanted, whatever is said of it, if it can do it at all."""
    member = balancer.fleet.members.get(wanted.only)
    if member is None:
        return NoServer(reason=f"there is no server {wanted.only}")
    standing, server = balancer.standings[wanted.only], member.server
    if wanted.only in wanted.avoid:
        why = "already tried"
    elif not member.can_do(wanted.service_type):
        why = f"cannot do {wanted.service_type}"
    elif wanted.dialects and server.dialect not in wanted.dialects:
        why = f"cannot do this request ({server.dialect})"
    elif standing.in_flight >= standing.max_sessions:
        why = f"full: {standing.in_flight} of {standing.max_sessions} exchanges"
    else:
        return Selected(
            server_id=server.server_id,
            url=server.url,
            region=server.region,
            idempotent=server.idempotent,
            dialect=server.dialect,
            strategy="",
            candidates=[Candidate(server_id=server.server_id)],
        )
    refused = Candidate(server_id=wanted.only, refused=why)
    return NoServer(reason=f"{wanted.only}: {why}", candidates=[refused])


def _remember_turn(
    balancer: Balancer, eligible: list[ServerStanding], ranking: Ranking
) -> ServerStanding:
    """Note the turn and the credits for the next time, and return the best server."""
    best = balancer.standings[ranking.servers[0].server_id]
    balancer.turn += 1
    assert best.turn < balancer.turn, "turns only grow: strategies order by them"
    best.turn = balancer.turn
    if ranking.credits:
        for standing, credit in zip(eligible, ranking.credits, strict=True):
            standing.credit = credit
    return best
