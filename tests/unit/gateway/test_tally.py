"""Calls refused by a gateway, counted a minute at a time."""

from datetime import timedelta

from contracts.base import GatewayId, KeyId, ServiceType
from contracts.pool import CallsRefused
from services.gateway.domain.tally import RefusalCounts
from tests.moments import NOON

KEY, NOTHING = KeyId("k"), ServiceType("")


def counted(*seconds: float, code: str = "rate_limit_exceeded", key: KeyId = KEY) -> RefusalCounts:
    tally = RefusalCounts(GatewayId("g"))
    for at in seconds:
        tally.count_refusal((key, NOTHING, code), 429, NOON + timedelta(seconds=at))
    return tally


def test_a_minute_is_one_event_for_each_key_type_and_code() -> None:
    tally = counted(0, 10, 59)
    tally.count_refusal((KEY, NOTHING, "invalid_request"), 400, NOON)
    tally.count_refusal((KEY, ServiceType("image"), "invalid_request"), 400, NOON)
    tally.count_refusal((KeyId("other"), NOTHING, "invalid_request"), 400, NOON)

    told = tally.take_due(NOON + timedelta(seconds=60))

    assert [(one.key_id, one.service_type, one.code, one.count) for one in told] == [
        ("k", "", "rate_limit_exceeded", 3),
        ("k", "", "invalid_request", 1),
        ("k", "image", "invalid_request", 1),
        ("other", "", "invalid_request", 1),
    ]
    assert told[0] == CallsRefused(
        gateway_id=GatewayId("g"),
        key_id=KEY,
        code="rate_limit_exceeded",
        status=429,
        count=3,
        since=NOON,
        until=NOON + timedelta(seconds=59),
    )
    assert tally.take_due(NOON + timedelta(hours=1)) == []


def test_nothing_is_told_before_its_minute_is_over_unless_everything_is() -> None:
    tally = counted(0)

    assert tally.take_due(NOON + timedelta(seconds=59)) == []
    assert len(tally.take_due(NOON + timedelta(seconds=59), everything=True)) == 1


def test_a_minute_begins_with_the_first_call_and_ends_when_it_is_taken() -> None:
    tally = RefusalCounts(GatewayId("g"))
    sort = KEY, NOTHING, "invalid_request"
    begun = [tally.is_counting(sort)]

    tally.count_refusal(sort, 400, NOON)
    begun.append(tally.is_counting(sort))
    tally.take_due(NOON, everything=True)
    begun.append(tally.is_counting(sort))

    assert begun == [False, True, False]
