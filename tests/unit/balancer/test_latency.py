"""Times to first byte: what counts, how it fades, and that it never grows beyond its bounds."""

from math import exp
from statistics import median_low

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import LeaseId, RequestId, ServiceType
from contracts.pool import Attempt, Outcome, UsageRecorded, Verdict
from services.balancer.domain import Balancer, observe_envelope
from services.balancer.domain.latency.samples import (
    BUCKETS,
    FLEET_KEPT,
    SAMPLES_KEPT,
    SERVICE_TYPES_MAX,
    FleetLatency,
    LatencySample,
    ServerLatency,
    bucket_of,
    decay_s,
    note_attempt,
)
from services.balancer.domain.standing import ServerStanding
from services.balancer.strategies import Criteria
from tests.moments import NOON
from tests.unit.balancer.builders import (
    AVATAR,
    IMAGE,
    SESSION,
    added,
    after,
    attempt_at,
    balancer_of,
    pool_envelope,
    server,
    up,
)

START_S = NOON.timestamp()


def usage_with(*attempts: Attempt, service_type: ServiceType = IMAGE) -> UsageRecorded:
    return UsageRecorded(
        lease_id=LeaseId("r.1"),
        request_id=RequestId("r"),
        session_id=SESSION,
        service_type=service_type,
        outcome=Outcome.SETTLED,
        verdict=Verdict.SUCCESS,
        attempts=list(attempts),
    )


def answered(name: str, first_byte_ms: float, in_flight: int = 1) -> Attempt:
    return attempt_at(name, status=200, first_byte_ms=first_byte_ms, in_flight=in_flight)


def observed(*attempts: Attempt) -> Balancer:
    """Servers a and b, whose attempts ended at noon."""
    balancer = balancer_of(added("a"), added("b"), up("a"), up("b"))
    observe_envelope(balancer, pool_envelope(usage_with(*attempts)), after(3))
    return balancer


def criteria_of(
    balancer: Balancer, seconds: float = 0.0, service_type: ServiceType = IMAGE
) -> Criteria:
    latency = balancer.latencies.get(service_type)
    return Criteria(
        service_type=service_type,
        now_s=START_S + seconds,
        median_ms=latency.median_ms if latency else 0.0,
    )


def averages(balancer: Balancer, seconds: float = 0.0) -> list[float]:
    criteria = criteria_of(balancer, seconds)
    return [round(one.peak_ewma_ms(criteria), 3) for one in balancer.standings.values()]


def test_answer_is_dated_by_the_envelope_and_not_by_when_it_was_read() -> None:
    balancer = observed(answered("a", 100.0))

    latency = balancer.standings[server("a").server_id].latencies[IMAGE]
    assert (latency.ewma_ms, latency.seen_s) == (100.0, START_S)


def test_who_was_never_tried_counts_as_the_fleets_median() -> None:
    balancer = observed(*[answered("a", ms) for ms in (300.0, 100.0, 200.0)])

    assert criteria_of(balancer).median_ms == 200.0
    assert averages(balancer)[1] == 200.0
    assert balancer.standings[server("b").server_id].median_at_ms(7, criteria_of(balancer)) == 200.0


def test_service_types_know_nothing_of_each_other() -> None:
    balancer = observed(answered("a", 100.0))

    films = criteria_of(balancer, service_type=AVATAR)
    assert [one.peak_ewma_ms(films) for one in balancer.standings.values()] == [0.0, 0.0]


def test_average_jumps_to_a_peak_and_comes_down_by_time_alone() -> None:
    latency = ServerLatency()
    latency.add_sample(LatencySample(0.0, 100.0), 1, 100.0)
    latency.add_sample(LatencySample(1.0, 900.0), 1, 100.0)
    peak = latency.ewma_ms
    latency.add_sample(LatencySample(1.0, 100.0), 1, 100.0)
    at_once = latency.ewma_ms
    latency.add_sample(LatencySample(11.0, 100.0), 1, 100.0)

    assert (peak, at_once) == (900.0, 900.0)
    assert latency.ewma_ms == pytest.approx(100 + 800 * exp(-1))


def test_average_fades_into_the_fleets_median() -> None:
    latency = ServerLatency(ewma_ms=1000.0, seen_s=0.0)

    faded = [latency.peak_ewma_ms(200.0, at_s) for at_s in (0.0, 10.0, 1000.0)]

    assert faded == [1000.0, pytest.approx(200 + 800 * exp(-1)), pytest.approx(200.0)]


def test_clock_that_is_behind_the_pools_fades_nothing() -> None:
    assert ServerLatency(ewma_ms=1000.0, seen_s=5.0).peak_ewma_ms(200.0, 1.0) == 1000.0


@pytest.mark.parametrize(
    ("median_ms", "expected_s"), [(0.0, 10.0), (900.0, 10.0), (60_000.0, 600.0)]
)
def test_decay_is_ten_seconds_or_ten_medians(median_ms: float, expected_s: float) -> None:
    assert decay_s(median_ms) == expected_s


@pytest.mark.parametrize("verdict", [Verdict.OUTCOME_UNKNOWN, Verdict.UNREACHABLE])
def test_failure_counts_as_ten_medians_so_that_who_fails_fast_attracts_nobody(
    verdict: Verdict,
) -> None:
    balancer = observed(
        answered("a", 100.0), attempt_at("b", verdict, status=500, first_byte_ms=1.0)
    )

    assert averages(balancer) == [100.0, 1000.0]
    assert criteria_of(balancer).median_ms == 100.0


def test_failure_counts_for_nothing_while_nobody_has_answered() -> None:
    balancer = observed(attempt_at("b", Verdict.OUTCOME_UNKNOWN, status=500, first_byte_ms=1.0))

    assert balancer.latencies == {}
    assert balancer.standings[server("b").server_id].latencies == {}


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict.REJECTED,
        Verdict.RATE_LIMITED,
        Verdict.QUOTA_EXHAUSTED,
        Verdict.LOGIN_EXPIRED,
        Verdict.RISK_CONTROL,
        Verdict.CLIENT_GONE,
    ],
)
def test_what_is_no_fault_of_the_server_says_nothing_of_its_speed(verdict: Verdict) -> None:
    balancer = observed(
        answered("a", 100.0), attempt_at("b", verdict, status=400, first_byte_ms=1.0)
    )

    assert averages(balancer) == [100.0, 100.0]


@pytest.mark.parametrize("first_byte_ms", [0.0, -5.0, float("nan")])
def test_success_without_a_time_says_nothing(first_byte_ms: float) -> None:
    assert observed(answered("a", first_byte_ms)).latencies == {}


def test_time_of_the_log_is_believed_up_to_a_day() -> None:
    assert averages(observed(answered("a", float("inf")))) == [86_400_000.0, 86_400_000.0]


@pytest.mark.parametrize(
    ("in_flight", "expected"),
    [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (255, 7), (256, 8), (511, 8), (512, 9), (10**9, 9)],
)
def test_buckets_double(in_flight: int, expected: int) -> None:
    assert bucket_of(in_flight) == expected


def test_median_is_of_about_that_many_in_flight_else_of_the_nearest_with_fewer_first() -> None:
    latency = ServerLatency()
    for in_flight, first_byte_ms in ((1, 100.0), (8, 400.0), (8, 500.0), (9, 600.0), (64, 900.0)):
        latency.add_sample(LatencySample(0.0, first_byte_ms), in_flight, 500.0)

    asked = {count: latency.median_at_ms(count, 500.0, 1.0) for count in (1, 2, 4, 15, 16, 32, 999)}

    assert asked == {1: 100.0, 2: 100.0, 4: 500.0, 15: 500.0, 16: 500.0, 32: 900.0, 999: 900.0}


def test_samples_are_forgotten_after_three_decays() -> None:
    latency = ServerLatency()
    latency.add_sample(LatencySample(0.0, 900.0), 1, 100.0)
    latency.add_sample(LatencySample(20.0, 300.0), 1, 100.0)

    assert [latency.median_at_ms(1, 100.0, at_s) for at_s in (20.0, 30.0, 31.0, 51.0)] == [
        300.0,
        300.0,
        300.0,
        100.0,
    ]
    assert latency.buckets[0].samples == []


@given(st.lists(st.floats(1, 1e6), min_size=1, max_size=60), st.integers(0, 2 * FLEET_KEPT))
def test_fleets_median_is_that_of_its_last_times(last: list[float], before: int) -> None:
    times = [*(float(at * 7919 % 1000) for at in range(before)), *last]
    fleet = FleetLatency()
    for first_byte_ms in times:
        fleet.add_time(first_byte_ms)

    assert fleet.ordered_ms == sorted(times[-FLEET_KEPT:])
    assert fleet.median_ms == median_low(times[-FLEET_KEPT:])


def test_memory_is_bounded_whatever_is_seen() -> None:
    fleet: dict[ServiceType, FleetLatency] = {}
    latencies: dict[ServiceType, ServerLatency] = {}
    for at in range(20_000):
        tried = answered("a", 1.0 + at * 7919 % 1000, at * 31 % 2000)
        of_type = ServiceType(f"type-{at % 101}") if at % 2 else IMAGE
        note_attempt(fleet, latencies, of_type, tried, float(at), blamed=at % 5 == 0)

    assert len(fleet) == SERVICE_TYPES_MAX
    assert len(latencies) == SERVICE_TYPES_MAX
    assert {len(one.recent_ms) for one in fleet.values()} <= set(range(1, FLEET_KEPT + 1))
    for latency in latencies.values():
        assert len(latency.buckets) == BUCKETS
        assert all(len(bucket.samples) <= SAMPLES_KEPT for bucket in latency.buckets)


def test_bucket_keeps_its_newest_samples() -> None:
    latency = ServerLatency()
    for at in range(40):
        latency.add_sample(LatencySample(float(at), float(at + 1)), 1, 100.0)

    assert [one.at_s for one in latency.buckets[0].samples] == [float(at) for at in range(24, 40)]
    assert latency.buckets[0].recent_median_ms(0.0) == 32.0


def test_what_moved_is_another_machine_and_has_shown_nothing() -> None:
    balancer = observed(answered("a", 900.0), answered("b", 100.0), answered("b", 100.0))

    standing: ServerStanding = balancer.standings[server("a").server_id]
    standing.serve_as(server("a", url="http://elsewhere:9000"))

    assert averages(balancer) == [100.0, 100.0]


def test_new_leader_knows_no_times() -> None:
    balancer = observed(answered("a", 100.0))

    balancer.start_anew()

    assert balancer.latencies == {}
    assert averages(balancer) == [0.0, 0.0]


def test_samples_can_be_written_down_and_read_again() -> None:
    latency = ServerLatency()
    latency.add_sample(LatencySample(1.0, 100.0), 3, 100.0)

    assert msgspec.json.decode(msgspec.json.encode(latency), type=ServerLatency) == latency
