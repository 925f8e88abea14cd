"""The oracle convicts: each kind of wrong, in a log that is whole but for it."""

import hashlib
import json
from typing import Any

import pytest

from tests.simulation.pool.oracle import Entry, Oracle
from tests.simulation.pool.witness import Said

LEADER = {"type": "leader_elected", "writer": "one", "epoch": 1}
LIMITED = {"daily_limits": {"image": 2}, "session_concurrency": 2}
POLICY = {"type": "policy_changed", "policy": LIMITED}
ADDED = {"type": "session_added", "session_id": "s"}


def grant_event(name: str, **fields: Any) -> dict[str, Any]:
    lease = {"lease_id": name, "session_id": "s", "service_type": "image", "units": 1}
    moments = {"quota_day": "2026-03-01", "expires_at": "2026-03-01T12:00:05Z"}
    return {"type": "lease_granted", **lease, **moments, **fields}


def usage_event(name: str, outcome: str = "settled", units: int = 1) -> dict[str, Any]:
    return {"type": "usage_recorded", "lease_id": name, "outcome": outcome, "units": units}


def expiry_event(name: str) -> dict[str, Any]:
    return {"type": "lease_expired", "lease_id": name}


def log_of(*batches: list[dict[str, Any]], **changed: Any) -> list[Entry]:
    """One envelope a batch, a second apart; `changed` are fields of the last envelope."""
    entries: list[Entry] = []
    link = "0" * 64
    for number, events in enumerate(batches, 1):
        envelope = {
            "writer": "one",
            "epoch": 1,
            "number": number,
            "time": f"2026-03-01T12:00:{number:02}Z",
            "previous_hash": link,
            "events": events,
        }
        body = json.dumps(envelope | (changed if number == len(batches) else {})).encode()
        link = hashlib.sha256(body).hexdigest()
        entries.append(Entry(float(number), body))
    return entries


def findings_of(entries: list[Entry]) -> list[str]:
    oracle = Oracle()
    oracle.read(entries)
    return oracle.findings


BEGINNING = [LEADER, POLICY, ADDED]


def test_lawful_log_is_not_convicted() -> None:
    events = [
        grant_event("a.1"),
        grant_event("b.1"),
        usage_event("a.1", "released"),
        grant_event("c.1"),
    ]

    assert (
        findings_of(log_of(BEGINNING, events, [usage_event("b.1"), usage_event("c.1", "unknown")]))
        == []
    )


@pytest.mark.parametrize(
    ("events", "word"),
    [
        (
            [
                grant_event("a.1"),
                usage_event("a.1"),
                grant_event("b.1"),
                usage_event("b.1"),
                grant_event("c.1"),
            ],
            "unit 3 of 2",
        ),
        ([grant_event("a.1"), grant_event("a.1")], "had been granted"),
        ([grant_event("a.1", session_id="t")], "which is unknown"),
        ([usage_event("a.1")], "without having been granted"),
        ([grant_event("a.1"), usage_event("a.1"), usage_event("a.1")], "used twice"),
        ([grant_event("a.1"), expiry_event("a.1")], "expired before"),
        ([grant_event("a.1"), usage_event("a.1"), expiry_event("a.1")], "was not open"),
        ([{"type": "lease_cancelled", "lease_id": "a.1"}, grant_event("a.1")], "given up before"),
        (
            [
                grant_event("a.1"),
                {"type": "lease_cancelled", "lease_id": "a.1"},
                usage_event("a.1"),
            ],
            "after it had been cancelled",
        ),
        (
            [
                {"type": "session_changed", "session_id": "s", "status": "disabled"},
                grant_event("a.1"),
            ],
            "which is disabled",
        ),
        (
            [
                {
                    "type": "session_cooled",
                    "session_id": "s",
                    "until": "2026-03-01T12:00:09Z",
                },
                grant_event("a.1"),
            ],
            "which cools",
        ),
        (
            [{"type": "session_suspected", "session_id": "s"}, grant_event("a.1")],
            "which is suspect",
        ),
        (
            [
                {
                    "type": "quota_observed",
                    "session_id": "s",
                    "service_type": "image",
                    "quota_day": "2026-03-01",
                },
                grant_event("a.1"),
            ],
            "was used up",
        ),
        (
            [
                {"type": "session_requested", "request_id": "a", "number": 1},
                {
                    "type": "lease_refused",
                    "request_id": "a",
                    "number": 1,
                    "service_type": "image",
                    "reason": "pool_quota_exhausted",
                },
            ],
            "has 2 left",
        ),
    ],
)
def test_wrong_is_named(events: list[dict[str, Any]], word: str) -> None:
    (finding,) = findings_of(log_of(BEGINNING, events))

    assert word in finding


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("number", 3, "followed by number 3"),
        ("previous_hash", "f" * 64, "by its hash"),
        ("time", "2026-03-01T11:00:00Z", "followed by one of"),
        ("writer", "two", "two of 1 wrote while one led 1"),
    ],
)
def test_broken_chain_is_named(field: str, value: object, word: str) -> None:
    (finding,) = findings_of(log_of(BEGINNING, [], **{field: value}))

    assert word in finding


def test_lease_beyond_what_a_session_does_at_once_is_named() -> None:
    policy = {**POLICY, "policy": {"daily_limits": {"image": 9}, "session_concurrency": 1}}

    (finding,) = findings_of(
        log_of([LEADER, policy, ADDED, grant_event("a.1"), grant_event("b.1")])
    )

    assert "lease 2 of 1 at once" in finding


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said("one", 0.5, 1.5, "lease_answers", settles=True), []),
        (Said("one", 1.2, 1.5, "lease_answers", settles=True), ["no append"]),
        (Said("two", 2.2, 2.5, "lease_answers", settles=True), ["no append", "did not lead"]),
        (Said("one", 5.0, 5.2, "pool_status_reply", settles=False), []),
        (Said("two", 5.0, 5.2, "pool_status_reply", settles=False), ["not led"]),
        (Said("two", 5.0, 5.2, "pong", settles=False), []),
    ],
)
def test_answer_is_judged_by_who_led_and_what_was_stored(said: Said, words: list[str]) -> None:
    oracle = Oracle()
    oracle.read(log_of(BEGINNING, []))

    oracle.check_answers([said])

    assert len(oracle.findings) == len(words)
    for word, finding in zip(words, oracle.findings, strict=True):
        assert word in finding


def test_backends_that_did_more_than_a_limit_are_named() -> None:
    oracle = Oracle()
    oracle.read(log_of(BEGINNING))

    oracle.check_upstream({("s", "image", "2026-03-01"): 3, ("s", "image", "2026-03-02"): 2})

    assert oracle.findings == ["s did 3 of 2 image on 2026-03-01"]


# ------------------------------------------------------------------------------- accounts

MORE = {"type": "session_added", "session_id": "t", "limits": {"image": 9}}


def joining_event(session: str, account: str = "shared") -> dict[str, Any]:
    return {"type": "session_joined", "session_id": session, "account": account}


def account_event(session: str, **fields: Any) -> dict[str, Any]:
    return {"type": "account_changed", "session_id": session, **fields}


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([joining_event("s"), joining_event("t"), grant_event("a.1")], []),
        (
            [
                joining_event("s"),
                joining_event("t"),
                grant_event("a.1"),
                grant_event("b.1", session_id="t", units=2),
            ],
            ["unit 3 of 2 on t of shared"],
        ),
        # Who joins brings its units, whatever the limit; nothing is left then.
        (
            [
                joining_event("s"),
                grant_event("a.1", session_id="t", units=5),
                joining_event("t"),
                usage_event("a.1", "released"),
                grant_event("b.1", units=2),
            ],
            [],
        ),
        (
            [
                joining_event("s"),
                grant_event("a.1", session_id="t", units=5),
                joining_event("t"),
                grant_event("b.1"),
            ],
            ["unit 6 of 2 on s of shared"],
        ),
        (
            [
                {
                    "type": "quota_observed",
                    "session_id": "t",
                    "service_type": "image",
                    "quota_day": "2026-03-01",
                },
                joining_event("t"),
                joining_event("s"),
                grant_event("a.1"),
            ],
            ["whose day was used up"],
        ),
        ([joining_event("s"), joining_event("s", "other")], ["though it had joined before"]),
        (
            [
                account_event("s", used={"image": 2}, quota_day="2026-03-01"),
                account_event("s", used={"image": 1}, quota_day="2026-03-01"),
                grant_event("a.1"),
            ],
            ["unit 3 of 2"],
        ),
        (
            [
                {"type": "policy_changed", "policy": {**LIMITED, "tiers": {"vip": {"image": 3}}}},
                account_event("s", tier="vip"),
                grant_event("a.1", units=3),
                grant_event("b.1"),
            ],
            ["unit 4 of 3"],
        ),
        (
            [account_event("s", quota_reset_hour=13), grant_event("a.1")],
            ["was granted for 2026-03-01 on s, whose day it is not"],
        ),
        (
            [account_event("s", quota_reset_hour=13), grant_event("a.1", quota_day="2026-02-28")],
            [],
        ),
    ],
)
def test_units_are_those_of_accounts(events: list[dict[str, Any]], words: list[str]) -> None:
    findings = findings_of(log_of([*BEGINNING, MORE], events))

    assert len(findings) == len(words)
    for word, finding in zip(words, findings, strict=True):
        assert word in finding


def test_backends_count_units_of_accounts_and_a_joining_bounds_what_was_done_before() -> None:
    oracle = Oracle()
    joined = grant_event("a.1", session_id="t", units=5)
    oracle.read(log_of([*BEGINNING, MORE], [joining_event("s"), joined, joining_event("t")]))

    oracle.check_upstream({("s", "image", "2026-03-01"): 1, ("t", "image", "2026-03-01"): 4})
    oracle.check_upstream({("s", "image", "2026-03-02"): 1, ("t", "image", "2026-03-02"): 2})

    assert oracle.findings == ["shared did 3 of 2 image on 2026-03-02"]
