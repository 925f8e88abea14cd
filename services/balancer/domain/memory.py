"""What a leader knows beside the log, as the next one is handed it: rates, streaks, what is long.

Who is ejected is in the log; how often a server failed since is not, nor how long its answers take.
In-flight exchanges and probes come anew: the gateways report the ones, the servers answer the
others. What a memory says of a server is dropped where the server moved, and what it says of its
failures where the log tells of an ejection, or a return, after it was taken.
"""

import msgspec
from msgspec.structs import replace

from contracts.base import Instant, ServerId, ServiceType, SessionId
from services.balancer.domain.fleet import Member
from services.balancer.domain.latency import FirstBytes, FleetLatency, ServerLatency
from services.balancer.domain.standing import (
    AttemptSpan,
    CallResult,
    Pace,
    ServerStanding,
    Streak,
    moved_trial,
)
from services.balancer.domain.state import Balancer


class ServerMemory(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is remembered of one server."""

    server_id: ServerId
    url: str
    unreachable: int = 0
    answered_at: Instant | None = None
    streaks: dict[ServiceType, Streak] = {}
    recent: dict[ServiceType, list[CallResult]] = {}
    paces: dict[ServiceType, Pace] = {}
    spans: list[AttemptSpan] = []
    latencies: dict[ServiceType, ServerLatency] = {}


class BalancerMemory(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is remembered of all, after the log's envelope of this sequence was read."""

    sequence: int
    taken_at: Instant
    failures_max: int = 0
    """Failures in a row that put a server out by then; 0: an earlier version did not say."""
    servers: list[ServerMemory] = []
    first_bytes: dict[ServiceType, list[int]] = {}
    latencies: dict[ServiceType, FleetLatency] = {}
    doubted: list[SessionId] = []


def memory_of(balancer: Balancer, sequence: int, now: Instant) -> BalancerMemory:
    """Take down what is known now."""
    return BalancerMemory(
        sequence=sequence,
        taken_at=now,
        failures_max=balancer.bounds.failures_max,
        servers=[_server_memory(standing) for standing in balancer.standings.values()],
        first_bytes={name: seen.counts() for name, seen in balancer.first_bytes.items()},
        latencies=balancer.latencies,
        doubted=[*balancer.doubted],
    )


def lighten_memory(memory: BalancerMemory) -> BalancerMemory | None:
    """Leave out what weighs most and is seen anew soonest: times, then outcomes; None: no more."""
    if any(server.latencies for server in memory.servers):
        return replace(memory, servers=[replace(one, latencies={}) for one in memory.servers])
    if any(server.recent for server in memory.servers):
        return replace(memory, servers=[replace(one, recent={}) for one in memory.servers])
    return None


def recall(balancer: Balancer, memory: BalancerMemory) -> None:
    """Know again what was taken down; the log has told everything it has to tell."""
    balancer.first_bytes = {name: FirstBytes(counts) for name, counts in memory.first_bytes.items()}
    balancer.latencies = memory.latencies
    balancer.doubted = dict.fromkeys(memory.doubted)
    limit = balancer.bounds.failures_max
    more = limit - (memory.failures_max or limit)
    for known in memory.servers:
        standing = balancer.standings.get(known.server_id)
        member = balancer.fleet.members.get(known.server_id)
        if standing is None or member is None or member.server.url != known.url:
            continue
        standing.unreachable = known.unreachable
        standing.answered_at = known.answered_at
        standing.paces = known.paces
        standing.spans = known.spans
        standing.latencies = known.latencies
        _end_passed_trials(member, standing, known, memory.taken_at)
        standing.streaks.update(
            (key, moved_trial(streak, more))
            for key, streak in known.streaks.items()
            if _is_of_now(standing, key, memory.taken_at)
        )
        standing.recent = {
            key: recent
            for key, recent in known.recent.items()
            if _is_of_now(standing, key, memory.taken_at)
        }
        standing.note_restraint()


def _end_passed_trials(
    member: Member, standing: ServerStanding, known: ServerMemory, taken_at: Instant
) -> None:
    """Let a trial be over that was passed: no event tells it of whoever was let in by probes."""
    for key, ejection in member.ejections.items():
        passed = key not in known.streaks and _is_of_now(standing, key, taken_at)
        if ejection.state == "slow_start" and passed:
            standing.streaks.pop(key, None)


def _is_of_now(standing: ServerStanding, service_type: ServiceType, taken_at: Instant) -> bool:
    """Tell whether what was counted of a service type is of the term that it is in."""
    since = standing.since_of(service_type)
    return since is None or since <= taken_at


def _server_memory(standing: ServerStanding) -> ServerMemory:
    return ServerMemory(
        server_id=standing.server_id,
        url=standing.server.url,
        unreachable=standing.unreachable,
        answered_at=standing.answered_at,
        streaks={key: replace(streak) for key, streak in standing.streaks.items()},
        recent=standing.recent,
        paces=standing.paces,
        spans=standing.spans,
        latencies=standing.latencies,
    )
