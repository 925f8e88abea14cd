"""What needs an operator's attention, as far as the answers of pool and balancer tell it. Pure.

The doctor says the same of the same answers, and looks at much more (`tidegate/doctor/`).
"""

from collections.abc import Iterator

from contracts.balancer import BalancerStatusReply, ServerView
from contracts.pool import PoolStatusReply
from runtime.process.findings import DoctorFinding, FindingCode, State, fine, note, wrong
from runtime.texts import count_phrase

_FROM_WORST = (State.WRONG, State.NOTE)
_PROBE_ANSWERED = ("probe: status ", "probe: the body ")
"""How the balancer begins to say that a server answered its probe otherwise than it should."""
_NOT_AT_WORK = ("suspect", "draining", "disabled")
_MANY = 0.8
"""Of the requests that may wait: more are a sign of too few sessions."""


def attention_needed(
    pool: PoolStatusReply | None, balancer: BalancerStatusReply | None, analytics_trouble: str
) -> list[DoctorFinding]:
    """List what is wrong, then what is worth knowing; None is no answer.

    `analytics_trouble` says why the figures are not there; empty when they are.
    """
    findings = [*_pool_findings(pool), *_balancer_findings(balancer)]
    if analytics_trouble:
        findings.append(wrong("analytics", "analytics_absent", analytics_trouble))
    return [finding for state in _FROM_WORST for finding in findings if finding.state is state]


def _pool_findings(reply: PoolStatusReply | None) -> Iterator[DoctorFinding]:
    """Say what the pool's answer shows."""
    if reply is None:
        yield wrong("pool", "pool_no_leader", "nobody answers for the pool")
        return
    if reply.unwritable_s:
        yield unwritable_finding(reply)
    if reply.snapshot_trouble:
        yield note("pool", "snapshot_missing", reply.snapshot_trouble)
    yield from session_findings(reply)


def _balancer_findings(reply: BalancerStatusReply | None) -> Iterator[DoctorFinding]:
    """Say what the balancer's answer shows."""
    if reply is None:
        yield wrong("balancer", "balancer_no_leader", "nobody answers for the balancer")
        return
    yield from choice_findings(reply)
    for view in reply.servers:
        if view.state == "draining":
            yield draining_finding(view)
        if is_down(view):
            message = f"{server_name(view)}: {view.words or view.reason or view.health}"
            yield wrong("servers", out_code(view), message)


def unwritable_finding(reply: PoolStatusReply) -> DoctorFinding:
    """Say that the log takes no writes."""
    message = f"it has taken no write for {reply.unwritable_s:.0f} s: no lease is granted"
    return wrong("log", "log_unwritable", message)


def choice_findings(reply: BalancerStatusReply) -> Iterator[DoctorFinding]:
    """Say what keeps the balancer from choosing as configured."""
    if reply.held is not None:
        held = f"it is held: {reply.held.reason} ({reply.held.digest})"
        yield wrong("configuration", "configuration_held", held)
    if not reply.servers:
        yield wrong("servers", "no_servers", "there is none")
    if reply.pinned:
        pinned = f"{reply.pinned} is pinned: it chooses for every service type"
        yield note("balancer", "strategy_pinned", pinned)
    if reply.strategy_trouble:
        yield wrong("balancer", "strategy_failing", reply.strategy_trouble)


def draining_finding(view: ServerView) -> DoctorFinding:
    """Say that a server is drained."""
    under_way = f"no new exchange begins there, {view.connections} go on"
    return note("servers", "server_draining", f"{server_name(view)} is drained: {under_way}")


def is_down(view: ServerView) -> bool:
    """Whether a server may not be chosen, if only for a service type, by no wish of anybody's."""
    return not view.healthy or any(of_type.state == "ejected" for of_type in view.service_types)


def out_code(view: ServerView) -> FindingCode:
    """Name why a server that `is_down` may not be chosen, by what is to be done about it."""
    match view.state:
        case "silent":
            return "server_silent"
        case "ejected":
            return "server_ejected"
        case "down":
            refused = any(sign in view.words for sign in _PROBE_ANSWERED)
            return "server_probe_refused" if refused else "server_down"
        case _:
            return "server_ejected" if view.healthy else "server_down"


def server_name(view: ServerView) -> str:
    """Name a server by its id and its address."""
    return f"{view.server.server_id} ({view.server.url})"


def session_findings(
    reply: PoolStatusReply, *, size_written: bool = True
) -> Iterator[DoctorFinding]:
    """Compare the pool's sessions and their units with what is wanted.

    Where nobody wrote how many that is (`size_written`), fewer are as they were meant.
    """
    summary = (
        f"{reply.sessions_active:,} of"
        f" {count_phrase(reply.sessions_total, 'session is', 'sessions are')} active or cooling,"
        f" at least {reply.min_size:,} wanted{_absent_phrase(reply)}"
    )
    if reply.refused_since is not None:
        since = f"{reply.refused_since:%Y-%m-%d %H:%M:%S} UTC"
        message = (
            f"no login is believed since {since}: every session that is not used up is suspect or"
            " disabled"
        )
        yield wrong("sessions", "logins_refused", message)
    if (
        reply.sessions_active == 0 < reply.min_size
        or reply.sessions_total > reply.sessions_active == 0
    ):
        yield wrong("sessions", "no_active_session", summary)
    elif reply.sessions_active < reply.min_size:
        short = wrong if size_written else note
        yield short("sessions", "sessions_short", summary)
    else:
        yield fine("sessions", summary)
    yield from _growth_findings(reply)
    if reply.policy_trouble:
        yield wrong("configuration", "policy_refused", reply.policy_trouble)
    open_leases = count_phrase(reply.open_leases, "open lease")
    waiting = count_phrase(reply.waiting, "request waits for one", "requests wait for one")
    leases = f"{open_leases}, {waiting}"
    yield fine("pool", f"leads since epoch {reply.epoch}, {leases}")
    if reply.waiting > reply.queue_max * _MANY > 0:
        waiting = count_phrase(reply.waiting, "request waits", "requests wait")
        message = f"{waiting} for a session, {reply.queue_max:,} may"
        yield wrong("pool", "queue_full", message)
    yield from _unit_findings(reply)


def _absent_phrase(reply: PoolStatusReply) -> str:
    """Say what the others are, where it was asked for: `; 1 suspect, 2 disabled`."""
    states = reply.overview.states if reply.overview is not None else {}
    others = [f"{states[name]:,} {name}" for name in _NOT_AT_WORK if states.get(name)]
    return f"; {', '.join(others)}" if others else ""


def _growth_findings(reply: PoolStatusReply) -> Iterator[DoctorFinding]:
    """Say why sessions that are lacking are not made, and which credentials make none."""
    if reply.growth_held:
        places = count_phrase(reply.places, "holds a place", "hold places")
        yield wrong("sessions", "growth_held", f"{places}; {reply.growth_held}")
    if reply.supply_trouble:
        yield wrong("sessions", "provisioner_failing", reply.supply_trouble)
    elif reply.credentials_trouble:
        yield wrong("sessions", "credentials_refused", reply.credentials_trouble)


def _unit_findings(reply: PoolStatusReply) -> Iterator[DoctorFinding]:
    """Say what keeps units, or sessions, from whoever asks for them."""
    overview = reply.overview
    if overview is not None and overview.unrenewed_until is not None:
        held = count_phrase(overview.unrenewed_leases, "lease", "leases")
        left_s = (overview.unrenewed_until - reply.now).total_seconds()
        message = (
            f"{held} of gateways that are gone or hang: their sessions are free again"
            f" in {max(left_s, 0):.0f} s at the latest"
        )
        yield note("pool", "leases_unrenewed", message)
    for service_type, units in reply.remaining.items():
        withheld = reply.withheld.get(service_type, 0)
        if units == 0 and withheld:
            left = count_phrase(
                withheld, f"unit of {service_type} is", f"units of {service_type} are"
            )
            message = f"{left} left today, of sessions that drain or are suspect alone"
            yield note("sessions", "units_withheld", message)
        elif units == 0 and reply.sessions_active:
            yield note("sessions", "quota_used_up", f"no unit of {service_type} is left today")
