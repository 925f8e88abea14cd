"""The pool's sessions, as it says itself how they are."""

from collections.abc import Iterator
from typing import Any

from contracts.pool import PoolStatusReply
from tidegate.doctor.findings import DoctorFinding, fine, note, wrong


def ciphertext_findings(
    reply: PoolStatusReply, kept: dict[str, Any] | None
) -> Iterator[DoctorFinding]:
    """Compare the sessions of the log with the ciphertexts of the bucket: it never has fewer."""
    if kept is None or "state" not in kept:
        return
    count = kept["state"]["messages"]
    if count < reply.sessions_total:
        message = f"{reply.sessions_total} sessions, but only {count} ciphertexts"
        yield wrong("sessions", "credentials_missing", message)


def session_findings(reply: PoolStatusReply) -> Iterator[DoctorFinding]:
    """Compare the pool's sessions and their units with what is wanted."""
    summary = (
        f"{reply.sessions_active} of {reply.sessions_total} sessions are active, at least"
        f" {reply.min_size} are wanted"
    )
    if reply.refused_since is not None:
        since = f"{reply.refused_since:%Y-%m-%d %H:%M:%S} UTC"
        message = f"no login is believed since {since}: every session is suspect or disabled"
        yield wrong("sessions", "logins_refused", message)
    if (
        reply.sessions_active == 0 < reply.min_size
        or reply.sessions_total > reply.sessions_active == 0
    ):
        yield wrong("sessions", "no_active_session", summary)
    elif reply.sessions_active < reply.min_size:
        yield wrong("sessions", "sessions_short", summary)
    else:
        yield fine("sessions", summary)
    if reply.growth_held:
        yield wrong("sessions", "growth_held", f"{reply.places} hold places; {reply.growth_held}")
    if reply.policy_trouble:
        yield wrong("configuration", "policy_refused", reply.policy_trouble)
    yield fine("pool", f"leads since epoch {reply.epoch}, {reply.open_leases} open leases")
    for service_type, units in reply.remaining.items():
        if units == 0 and reply.sessions_active:
            yield note("sessions", "quota_used_up", f"no unit of {service_type} is left today")
