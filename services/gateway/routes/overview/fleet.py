"""The servers on the first page: what the balancer knows of each, beside what analytics counted."""

from collections import Counter

from contracts.balancer import BalancerStatusReply, ServerView
from services.gateway.routes.figures.shapes import FigureRow
from services.gateway.routes.overview.parts import (
    ListedServer,
    ServerCounts,
    StateCount,
    UnwellServer,
)

_UP = "up"
_LISTED_MAX = 20
_SLOTS = 12


def server_counts(reply: BalancerStatusReply, row: FigureRow | None) -> ServerCounts:
    """Count servers by state, and list the first of them; `row` None: analytics is silent."""
    counts = Counter(view.state for view in reply.servers)
    first = sorted(reply.servers, key=_urgency)[:_LISTED_MAX]
    tried = None if row is None else {one["server_id"]: one for one in row["tried"] or []}
    return ServerCounts(
        total=len(reply.servers),
        states=[StateCount(state=state, count=count) for state, count in counts.most_common()],
        unwell=[
            UnwellServer(id=view.server.server_id, state=view.state, words=view.words)
            for view in reply.servers
            if view.state != _UP
        ],
        strategy=reply.strategy,
        listed=[_listed_server(view, tried) for view in first],
    )


def _urgency(view: ServerView) -> tuple[bool, int, str]:
    return view.state == _UP, -view.connections, view.server.server_id


def _listed_server(view: ServerView, tried: dict[str, FigureRow] | None) -> ListedServer:
    """Put what was counted at a server beside what it carries now."""
    server = view.server
    figures = {} if tried is None else tried.get(server.server_id, {})
    total = sum(one["attempts"] for one in (tried or {}).values())
    attempts = None if tried is None else figures.get("attempts", 0)
    return ListedServer(
        id=server.server_id,
        region=server.region,
        state=view.state,
        words=view.words,
        detail=view.detail,
        service_types=[one for one in view.service_types if one.state != _UP],
        connections=view.connections,
        max_sessions=server.max_sessions,
        attempts=attempts,
        share=attempts / total if attempts is not None and total else None,
        latency_p50_ms=figures.get("latency_p50_ms"),
        trail=None if tried is None else _medians(figures),
    )


def _medians(figures: FigureRow) -> list[float | None]:
    """Lay out the medians in order of time, with nulls where there is none."""
    by_slot = {one["slot"]: one["latency_p50_ms"] for one in figures.get("trail") or []}
    return [by_slot.get(slot) for slot in reversed(range(_SLOTS))]
