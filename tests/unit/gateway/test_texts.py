"""How much of a stranger's text is told to the log."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec import json

from contracts.base import GatewayId, KeyId, ServiceType
from contracts.gateway import KeyBounds
from contracts.pool import Granted, Outcome, Verdict
from services.gateway.clients.keys import Key, KeyScope
from services.gateway.clients.origin import stored_agent
from services.gateway.clients.request import Request, RoutedRequest
from services.gateway.domain.errors import GatewayError
from services.gateway.domain.texts import MESSAGE_BYTES_MAX, TEXT_BYTES_MAX, cut_text
from services.gateway.relay.asking import call_of, session_requested
from services.gateway.relay.course.endings import usage_of
from services.gateway.relay.course.facts import Held, Trail
from services.gateway.relay.course.steps import AskLease
from tests.unit.gateway.courses import pool_grants

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
LEASE = pool_grants().answer
assert isinstance(LEASE, Granted)
HELD = Held(LEASE, 10.0)
ANY = some.text(some.characters(exclude_categories=["Cs"]), max_size=60)
ODD = some.text('a"\\\n\x01\x1f\x7fé漢😀', max_size=60)


def bytes_of(text: str) -> int:
    """What a text takes between its quotes."""
    return len(json.encode(text)) - 2


@given(text=ANY | ODD, bytes_max=some.integers(0, 80))
def test_as_many_characters_are_kept_as_fit(text: str, bytes_max: int) -> None:
    cut = cut_text(text, bytes_max)

    assert text.startswith(cut)
    assert bytes_of(cut) <= bytes_max
    if cut != text:
        assert bytes_of(text[: len(cut) + 1]) > bytes_max


@pytest.mark.parametrize("text", ["", "jimeng-4.0", "x" * TEXT_BYTES_MAX, "漢" * 42, "\x01" * 21])
def test_what_fits_is_told_as_it_is(text: str) -> None:
    assert cut_text(text) == text
    assert cut_text(text + "x" * TEXT_BYTES_MAX)[: len(text)] == text


@pytest.mark.parametrize("character", ["a", '"', "\x01", "\xff", "\U00010000"])
def test_a_call_takes_as_much_of_the_log_whatever_its_texts_are_made_of(character: str) -> None:
    """One call whose every text is far too long: what is told at its beginning and its end."""
    said = (character * 300).encode("latin-1", "replace")
    scope = {
        "method": "POST",
        "path": character * 300,
        "query_string": b"",
        "headers": [(b"x-request-id", said), (b"user-agent", said)],
    }
    request = Request(scope)
    key = Key(key_id=KeyId("key"), name="", scope=KeyScope.CLIENT, bounds=KeyBounds(), hash="")
    routed = RoutedRequest(
        request=request,
        key=key,
        model=character * 300,
        service_type=ServiceType("image"),
        units=1,
        per_item=False,
    )
    call = call_of(routed, 3)
    wanted = AskLease(number=1, avoid_sessions=(), avoid_servers=(), previous=None)
    asked = session_requested(call, request, wanted, GatewayId("g"), NOON, "full")
    error = GatewayError("invalid_request", character * 300)
    usage = usage_of(
        call, Trail(), HELD, Outcome.RELEASED, Verdict.REJECTED, 1.0, error=error, status=400
    )

    for told in (asked, usage):
        assert bytes_of(told.path + told.model + told.client_request_id) <= 3 * TEXT_BYTES_MAX
    assert bytes_of(asked.user_agent) <= MESSAGE_BYTES_MAX
    assert bytes_of(usage.error_message) <= MESSAGE_BYTES_MAX
    assert stored_agent(request.user_agent, "truncated") == cut_text(request.user_agent, 64)
