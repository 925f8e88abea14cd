"""Pools that grow: their sizes, who made their sessions, and what became of these."""

from datetime import UTC, datetime
from typing import Any

from contracts.base import RequestId, ServerId, SessionId
from contracts.events import AnyEvent
from contracts.pool import SessionAdded, SessionChanged, SessionStatus, SessionSuspected
from services.pool.domain import Pool
from services.pool.domain.evolve.fold import evolve
from tests.unit.pool.builders import (
    AVATAR,
    NOON,
    after,
    lease_granted,
    policy_changed,
    session_added,
    session_requested,
    usage,
)

MIDNIGHT = datetime(2025, 3, 2, tzinfo=UTC)
LATER = after(7200)
"""When nobody is new any more."""


def sized(minimum: int, maximum: int = 500, share: float = 0.2, **fields: Any) -> AnyEvent:
    """A policy of these sizes; `share` is its `refresh_threshold`."""
    return policy_changed(min_size=minimum, max_size=maximum, refresh_threshold=share, **fields)


def provisioned(name: str, origin: str = "http") -> SessionAdded:
    """One that the provisioner made."""
    return session_added(name, origin=origin, by="provisioner")


def with_status(name: str, value: SessionStatus, reason: str = "") -> SessionChanged:
    """It has this status now."""
    return SessionChanged(session_id=SessionId(name), status=value, reason=reason)


def login_expired(name: str) -> SessionChanged:
    """It was disabled, for its login was refused twice."""
    return with_status(name, SessionStatus.DISABLED, "login_expired")


def under_suspicion(name: str) -> SessionSuspected:
    """A server called its login expired."""
    return SessionSuspected(
        session_id=SessionId(name), server_id=ServerId("s"), request_id=RequestId("")
    )


def use_avatars(pool: Pool, *names: str, at: datetime = NOON) -> None:
    """Use the one avatar that each of these has."""
    for name in names:
        lease = lease_granted(name, AVATAR, f"use-{name}")
        for event in (session_requested(AVATAR, f"use-{name}"), lease, usage(lease)):
            evolve(pool, event, at, 2)
    pool.commit()
