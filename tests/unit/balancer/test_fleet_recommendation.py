"""Weights and an order, by what probes showed."""

from contracts.base import ServerId
from services.balancer.domain import Measured, recommend_weights


def measured_as(name: str, *good_ms: float, lost: int = 0) -> Measured:
    return Measured(server_id=ServerId(name), good_ms=good_ms, lost=lost, failure="x" * bool(lost))


def test_fastest_gets_ten_and_others_by_their_medians() -> None:
    probed = recommend_weights(
        [measured_as("far", 100, 100, 100), measured_as("near", 10, 20, 30), measured_as("mid", 40)]
    )

    assert [(one.server_id, one.weight, one.place) for one in probed] == [
        ("near", 10, 1),
        ("mid", 5, 2),
        ("far", 2, 3),
    ]


def test_what_was_lost_lowers_the_weight_and_who_answered_nothing_gets_none() -> None:
    probed = recommend_weights(
        [
            measured_as("lossy", 10, 10, lost=2),
            measured_as("gone", lost=4),
            measured_as("whole", 10, 10),
        ]
    )

    assert [(one.server_id, one.weight) for one in probed] == [
        ("whole", 10),
        ("lossy", 5),
        ("gone", 0),
    ]


def test_very_far_server_keeps_a_weight_of_one() -> None:
    assert [
        one.weight for one in recommend_weights([measured_as("a", 1), measured_as("b", 900)])
    ] == [
        10,
        1,
    ]


def test_quantiles_are_those_of_the_nearest_rank() -> None:
    (probed,) = recommend_weights([measured_as("a", *map(float, range(1, 101)))])

    assert (probed.min_ms, probed.median_ms, probed.p95_ms, probed.p99_ms) == (1, 50, 95, 99)


def test_nothing_measured_is_nothing_recommended() -> None:
    assert recommend_weights([]) == []
