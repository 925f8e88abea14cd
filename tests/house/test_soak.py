"""The verdict of a soak: what grows is found, what merely moves is not."""

import random

import pytest

from tests.soak.__main__ import soak_plan
from tests.soak.plot import svg
from tests.soak.samples import Latency, Sample
from tests.soak.trend import complaints, growths, leaks, slope


def life(name: str, mb_per_s: float = 0.0) -> list[Sample]:
    """Ten minutes with noise, a warm-up and a peak."""
    chance = random.Random(1)
    return [
        Sample(
            at_s=at_s,
            name=name,
            pid=1,
            rss_mb=60
            + min(at_s, 100) / 5
            + mb_per_s * at_s
            + chance.uniform(-2, 2)
            + (200 if at_s == 300 else 0),
            descriptors=20,
            sockets=3,
        )
        for at_s in range(0, 600, 3)
    ]


def steady(ratio: float = 1.0) -> list[Latency]:
    return [Latency(at_s, 100, 10 * (ratio if at_s > 300 else 1), 90) for at_s in range(0, 600, 3)]


def test_slope_is_not_moved_by_a_peak() -> None:
    points = [(at, 2.0 * at + (1000 if at == 50 else 0)) for at in range(100)]

    assert slope(points) == pytest.approx(2.0)
    assert slope([(1.0, 1.0)]) == 0.0


def test_what_stays_within_its_bounds_is_no_problem() -> None:
    samples = [*life("gateway"), *life("gateway-2"), *life("pool", 0.03), *life("one", 1.0)]

    assert complaints(growths(samples, calls_per_s=50), steady()) == []


@pytest.mark.parametrize(
    ("samples", "latencies", "words"),
    [
        (life("gateway-2", 0.1), steady(), "gateway-2 (1) in 417 s: memory by 4"),
        (life("pool", 1.0), steady(), "pool (1) in 417 s: memory"),
        (life("gateway"), steady(5.0), "calls take 50 ms at the end"),
    ],
)
def test_what_grows_is_found(samples: list[Sample], latencies: list[Latency], words: str) -> None:
    (problem,) = complaints(growths(samples, calls_per_s=50), latencies)

    assert words in problem


def test_two_lives_are_not_one_that_grew() -> None:
    first = [sample for sample in life("gateway") if sample.at_s < 300]
    second = [
        Sample(one.at_s, one.name, 2, one.rss_mb + 50, one.descriptors, one.sockets)
        for one in life("gateway")
        if one.at_s >= 300
    ]

    found = growths([*first, *second], calls_per_s=50)

    assert len(found) == 2
    assert complaints(found, []) == []


def test_plot_shows_every_process_and_plan_kills_nobody_but_nats() -> None:
    drawn = svg([*life("gateway"), *life("pool")], steady(), "a <title>")

    assert drawn.count("<polyline") == 8
    assert "a &lt;title&gt;" in drawn
    assert {fault.role for fault in soak_plan(1, 900).faults if fault.action == "kill"} == {"nats"}


def test_descriptors_are_compared_at_rest_and_within_one_life() -> None:
    before = [Sample(0, name, 1, 60, 20, 3) for name in ("gateway", "pool", "nats")]
    after = [
        Sample(900, "gateway", 1, 60, 100, 3),
        Sample(900, "pool", 1, 60, 30, 3),
        Sample(900, "nats", 2, 60, 100, 3),
    ]

    assert leaks(before, after) == ["gateway (1): 80 descriptors more at rest"]
