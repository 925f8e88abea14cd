"""One run: plan and traffic against a ground that can be broken; then evidence, verdict, report."""

import argparse
import asyncio
import json
import secrets
import sys
from pathlib import Path

from tests.chaos import report
from tests.chaos.campaign import Campaign
from tests.chaos.evidence import Evidence
from tests.chaos.failing import cost_words, costs
from tests.chaos.ground import LIMITS, Ground
from tests.chaos.plan import Action, Plan
from tests.chaos.traffic import Load
from tests.chaos.verdict import Finding, judged

_AFTER_PLAN_S = 300.0
"""How much longer than its plan a run may take to make its calls."""


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
    told = _summary(plan, campaign, evidence, findings)
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
        failed=campaign.failed,
        unready=unready,
    )
    return campaign, evidence


def _summary(plan: Plan, campaign: Campaign, evidence: Evidence, findings: list[Finding]) -> str:
    ends: dict[str, int] = {}
    for lease in evidence.log.leases.values():
        ends[lease.end or "open"] = ends.get(lease.end or "open", 0) + 1
    good = sum(call.succeeded for call in evidence.calls)
    happened = _happened(campaign)
    faults, audit = len(happened), evidence.audit
    lines = [
        f"seed {plan.seed}: {len(evidence.calls)} calls, {good} succeeded, {faults} faults",
        report.table(report.rows(evidence.calls, happened)),
        *(cost_words(cost) for cost in costs(evidence.log, evidence.failed)),
        f"log: {len(evidence.log.digests)} envelopes, {len(evidence.log.leases)} leases: "
        + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())),
        f"audit: exit {audit['exit']}, {len(audit['violations'])} found; DuckDB {audit['duckdb']}",
        *(f"FINDING {one.rule}: {one.about}" for one in findings[:50]),
        f"{len(findings)} findings" if findings else "no finding",
    ]
    return "\n".join(lines) + "\n"


def _happened(campaign: Campaign) -> list[report.Happened]:
    """Every fault, a server that failed among them."""
    return [*campaign.happened, *(one.as_happened() for one in campaign.failed)]


def _json(plan: Plan, campaign: Campaign, evidence: Evidence, findings: list[Finding]) -> str:
    return json.dumps(
        {
            "plan": plan.told(),
            "happened": [vars(one) for one in _happened(campaign)],
            "costs": [vars(cost) for cost in costs(evidence.log, evidence.failed)],
            "rows": report.rows_told(report.rows(evidence.calls, _happened(campaign))),
            "findings": [vars(one) for one in findings],
            "audit": {name: evidence.audit[name] for name in ("exit", "violations", "duckdb")},
            "calls": [vars(call) for call in evidence.calls],
        },
        indent=1,
    )
