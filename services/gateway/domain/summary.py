"""What headers and the log line say of a request: what it is, where it was served, how long."""

from collections.abc import Mapping

import msgspec

from contracts.base import ServerId, ServiceType, SessionId


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say; at first nothing."""

    service_type: ServiceType = ServiceType("")
    """Empty until it is found."""
    session_id: SessionId | None = None
    session_label: str = ""
    """What operators call it: for the log line alone."""
    remaining: Mapping[ServiceType, int] | None = None
    """What the leased session has left; None where that is not known."""
    server_id: ServerId = ServerId("")
    server_region: str = ""
    attempts_made: int = 0
    lease_ms: float = 0.0
    first_byte_ms: float = 0.0
    traced: bool = False
    """Whether the log is told of an error that the client is answered."""
    queue_position: int | None = None
    """Of one that has waited for a session: where it stood when that was told last."""
    queue_eta_s: float | None = None


NOTHING_YET = Summary()
