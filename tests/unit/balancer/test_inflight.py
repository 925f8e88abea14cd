"""In flight: from the selection to the lease's end in the log or its deadline, never twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.balancer import Selected
from contracts.base import GatewayId, LeaseId, RequestId, ServerId
from contracts.pool import (
    LeaseExpired,
    LeaseReconciled,
    LeaseRenewed,
    Outcome,
    SessionSuspected,
    UsageRecorded,
    Verdict,
)
from services.balancer.domain import inflight as rules
from services.balancer.domain import observe_envelope, release_overdue, select_server, server_views
from tests.unit.balancer.builders import (
    IMAGE,
    ONE,
    SESSION,
    after,
    attempt_at,
    cancel_told,
    chosen,
    in_flight,
    pool_envelope,
    see,
    unreachable,
    wanted,
    well,
)


def use_told(lease: str, *attempts: object, gateway: GatewayId = ONE) -> UsageRecorded:
    return UsageRecorded(
        lease_id=LeaseId(lease),
        request_id=RequestId("r"),
        session_id=SESSION,
        service_type=IMAGE,
        outcome=Outcome.SETTLED,
        verdict=Verdict.SUCCESS,
        gateway_id=gateway,
        attempts=list(attempts),  # type: ignore[arg-type]
    )


def expiry_told(lease: str) -> LeaseExpired:
    return LeaseExpired(lease_id=LeaseId(lease), session_id=SESSION)


def reconciliation_told(lease: str) -> LeaseReconciled:
    return LeaseReconciled(lease_id=LeaseId(lease), session_id=SESSION, units=0, reason="x", by="k")


@pytest.mark.parametrize("ended", [use_told, cancel_told, expiry_told, reconciliation_told])
def test_end_in_the_log_releases_the_exchange_once(ended: object) -> None:
    balancer = well("a")
    chosen(balancer, "r.1")
    chosen(balancer, "s.1")

    see(balancer, ended("r.1"), ended("r.1"), ended("unheard-of.1"))  # type: ignore[operator]

    assert in_flight(balancer) == {"a": 1}


def test_selection_of_a_lease_that_has_ended_puts_nothing_in_flight() -> None:
    balancer = well("a")
    see(balancer, cancel_told("r.1"))

    assert chosen(balancer, "r.1") == "a"

    assert in_flight(balancer) == {"a": 0}


def test_ends_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_ENDED_KEPT", 3)
    balancer = well("a")

    for number in range(5):
        see(balancer, cancel_told(f"r{number}.1"))

    assert [*balancer.ended] == ["r2.1", "r3.1", "r4.1"]


def test_deadline_releases_what_no_end_was_seen_of() -> None:
    balancer = well("a")
    chosen(balancer, "r.1", expires_in_s=60)

    assert release_overdue(balancer, after(64)) == []
    assert release_overdue(balancer, after(65)) == ["r.1"]
    assert in_flight(balancer) == {"a": 0}


def test_renewal_moves_the_deadline_by_the_pools_own_reckoning() -> None:
    balancer = well("a")
    chosen(balancer, "r.1", expires_in_s=60)
    renewed = LeaseRenewed(lease_id=LeaseId("r.1"), expires_at=after(3600 + 900))
    unheard = LeaseRenewed(lease_id=LeaseId("x.1"), expires_at=after(900))

    observe_envelope(balancer, pool_envelope(renewed, unheard, time=after(3600)), after(50))

    assert release_overdue(balancer, after(949)) == []
    assert release_overdue(balancer, after(955)) == ["r.1"]


@pytest.mark.parametrize(("expires_in_s", "released_s"), [(-1e9, 5), (1e300, 86_405)])
def test_absurd_deadlines_are_bounded(expires_in_s: float, released_s: float) -> None:
    balancer = well("a")
    chosen(balancer, "r.1", expires_in_s=expires_in_s)

    assert release_overdue(balancer, after(released_s - 1)) == []
    assert release_overdue(balancer, after(released_s)) == ["r.1"]


def test_outcomes_of_the_last_minutes_are_what_status_shows() -> None:
    balancer = well("a", "b")
    good = attempt_at("a", status=200, total_ms=100.0)
    bad = attempt_at("a", Verdict.OUTCOME_UNKNOWN, status=500, total_ms=300.0)
    cut = attempt_at("a", Verdict.UNREACHABLE)
    foreign = attempt_at("gone", status=200)
    for minute in range(8):
        usages = [use_told(f"r{minute}{number}.1", good) for number in range(2)]
        observe_envelope(balancer, pool_envelope(*usages), after(60 * minute))
    last = pool_envelope(use_told("x.1", bad), use_told("y.1", cut, good), use_told("z.1", foreign))
    observe_envelope(balancer, last, after(60 * 7 + 1))

    a, b = server_views(balancer, after(60 * 7 + 2))

    assert a.avg_response_ms == pytest.approx((11 * 100 + 300) / 12, abs=1e-3)
    assert a.success_rate == pytest.approx(1 - 2 / 13, abs=1e-6)
    assert (b.avg_response_ms, b.success_rate) == (0.0, 1.0)
    assert server_views(balancer, after(3600))[0].avg_response_ms == 0.0


def test_last_failed_attempt_is_a_passive_outcome_when_nobody_selected_again() -> None:
    balancer = well("a", "b")
    chosen(balancer, "r.1")
    chosen(balancer, "r.1", failed=unreachable("a"), avoid=("a",))

    failures = [attempt_at("a", Verdict.UNREACHABLE), attempt_at("b", Verdict.UNREACHABLE)]
    see(balancer, use_told("r.1", *failures))

    assert {name: one.unreachable for name, one in balancer.standings.items()} == {"a": 1, "b": 1}


def test_attempt_that_succeeded_at_the_selected_server_is_no_failure() -> None:
    balancer = well("a")
    chosen(balancer, "r.1")

    see(balancer, use_told("r.1", attempt_at("a", status=200)))

    assert (balancer.standings[ServerId("a")].unreachable, in_flight(balancer)) == (0, {"a": 0})


def test_answer_clears_the_failures_before_it() -> None:
    balancer = well("a", "b")
    chosen(balancer, failed=unreachable("a"))

    see(balancer, use_told("r.1", attempt_at("a", Verdict.RATE_LIMITED, status=429)))

    assert balancer.standings[ServerId("a")].unreachable == 0


def test_events_that_are_no_ends_change_nothing() -> None:
    balancer = well("a")
    chosen(balancer, "r.1")

    see(
        balancer,
        SessionSuspected(session_id=SESSION, server_id=ServerId("a"), request_id=RequestId("r")),
    )

    assert in_flight(balancer) == {"a": 1}


LEASES = st.sampled_from([f"r{number}.1" for number in range(6)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("select"), LEASES, st.sampled_from([30, 300])),
        st.tuples(st.just("fail"), LEASES, st.just(0)),
        st.tuples(st.just("end"), LEASES, st.sampled_from([use_told, cancel_told, expiry_told])),
        st.tuples(st.just("renew"), LEASES, st.sampled_from([60, 600])),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 120)),
    ),
    max_size=60,
)


@given(STEPS)
def test_in_flight_is_the_number_of_open_leases_after_any_history(
    steps: list[tuple[str, str, object]],
) -> None:
    """A plain table of open leases is kept beside the balancer; they agree after each step."""
    balancer = well("a", "b", "c")
    open_until: dict[str, float] = {}
    at: dict[str, str] = {}
    ended: set[str] = set()
    now = 0.0
    for what, lease, how in steps:
        if what in {"select", "fail"}:
            failed = unreachable(at[lease]) if what == "fail" and lease in at else None
            avoid = (at[lease],) if failed else ()
            item = wanted(lease, failed=failed, avoid=avoid, expires_in_s=float(how or 30))  # type: ignore[arg-type]
            answer = select_server(balancer, item, ONE, after(now))
            assert isinstance(answer, Selected)
            at[lease] = answer.server_id
            if lease not in ended:
                open_until.setdefault(lease, now + float(how or 30) + rules.MARGIN_S)  # type: ignore[arg-type]
        elif what == "end":
            observe_envelope(balancer, pool_envelope(how(lease), time=after(now)), after(now))  # type: ignore[operator]
            open_until.pop(lease, None)
            ended.add(lease)
        elif what == "renew":
            expires = after(now + how)  # type: ignore[operator]
            renewed = LeaseRenewed(lease_id=LeaseId(lease), expires_at=expires)
            observe_envelope(balancer, pool_envelope(renewed, time=after(now)), after(now))
            if lease in open_until:
                open_until[lease] = now + how + rules.MARGIN_S  # type: ignore[operator]
        else:
            now += how  # type: ignore[operator]
            release_overdue(balancer, after(now))
            open_until = {one: until for one, until in open_until.items() if until > now}
        counts = in_flight(balancer)
        assert min(counts.values()) >= 0
        assert sum(counts.values()) == len(open_until)
        for name, count in counts.items():
            assert count == sum(at[one] == name for one in open_until)
