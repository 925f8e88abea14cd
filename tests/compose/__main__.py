"""`make chaos-compose`: the plan, traffic and verdict of `make chaos`, against containers.

Exit 1 and every finding when a promise was broken; `SEED=` draws the same plan again.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.chaos import __main__ as chaos
from tests.chaos.evidence import Evidence
from tests.chaos.plan import Action, Plan, planned
from tests.chaos.processes import LIMITS
from tests.chaos.traffic import Load
from tests.chaos.verdict import Finding, judged
from tests.compose.actor import Actor, ContainerCampaign, Cut

_AFTER_PLAN_S = 300.0


def main() -> int:
    """Run and judge."""
    options = _options()
    plan = planned(options.seed, options.seconds, actions=(*Action, Cut.DISCONNECT))
    folder = Path(tempfile.mkdtemp(prefix="tidegate-chaos-compose-"))
    print(
        f"chaos-compose: seed {plan.seed}, {len(plan.faults)} faults in {plan.seconds:g} s,"
        f" at least {options.calls} calls",
        flush=True,
    )
    actor = Actor(folder / "clone")
    try:
        actor.begin()
        campaign, evidence, unready = asyncio.run(_campaign(plan, actor, options))
        said = actor.stack.said()
    finally:
        actor.stack.down()
    findings = judged(evidence)
    if unready:
        findings.append(Finding("everything is well again", unready))
    print(chaos._told(plan, campaign, evidence, findings), flush=True)
    if findings:
        (folder / "containers.log").write_text(said)
        print(
            f"chaos-compose: FAILED; the same plan again: SEED={plan.seed};"
            f" what containers said: {folder / 'containers.log'}",
            file=sys.stderr,
        )
    return 1 if findings else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--calls", type=int, default=3000, help="at least so many")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long faults come")
    return parser.parse_args()


async def _campaign(
    plan: Plan, actor: Actor, options: argparse.Namespace
) -> tuple[ContainerCampaign, Evidence, str]:
    """Let it happen, wait for calm, and gather the evidence."""
    url = actor.stack.url()
    campaign = ContainerCampaign(plan, actor, lambda line: print(line, flush=True))
    load = Load(
        gateways=[url],
        key=actor.stack.client_key,
        calls=options.calls,
        rate=options.calls / plan.seconds,
        seed=plan.seed,
        clock=campaign.clock,
        seconds_max=plan.seconds + _AFTER_PLAN_S,
    )
    actor.break_servers()
    watching = asyncio.create_task(actor.watch_log())
    try:
        await campaign.run(load)
        actor.mend_servers()
        print(f"{campaign.clock():7.1f} s  {len(load.done)} calls are answered", flush=True)
        unready = await asyncio.to_thread(actor.calm)
        audit = await asyncio.to_thread(actor.stack.audit)
        log = await actor.read_log()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    served, accepted = actor.ledgers()
    killed = [
        (url, one.began_s)
        for one in campaign.happened
        if one.name.startswith("gateway") and one.kind.startswith(Action.KILL)
    ]
    evidence = Evidence(
        calls=load.done,
        log=log,
        seen=actor.seen,
        served=served,
        accepted=accepted,
        limits=LIMITS,
        audit=audit,
        killed_s=killed,
    )
    return campaign, evidence, unready


if __name__ == "__main__":
    sys.exit(main())
