"""The plan, the verdict and the report of chaos: a verdict that cannot fail proves nothing."""

import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from contracts.balancer import ServerHalfOpened
from contracts.base import (
    GatewayId,
    KeyId,
    LeaderElected,
    LeaseId,
    QuotaDay,
    RequestId,
    ServerId,
    ServiceType,
    SessionId,
    WriterId,
)
from contracts.envelope import Envelope
from contracts.pool import (
    Attempt,
    LeaseExpired,
    LeaseGranted,
    Outcome,
    SessionRequested,
    UsageRecorded,
    Verdict,
)
from contracts.subjects import EVT_BALANCER
from runtime.eventlog import Stored
from tests.chaos.campaign import Campaign, Way
from tests.chaos.evidence import Evidence, LogRead, heard
from tests.chaos.failing import costs
from tests.chaos.plan import Action, Fault, Plan, Role, planned
from tests.chaos.report import Failed, Happened, rows, table
from tests.chaos.traffic import Called
from tests.chaos.verdict import judged
from tests.e2e.asked import ledgers_sum
from tests.moments import NOON

IMAGE = ServiceType("image")


def call_requested(number: int) -> SessionRequested:
    return SessionRequested(
        request_id=RequestId(f"r{number}"),
        number=1,
        service_type=IMAGE,
        asked_at=NOON,
        gateway_id=GatewayId("g"),
        key_id=KeyId("k"),
    )


def call_granted(number: int) -> LeaseGranted:
    return LeaseGranted(
        lease_id=LeaseId(f"r{number}.1"),
        request_id=RequestId(f"r{number}"),
        number=1,
        session_id=SessionId("s"),
        service_type=IMAGE,
        quota_day=QuotaDay("2026-01-01"),
        units=1,
        send_by=NOON,
        expires_at=NOON,
    )


def call_settled(number: int) -> UsageRecorded:
    return UsageRecorded(
        lease_id=LeaseId(f"r{number}.1"),
        request_id=RequestId(f"r{number}"),
        session_id=SessionId("s"),
        service_type=IMAGE,
        outcome=Outcome.SETTLED,
        verdict=Verdict.SUCCESS,
        units=1,
    )


def call_lost(number: int, service: ServiceType = IMAGE) -> UsageRecorded:
    """The end of a call that failed at the server "one", so that nobody knows of its unit."""
    tried = Attempt(server_id=ServerId("one"), verdict=Verdict.OUTCOME_UNKNOWN, status=500)
    return UsageRecorded(
        lease_id=LeaseId(f"r{number}.1"),
        request_id=RequestId(f"r{number}"),
        session_id=SessionId("s"),
        service_type=service,
        outcome=Outcome.UNKNOWN,
        verdict=Verdict.OUTCOME_UNKNOWN,
        attempts=[tried],
    )


def lost_log(calls: int) -> LogRead:
    """So many calls at a server that fails all of them, one after the other."""
    groups = [group for number in range(1, calls + 1) for group in ended_so(number)]
    return heard(stored_events(*groups))


def ended_so(number: int) -> list[list[Any]]:
    """The events of one call that costs its unit."""
    return [[call_requested(number), call_granted(number)], [call_lost(number)]]


def call_expired(number: int) -> LeaseExpired:
    return LeaseExpired(lease_id=LeaseId(f"r{number}.1"), session_id=SessionId("s"))


def stored_events(*groups: list[Any]) -> list[Stored]:
    envelopes = [
        Envelope(
            writer=WriterId("w"),
            epoch=1,
            number=number,
            time=NOON,
            previous_hash="",
            events=events,
        )
        for number, events in enumerate(groups, 1)
    ]
    return [Stored(one.number, NOON, "evt.pool.0", msgspec.json.encode(one)) for one in envelopes]


def call(number: int, **more: Any) -> Called:
    good = Called(number, "image", "http://a", number, number + 0.5, 200, "", f"r{number}")
    return replace(good, **more)


def evidence(**more: Any) -> Evidence:
    """One call, granted, served and settled."""
    log = heard(stored_events([call_requested(1), call_granted(1)], [call_settled(1)]))
    whole = Evidence(
        calls=[call(1)],
        log=log,
        seen=dict(log.digests),
        served={"2026-01-01": {"c": {"image": 1}}},
        accepted={"r1": 1},
        limits={"image": 1},
        audit={"exit": 0, "violations": [], "duckdb": "agrees"},
        killed_s=[],
    )
    return replace(whole, **more)


def test_verdict_on_what_went_well_is_no_finding() -> None:
    assert judged(evidence()) == []


BAD: dict[str, dict[str, Any]] = {
    "no credential is over its limit": {"limits": {"image": 0}},
    "every lease has ended": {
        "log": heard(stored_events([call_granted(1)], [call_settled(1)], [call_granted(2)])),
        "seen": {},
    },
    "every success is settled": {"calls": [call(1), call(2)]},
    "nothing acknowledged is missing": {"seen": {3: "abc"}},
    "numbers are whole": {
        "log": heard(
            stored_events([call_granted(1)], [call_settled(1)], [])[:2]
            + stored_events([], [], [], [])[3:]
        ),
        "seen": {},
    },
    "everything served was granted": {"accepted": {"r1": 1, "r9": 1}},
    "nothing was served twice": {"accepted": {"r1": 2}},
    "every unit is accounted for": {"served": {}},
    "a failing server keeps the bound": {
        "calls": [],
        "log": lost_log(6),
        "seen": {},
        "served": {},
        "accepted": {},
        "failed": [Failed("one", 0.0, NOON, 9.0, NOON)],
    },
    "audit is clean": {"audit": {"exit": 1, "violations": ["x"], "duckdb": "agrees"}},
    "duckdb equals the fold": {"audit": {"exit": 0, "violations": [], "duckdb": "differs"}},
    "everybody is ready again": {"unready": "pool: it died"},
    "errors have our shape": {"calls": [call(1), call(2, status=500, code="misshapen")]},
}


@pytest.mark.parametrize("rule", BAD)
def test_verdict_finds_each_broken_promise_and_only_that(rule: str) -> None:
    assert {finding.rule for finding in judged(evidence(**BAD[rule]))} == {rule}


def test_expired_success_is_excused_only_by_the_death_of_its_gateway() -> None:
    log = heard(stored_events([call_granted(1)], [call_expired(1)]))
    dead = evidence(log=log, seen={}, killed_s=[("http://a", 2.0)])

    assert judged(dead) == []
    for killed in ([], [("http://b", 2.0)], [("http://a", 0.5)], [("http://a", 60.0)]):
        (finding,) = judged(replace(dead, killed_s=killed))
        assert finding.rule == "every success is settled"


def test_plan_is_a_function_of_its_seed_and_leaves_nobody_out() -> None:
    plan = planned(3, 300, tuple(Role), tuple(Action))

    assert plan == planned(3, 300, tuple(Role), tuple(Action))
    assert plan != planned(4, 300, tuple(Role), tuple(Action))
    assert {(one.action, one.role) for one in plan.faults} == {
        (action, role) for action in Action for role in Role
    }
    assert sorted(one.at_s for one in plan.faults) == [one.at_s for one in plan.faults]
    assert plan.faults[-1].at_s < 300


def test_plan_of_a_seed_stays_when_a_server_fails_amid_it() -> None:
    plan = planned(7, 300, failing=True)

    assert plan.faults == planned(7, 300).faults
    assert plan == planned(7, 300, failing=True)
    assert {one.accepted for one in plan.stretches} == {False, True}
    for one, after in pairwise(plan.stretches):
        assert one.at_s + one.lasts_s < after.at_s
    assert plan.stretches[-1].at_s < 300


def test_failing_server_may_cost_five_units_and_one_a_time_it_is_tried_again() -> None:
    failed = [Failed("one", 0.0, NOON, 9.0, NOON)]
    tried = ServerHalfOpened(server_id=ServerId("one"), reason="answered a probe")
    elected = LeaderElected(writer=WriterId("b"), epoch=2)
    calls = [ended_so(number) for number in range(1, 13)]
    first, trial, more = calls[0], calls[5], calls[6:12]
    groups: list[list[Any]] = [*first, *(group for one in calls[1:5] for group in one)]

    (kept,) = costs(heard(stored_events(*groups, [tried], *trial)), failed)
    (broken,) = costs(heard(stored_events(*groups, *trial)), failed)

    assert (kept.before, kept.after, kept.allowed) == (1, 5, 5)
    assert (broken.before, broken.after, broken.allowed) == (1, 5, 4)
    # Who takes the lead begins to count anew.
    log = heard([*stored_events(*groups), *elected_after(len(groups), elected, more)])
    assert [(one.before, one.after) for one in costs(log, failed)] == [(1, 4), (1, 5)]


def elected_after(place: int, elected: LeaderElected, more: list[list[list[Any]]]) -> list[Stored]:
    """A balancer's election, and what the pool journals behind it."""
    stored = stored_events([elected], *(group for one in more for group in one))
    moved = [msgspec.structs.replace(one, sequence=one.sequence + place) for one in stored]
    return [msgspec.structs.replace(moved[0], subject=EVT_BALANCER), *moved[1:]]


def test_report_counts_a_fault_by_the_calls_of_its_time() -> None:
    calls = [call(number) for number in range(60) if not 20 <= number < 25]
    calls += [call(number, status=503, code="ledger_unavailable") for number in range(20, 25)]
    happened = [Happened("kill nats", "nats", 20.0, 20.1, 23.0, 24.0)]

    nats, quiet, whole = rows(calls, happened)

    assert (nats.kind, nats.times, nats.errors) == ("kill nats", 1, {"ledger_unavailable": 5})
    assert nats.gap_s == pytest.approx(5.5)
    assert nats.ready_s == pytest.approx(1.0)
    assert quiet.good == 1.0
    assert (whole.calls, round(whole.good, 3)) == (60, 0.917)
    assert "ledger_unavailable=5" in table([nats, quiet, whole])


def test_ledgers_of_several_servers_add_up() -> None:
    one = {"2026-01-01": {"c": {"image": 1}}}
    two = {"2026-01-01": {"c": {"image": 2}, "d": {"video": 1}}}

    assert ledgers_sum(one, two) == {"2026-01-01": {"c": {"image": 3}, "d": {"video": 1}}}


class Slow:
    """An engine that takes its time to kill."""

    def __init__(self) -> None:
        self.down_s = 0.0
        self.campaign: Campaign | None = None
        self.ways = {Action.KILL: Way(self.kill, self.start)}

    def kill(self, _: str) -> None:
        assert self.campaign is not None
        time.sleep(0.05)
        self.down_s = self.campaign.clock()

    def start(self, _: str) -> None:
        """Nothing is to be done."""

    def players(self, _: Role) -> list[str]:
        return ["gateway-1"]

    def standbys(self, _: str) -> list[str]:
        return []

    def ready(self, _: str) -> bool:
        return True


@pytest.mark.anyio
async def test_fault_has_struck_when_the_engine_has_done_it() -> None:
    slow = Slow()
    plan = Plan(0, 0.2, (Fault(0.0, Action.KILL, Role.GATEWAY, 0.01, 0),))
    slow.campaign = campaign = Campaign(plan, slow, lambda _: None)
    campaign.began = time.monotonic()

    await campaign._befall()

    (one,) = campaign.happened
    assert one.began_s < slow.down_s <= one.struck_s <= one.ended_s <= one.ready_s
