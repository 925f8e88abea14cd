"""`make chaos`: one run on this machine. Exit 1 and every finding when a promise was broken."""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos import report
from tests.chaos.campaign import Campaign
from tests.chaos.evidence import Evidence
from tests.chaos.plan import Action, Plan, planned
from tests.chaos.processes import GATEWAYS, LIMITS, Processes
from tests.chaos.traffic import Load
from tests.chaos.verdict import Finding, judged

_AFTER_PLAN_S = 300.0
"""How much longer than its plan a run may take to make its calls."""


def main() -> int:
    """Run and judge."""
    options = _options()
    plan = planned(options.seed, options.seconds)
    folder = options.out or Path(tempfile.mkdtemp(prefix="tidegate-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(
        f"chaos: seed {plan.seed}, {len(plan.faults)} faults in {plan.seconds:g} s,"
        f" at least {options.calls} calls; everything lies in {folder}",
        flush=True,
    )
    (folder / "plan.json").write_text(json.dumps(plan.told(), indent=1))
    processes = Processes(folder / "home")
    try:
        processes.begin()
        campaign, evidence = asyncio.run(_campaign(plan, processes, options))
    finally:
        processes.stack.close()
    findings = judged(evidence)
    told = _told(plan, campaign, evidence, findings)
    (folder / "report.txt").write_text(told)
    (folder / "report.json").write_text(_json(plan, campaign, evidence, findings))
    print(told, flush=True)
    print(f"written to {folder / 'report.txt'} and report.json")
    if findings:
        print(f"chaos: FAILED; the same plan again: SEED={plan.seed}", file=sys.stderr)
    return 1 if findings else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--calls", type=int, default=20_000, help="at least so many")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long faults come")
    parser.add_argument("--out", type=Path, help="folder for home, logs and report")
    return parser.parse_args()


async def _campaign(
    plan: Plan, processes: Processes, options: argparse.Namespace
) -> tuple[Campaign, Evidence]:
    """Let it happen, wait for calm, and gather the evidence."""
    stack = processes.stack
    campaign = Campaign(plan, processes, lambda line: print(line, flush=True))
    load = Load(
        gateways=[stack.url(gateway) for gateway in GATEWAYS],
        key=stack.client_key,
        calls=options.calls,
        rate=options.calls / plan.seconds,
        seed=plan.seed,
        clock=campaign.clock,
        seconds_max=plan.seconds + _AFTER_PLAN_S,
    )
    processes.break_servers()
    watching = asyncio.create_task(processes.watch_log())
    try:
        await campaign.run(load)
        processes.mend_servers()
        print(f"{campaign.clock():7.1f} s  {len(load.done)} calls are answered", flush=True)
        unready = await asyncio.to_thread(processes.calm)
        audit = await asyncio.to_thread(stack.audit)
        log = await processes.read_log()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    served, accepted = processes.ledgers()
    urls = {name: stack.url(name) for name in GATEWAYS}
    killed = [
        (urls[one.name], one.began_s)
        for one in campaign.happened
        if one.name in urls and one.kind.startswith(Action.KILL)
    ]
    evidence = Evidence(
        calls=load.done,
        log=log,
        seen=processes.seen,
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


if __name__ == "__main__":
    sys.exit(main())
