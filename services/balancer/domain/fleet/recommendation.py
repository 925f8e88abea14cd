"""Weights and an order for servers, by how fast their probes were answered.

The rule of the original's speed tester: the faster by its median, the more. Its first server gets
ten, another ten times the ratio of the first one's median to its own, less the share of its probes
that were lost, and at least one. A server that answered none gets nothing, and comes last.
"""

from collections.abc import Sequence
from math import ceil

import msgspec

from contracts.balancer import ProbedServer
from contracts.base import ServerId

_WEIGHT_OF_THE_FIRST = 10
_MEDIAN, _P95, _P99 = 0.5, 0.95, 0.99


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The probes of one server: how long the good ones took, and how many were not."""

    server_id: ServerId
    good_ms: Sequence[float]
    lost: int = 0
    failure: str = ""


def recommend_weights(measured: Sequence[Measured]) -> list[ProbedServer]:
    """Say what each server's probes showed, the best one first, with a weight for it."""
    ordered = sorted(measured, key=_rank)
    first_ms = _quantile(sorted(ordered[0].good_ms), _MEDIAN) if ordered else 0.0
    return [_probed(server, place, first_ms) for place, server in enumerate(ordered, 1)]


def _rank(server: Measured) -> tuple[bool, float]:
    """By what an answer takes in the end, those that were lost asked for again."""
    if not server.good_ms:
        return True, 0.0
    return False, _quantile(sorted(server.good_ms), _MEDIAN) / _share_answered(server)


def _probed(server: Measured, place: int, first_ms: float) -> ProbedServer:
    """Say what its probes showed, with the weight that the rule gives it."""
    times = sorted(server.good_ms)
    weight = 0
    if times:
        ratio = first_ms / _quantile(times, _MEDIAN) if first_ms else 1.0
        weight = max(1, round(_WEIGHT_OF_THE_FIRST * ratio * _share_answered(server)))
    return ProbedServer(
        server_id=server.server_id,
        probes=len(times) + server.lost,
        lost=server.lost,
        min_ms=round(times[0], 3) if times else 0.0,
        median_ms=_quantile(times, _MEDIAN),
        p95_ms=_quantile(times, _P95),
        p99_ms=_quantile(times, _P99),
        failure=server.failure,
        weight=weight,
        place=place,
    )


def _share_answered(server: Measured) -> float:
    return len(server.good_ms) / (len(server.good_ms) + server.lost)


def _quantile(times: Sequence[float], share: float) -> float:
    """The smallest of the sorted times that so large a share does not exceed (nearest rank)."""
    return round(times[max(0, ceil(share * len(times)) - 1)], 3) if times else 0.0
