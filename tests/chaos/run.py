"""One run: plan and traffic against a ground that can be broken; then evidence, verdict, report."""

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from tests.chaos import report
from tests.chaos.campaign import Actor, Campaign
from tests.chaos.evidence import Days, Evidence, LogRead
from tests.chaos.plan import Action, Plan
from tests.chaos.traffic import Load
from tests.chaos.verdict import Finding, judged
from tests.e2e.asked import Asked

LIMITS = {"image": 400, "video": 60, "avatar": 5}
"""Units of one session and day. Avatars are scarce: half of what is asked for is refused, and
exactly the limit may be sold."""
SESSIONS = 100
SERVER_FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "latency_ms": 20, "jitter_ms": 180},
    {"kind": "status", "status": 500, "probability": 0.01},
    {"kind": "rate_limited", "retry_after_s": 1, "probability": 0.01},
    {"kind": "cut_before", "probability": 0.005},
    {"kind": "cut_body", "probability": 0.005},
    {"kind": "cut_stream", "probability": 0.02},
    {"kind": "garbage", "probability": 0.003},
    {"kind": "gzip", "probability": 0.01},
]
_AFTER_PLAN_S = 300.0
"""How much longer than its plan a run may take to make its calls."""


class Ground(Actor, Protocol):
    """The whole system as a run knows it: it can be broken, loaded, and asked what it did."""

    seen: dict[int, str]
    """Hash of every envelope read while it went on, by its sequence."""

    @property
    def stack(self) -> Asked:
        """What can be asked."""

    def begin(self) -> None:
        """Start everything and wait until it is ready."""

    def end(self) -> None:
        """End everything."""

    def gateways(self) -> Mapping[str, str]:
        """The address of each gateway, by its name."""

    def break_servers(self) -> None:
        """Have the demo servers be slow, and fail now and then."""

    def mend_servers(self) -> None:
        """End their faults."""

    async def watch_log(self) -> None:
        """Read the log as it grows, for ever; what was read once was stored."""

    async def read_log(self) -> LogRead:
        """Read the whole log."""

    def calm(self) -> str:
        """Wait until all is well and every lease has its end; why it is not so."""

    def ledgers(self) -> tuple[Days, Mapping[str, int]]:
        """What the demo servers served: by day, credential and service; and times by request."""


def parser(prog: str, seconds: float) -> argparse.ArgumentParser:
    """The options that every run has."""
    made = argparse.ArgumentParser(prog=prog)
    made.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    made.add_argument("--calls", type=int, default=20_000, help="at least so many")
    made.add_argument("--seconds", type=float, default=seconds, help="how long faults come")
    made.add_argument("--out", type=Path, help="folder for what is made, logs and report")
    return made


def run(plan: Plan, ground: Ground, calls: int, folder: Path) -> int:
    """Run and judge; 1 when a promise was broken. The report lies in `folder`."""
    print(
        f"chaos: seed {plan.seed}, {len(plan.faults)} faults in {plan.seconds:g} s,"
        f" at least {calls} calls; everything lies in {folder}",
        flush=True,
    )
    (folder / "plan.json").write_text(json.dumps(plan.told(), indent=1))
    try:
        ground.begin()
        campaign, evidence = asyncio.run(_campaign(plan, ground, calls))
    finally:
        ground.end()
    findings = judged(evidence)
    told = _told(plan, campaign, evidence, findings)
    (folder / "report.txt").write_text(told)
    (folder / "report.json").write_text(_json(plan, campaign, evidence, findings))
    print(told, flush=True)
    print(f"written to {folder / 'report.txt'} and report.json")
    if findings:
        print(f"chaos: FAILED; the same plan again: SEED={plan.seed}", file=sys.stderr)
    return 1 if findings else 0


async def _campaign(plan: Plan, ground: Ground, calls: int) -> tuple[Campaign, Evidence]:
    """Let it happen, wait for calm, and gather the evidence."""
    gateways = ground.gateways()
    campaign = Campaign(plan, ground, lambda line: print(line, flush=True))
    load = Load(
        gateways=list(gateways.values()),
        key=ground.stack.client_key,
        calls=calls,
        rate=calls / plan.seconds,
        seed=plan.seed,
        clock=campaign.clock,
        seconds_max=plan.seconds + _AFTER_PLAN_S,
    )
    ground.break_servers()
    watching = asyncio.create_task(ground.watch_log())
    try:
        await campaign.run(load)
        ground.mend_servers()
        print(f"{campaign.clock():7.1f} s  {len(load.done)} calls are answered", flush=True)
        unready = await asyncio.to_thread(ground.calm)
        audit = await asyncio.to_thread(ground.stack.audit)
        log = await ground.read_log()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    served, accepted = ground.ledgers()
    killed = [
        (gateways[one.name], one.struck_s)
        for one in campaign.happened
        if one.name in gateways and one.kind.startswith(Action.KILL)
    ]
    evidence = Evidence(
        calls=load.done,
        log=log,
        seen=ground.seen,
        served=served,
        accepted=accepted,
        limits=LIMITS,
        audit=audit,
        killed_s=killed,
        unready=unready,
    )
    return campaign, evidence


def _told(plan: Plan, campaign: Campaign, evidence: Evidence, findings: list[Finding]) -> str:
    ends: dict[str, int] = {}
    for lease in evidence.log.leases.values():
        ends[lease.end or "open"] = ends.get(lease.end or "open", 0) + 1
    good = sum(call.succeeded for call in evidence.calls)
    faults, audit = len(campaign.happened), evidence.audit
    lines = [
        f"seed {plan.seed}: {len(evidence.calls)} calls, {good} succeeded, {faults} faults",
        report.table(report.rows(evidence.calls, campaign.happened)),
        f"log: {len(evidence.log.digests)} envelopes, {len(evidence.log.leases)} leases: "
        + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())),
        f"audit: exit {audit['exit']}, {len(audit['violations'])} found; DuckDB {audit['duckdb']}",
        *(f"FINDING {one.rule}: {one.about}" for one in findings[:50]),
        f"{len(findings)} findings" if findings else "no finding",
    ]
    return "\n".join(lines) + "\n"


def _json(plan: Plan, campaign: Campaign, evidence: Evidence, findings: list[Finding]) -> str:
    return json.dumps(
        {
            "plan": plan.told(),
            "happened": [vars(one) for one in campaign.happened],
            "rows": report.told(report.rows(evidence.calls, campaign.happened)),
            "findings": [vars(one) for one in findings],
            "audit": {name: evidence.audit[name] for name in ("exit", "violations", "duckdb")},
            "calls": [vars(call) for call in evidence.calls],
        },
        indent=1,
    )
