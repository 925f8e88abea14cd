"""What the pool and the log are told of a client's request."""

import hmac
from datetime import datetime

from contracts.base import GatewayId, KeyId
from contracts.pool import SessionRequested
from services.gateway.clients.origin import stored_address, stored_agent
from services.gateway.clients.request import Request, RoutedRequest
from services.gateway.domain.texts import cut_text
from services.gateway.relay.course.facts import CallFacts
from services.gateway.relay.course.steps import AskLease
from services.gateway.settings import StoredForm


def call_of(routed: RoutedRequest, attempts_max: int) -> CallFacts:
    """Say what the client asks for, for the course of its request."""
    request = routed.request
    return CallFacts(
        request_id=request.request_id,
        key_id=routed.key.key_id,
        service_type=routed.service_type,
        units=routed.units,
        per_item=routed.per_item,
        path=cut_text(request.path),
        model=cut_text(routed.model),
        client_request_id=cut_text(request.client_request_id),
        bytes_in=request.content_length or 0,
        attempts_max=1 if routed.only else attempts_max,
        started_s=request.started,
        weight=routed.key.bounds.weight,
        wait_s=routed.wait_s,
    )


def affinity_of(identity_key: str, key_id: KeyId, said: str) -> str:
    """Hash what a client says of `X-Session-Affinity`: 12 bytes, in hex; other keys' differ.

    Nobody who reads the log can tell what was said, nor whether two keys said the same.
    """
    if not said:
        return ""
    text = f"{key_id}\0{said}".encode()
    return hmac.digest(identity_key.encode(), text, "sha256")[:12].hex()


def session_requested(
    call: CallFacts,
    request: Request,
    step: AskLease,
    gateway_id: GatewayId,
    asked_at: datetime,
    stored: StoredForm,
    affinity: str = "",
) -> SessionRequested:
    """Say which lease is wanted; `stored` is how much of the client the log may keep."""
    return SessionRequested(
        request_id=call.request_id,
        number=step.number,
        service_type=call.service_type,
        units=call.units,
        asked_at=asked_at,
        gateway_id=gateway_id,
        key_id=call.key_id,
        path=call.path,
        model=call.model,
        client_request_id=call.client_request_id,
        client_address=stored_address(request.client_address, stored),
        user_agent=stored_agent(request.user_agent, stored),
        avoid_sessions=list(step.avoid_sessions),
        avoid_servers=list(step.avoid_servers),
        avoid_regions=list(step.avoid_regions),
        affinity=affinity,
        weight=call.weight,
        wait_ms=step.wait_ms,
        waiting_since=step.waiting_since,
    )
