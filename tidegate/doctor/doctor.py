"""`tidegate doctor`: home, users, log and services looked at, and what was found told."""

import asyncio
from collections import Counter
from collections.abc import Iterable

import typer
from nats.aio.client import Client

from runtime.clock import make_clock
from runtime.environment import Environment, read_environment
from runtime.eventlog import LogUnavailableError
from runtime.nats.connection import connect_as, nats_urls
from runtime.settings import SettingsError
from tidegate.configuration import load
from tidegate.console import output
from tidegate.doctor import home, log, services, users
from tidegate.doctor.findings import Finding, State, unchecked, wrong


def doctor(*, as_json: bool = output.JSON) -> None:
    """Look at everything and say what is wrong and how to cure it; exit 1 when something is.

    Example: tidegate doctor --json
    """
    findings = asyncio.run(_looked_at(read_environment()))
    if as_json:
        output.as_json({"findings": [{**_told(one)} for one in findings]})
    else:
        _show(findings)
    if any(one.state is State.WRONG for one in findings):
        raise typer.Exit(1)


async def _looked_at(found: Environment) -> list[Finding]:
    findings = [*home.looked_at(found)]
    findings += await _over_nats(found)
    try:
        findings += await asyncio.to_thread(lambda: list(services.processes(found)))
    except SettingsError as error:
        findings.append(wrong("gateway", "gateway_absent", str(error)))
    return findings


async def _over_nats(found: Environment) -> list[Finding]:
    rest = unchecked("log", "streams, pool, balancer, analytics: only the user auditor may ask")
    try:
        nats_urls(found, "auditor")
    except SettingsError as error:
        if "TIDEGATE_NATS_URL" in str(error):
            return [wrong("nats", "nats_unreachable", str(error)), rest]
        return [unchecked("nats", str(error)), rest]
    try:
        client = await connect_as(found, "auditor")
    except SettingsError as error:
        code = "nats_password_wrong" if "uthorization" in str(error) else "nats_unreachable"
        return [wrong("nats", code, str(error)), rest]
    try:
        return [
            *await users.looked_at(found),
            *await _of_the_log(client, found),
            *await services.looked_at(
                client, make_clock(found.clock_offset_file), made_up=_may_be_made_up(found)
            ),
        ]
    finally:
        await client.close()


def _may_be_made_up(found: Environment) -> bool:
    """Tell whether nobody wrote where sessions come from."""
    try:
        return load(found).pool.provisioner.kind is None
    except SettingsError:
        return False


async def _of_the_log(client: Client, found: Environment) -> list[Finding]:
    try:
        return await log.looked_at(client, found, make_clock(found.clock_offset_file))
    except LogUnavailableError as error:
        return [wrong("streams", "stream_unreadable", f"the log cannot be read: {error}")]


def _told(one: Finding) -> dict[str, str]:
    return {
        "area": one.area,
        "state": str(one.state),
        "code": one.code,
        "message": one.message,
        "cure": one.cure,
    }


def _show(findings: Iterable[Finding]) -> None:
    found = list(findings)
    output.table(
        ("area", "state", "what"),
        [(one.area, str(one.state), one.message) for one in found],
        kept=range(3),
    )
    for one in found:
        if one.code:
            output.say()
            output.line(f"{one.code} ({one.area}): {one.message}")
            output.say(f"  {one.cure}")
    counted = Counter(str(one.state) for one in found)
    output.say("\n" + ", ".join(f"{counted[str(state)]} {state}" for state in State))
