"""`tidegate doctor`: home, users, log and services looked at, and what was found told."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence

import typer
from nats.aio.client import Client
from nats.errors import Error as NatsError

from runtime.addresses import system_words
from runtime.clock import make_clock
from runtime.environment import Environment, read_environment
from runtime.eventlog import LogError, LogUnavailableError
from runtime.nats.connection import UnansweredError, connect_as, nats_urls
from runtime.process.findings import DoctorFinding, FindingCode, State, unchecked, wrong
from runtime.settings import SettingsError
from runtime.texts import count_phrase
from tidegate.configuration import load_configuration, names_setting
from tidegate.console import output
from tidegate.console.tables import TableShape
from tidegate.doctor import calls, home, log, rotation, services, users


def doctor(
    *,
    everything: bool = typer.Option(
        False, "--all", help="On a terminal, name what is fine, too; a pipe has it in any case."
    ),
    as_json: bool = output.JSON,
) -> None:
    """Look at everything and say what is wrong and how to cure it; exit 1 when something is.

    On a terminal it says whether a call would succeed and what is not fine, and counts the rest.

    Example: tidegate doctor --json
    """
    findings = asyncio.run(_all_findings(read_environment()))
    if as_json:
        output.print_json({"findings": [{**_as_fields(finding)} for finding in findings]})
    else:
        short = not everything and output.terminal_width() is not None
        _show_findings(findings, short=short)
    if any(finding.state is State.WRONG for finding in findings):
        raise typer.Exit(1)


async def _all_findings(environment: Environment) -> list[DoctorFinding]:
    findings = [*home.home_findings(environment)]
    findings += await _nats_findings(environment)
    try:
        findings += await asyncio.to_thread(lambda: list(services.process_findings(environment)))
    except SettingsError as error:
        findings.append(wrong("gateway", "gateway_absent", str(error)))
    looking = asyncio.to_thread(calls.call_findings)
    # What the home shows of the pool's files, the pool may say in the same words.
    return [*dict.fromkeys([*findings, *await _looked_at(calls.AREA, looking)])]


async def _looked_at(area: str, looking: Awaitable[Sequence[DoctorFinding]]) -> list[DoctorFinding]:
    """What a look came to; of one that broke off, why: the others are told all the same."""
    try:
        return list(await looking)
    except (UnansweredError, LogError, NatsError, OSError) as error:
        why = system_words(error) or type(error).__name__
        return [unchecked(area, f"the look at it broke off ({why}): say `tidegate doctor` again")]


async def _nats_findings(environment: Environment) -> list[DoctorFinding]:
    """Look at everything that is asked over NATS, as far as the user auditor may."""
    rest = unchecked("log", "streams, pool, balancer, analytics: only the user auditor may ask")
    try:
        nats_urls(environment, "auditor")
    except SettingsError as error:
        if "TIDEGATE_NATS_URL" in str(error):
            return [wrong("nats", "nats_unreachable", str(error)), rest]
        return [unchecked("nats", str(error)), rest]
    try:
        client = await connect_as(environment, "auditor")
    except SettingsError as error:
        refused = "uthorization" in str(error)
        code: FindingCode = "nats_password_wrong" if refused else "nats_unreachable"
        return [wrong("nats", code, str(error)), rest]
    try:
        return [
            *await _looked_at("permissions", users.user_findings(environment)),
            *await _looked_at("streams", _log_findings(client, environment)),
            *await _looked_at("keys", rotation.rotation_findings(client)),
            *await _looked_at(
                "services",
                services.service_findings(
                    client,
                    make_clock(environment.clock_offset_file),
                    made_up=_may_be_made_up(environment),
                    size_written=_is_size_written(environment),
                ),
            ),
        ]
    finally:
        await client.close()


def _may_be_made_up(environment: Environment) -> bool:
    """Tell whether nobody wrote where sessions come from."""
    try:
        return load_configuration(environment).pool.provisioner.kind is None
    except SettingsError:
        return False


def _is_size_written(environment: Environment) -> bool:
    """Tell whether somebody wrote how many sessions there are to be; the default is nobody's."""
    try:
        return names_setting(environment, "pool", "min_size")
    except SettingsError:
        return True


async def _log_findings(client: Client, environment: Environment) -> list[DoctorFinding]:
    try:
        return await log.log_findings(
            client, environment, make_clock(environment.clock_offset_file)
        )
    except LogUnavailableError as error:
        return [wrong("streams", "stream_unreadable", f"the log cannot be read: {error}")]


def _as_fields(finding: DoctorFinding) -> dict[str, str]:
    return {
        "area": finding.area,
        "state": str(finding.state),
        "code": finding.code,
        "message": finding.message,
        "cure": finding.cure,
    }


def _show_findings(findings: Sequence[DoctorFinding], *, short: bool) -> None:
    """Print what was found; `short`: of what is fine, calls alone."""
    listed = [finding for finding in findings if not short or _is_notable(finding)]
    output.print_table(
        ("area", "state", "what"),
        [(finding.area, str(finding.state), finding.message) for finding in listed],
        shape=TableShape(kept=range(3)),
    )
    # What is cured by the same stands together, above its cure.
    by_code: dict[str, list[DoctorFinding]] = {}
    for finding in listed:
        if finding.code:
            by_code.setdefault(finding.code, []).append(finding)
    for alike in by_code.values():
        output.print_text()
        said = [f"{finding.code} ({finding.area}): {finding.message}" for finding in alike]
        output.print_indented([*said, f"  {alike[0].cure}"])
    counted = Counter(finding.state for finding in findings)
    words = {state: f"{counted[state]} {state}" for state in State}
    words[State.NOTE] = count_phrase(counted[State.NOTE], "note")
    output.print_text("\n" + ", ".join(words.values()))
    if left_out := len(findings) - len(listed):
        checks = count_phrase(left_out, "check is fine and", "checks are fine and")
        output.print_text(f"{checks} not listed: --all lists {'it' if left_out == 1 else 'them'}")


def _is_notable(finding: DoctorFinding) -> bool:
    """Whether somebody wants to read it: whether calls would succeed, and whatever is not fine."""
    return finding.state is not State.FINE or finding.area == calls.AREA
