"""Which events of the pool have a line in its own log."""

import structlog

from contracts.base import QuotaDay, RequestId, ServerId, ServiceType, SessionId
from contracts.pool import (
    CredentialsRefused,
    PoolEvent,
    QuotaObserved,
    SessionChanged,
    SessionRecovered,
    SessionStatus,
    SessionSuspected,
)
from runtime.process.logs import Log
from services.pool.commits.remarks import log_remarkable
from tests.unit.pool.builders import lease_granted, session_added

ONE, KEY = SessionId("one"), "key_1"
SUSPECTED = SessionSuspected(session_id=ONE, server_id=ServerId("s1"), request_id=RequestId("r1"))
DISABLED = SessionStatus.DISABLED


def test_sessions_that_are_lost_or_come_back_have_a_line_and_those_of_operators_none() -> None:
    day, image = QuotaDay("2026-01-01"), ServiceType("image")
    events: list[PoolEvent] = [
        session_added(),
        lease_granted(),
        SUSPECTED,
        SessionChanged(session_id=ONE, status=DISABLED, reason="login_expired", by="pool"),
        SessionChanged(session_id=ONE, status=DISABLED, by=KEY),
        SessionChanged(session_id=ONE, limits={image: 3}, by="pool"),
        SessionRecovered(session_id=ONE, reason="trial_succeeded"),
        SessionRecovered(session_id=ONE, reason="cleared", by=KEY),
        QuotaObserved(session_id=ONE, service_type=image, quota_day=day),
        CredentialsRefused(suspects=1, disabled=0),
    ]

    with structlog.testing.capture_logs() as lines:
        logger: Log = structlog.get_logger()
        log_remarkable(logger, events)

    assert [(line["event"], line["type"]) for line in lines] == [
        ("journalled", "session_suspected"),
        ("journalled", "session_changed"),
        ("journalled", "session_recovered"),
        ("journalled", "quota_observed"),
        ("journalled", "credentials_refused"),
    ]
    assert lines[0]["server_id"] == "s1"
    assert lines[1]["reason"] == "login_expired"
