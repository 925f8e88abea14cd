"""After risk control a server rests for the whole type, and its calls keep apart."""

from datetime import datetime

import msgspec
import pytest

from contracts.balancer import NoServer, Selected, ServerChanged
from contracts.base import LeaseId, RequestId, ServerId, ServiceType
from contracts.pool import Attempt, Outcome, UsageRecorded, Verdict
from services.balancer.domain import Balancer, observe_envelope, select_server, server_views
from tests.unit.balancer.builders import (
    AVATAR,
    IMAGE,
    NOON,
    ONE,
    SESSION,
    after,
    pool_envelope,
    server,
    wanted,
    well,
)


def speaking(*names: str, dialect: str = "jimeng") -> Balancer:
    """Servers of a dialect, up and able to do everything."""
    balancer = well(*names)
    for name in names:
        other = msgspec.structs.replace(server(name), dialect=dialect)
        balancer.take_event(ServerChanged(server=other))
    return balancer


def end_image(balancer: Balancer, name: str, verdict: Verdict, now: datetime) -> None:
    """One image of a lease that the balancer never placed."""
    usage = UsageRecorded(
        lease_id=LeaseId("other.1"),
        request_id=RequestId("other"),
        session_id=SESSION,
        service_type=IMAGE,
        outcome=Outcome.RELEASED,
        verdict=verdict,
        attempts=[Attempt(server_id=ServerId(name), verdict=verdict, status=200)],
    )
    observe_envelope(balancer, pool_envelope(usage), now)


def named_at(balancer: Balancer, now: datetime, kind: ServiceType = IMAGE) -> str:
    """Whom a selection names now; the reason when nobody."""
    answer = select_server(balancer, wanted("", kind), ONE, now)
    return answer.server_id if isinstance(answer, Selected) else answer.reason


def test_who_only_asks_takes_no_turn_and_is_not_in_flight() -> None:
    balancer = speaking("a")
    end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)
    only_asked = msgspec.structs.replace(wanted("", IMAGE), only_ask=True)

    assert isinstance(select_server(balancer, only_asked, ONE, after(1)), NoServer)
    for _ in range(2):
        assert isinstance(select_server(balancer, only_asked, ONE, after(31)), Selected)
    assert named_at(balancer, after(31)) == "a"
    assert isinstance(select_server(balancer, only_asked, ONE, after(31)), NoServer)


def test_server_rests_for_half_a_minute_and_takes_one_call_in_each_from_then_on() -> None:
    balancer = speaking("a")
    end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)

    assert named_at(balancer, after(1)) == "a: rests 29 s after risk control"
    assert named_at(balancer, after(31)) == "a"
    assert named_at(balancer, after(32)) == "a: rests 29 s after risk control"
    assert named_at(balancer, after(61)) == "a"


def test_other_types_and_other_servers_are_left_alone() -> None:
    balancer = speaking("a", "b")
    end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)

    assert {named_at(balancer, after(1)) for _ in range(3)} == {"b"}
    assert {named_at(balancer, after(1), AVATAR) for _ in range(4)} == {"a", "b"}


def test_each_further_risk_control_doubles_the_distance_up_to_ten_minutes() -> None:
    balancer = speaking("a")
    for _ in range(2):
        end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)

    assert named_at(balancer, after(59)) == "a: rests 1 s after risk control"

    for _ in range(10):
        end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)

    assert named_at(balancer, after(599)) == "a: rests 1 s after risk control"
    assert named_at(balancer, after(600)) == "a"


def test_success_ends_it() -> None:
    balancer = speaking("a")
    end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)

    end_image(balancer, "a", Verdict.SUCCESS, after(1))

    assert named_at(balancer, after(1)) == "a"
    end_image(balancer, "a", Verdict.SUCCESS, after(2))
    assert named_at(balancer, after(2)) == "a"


@pytest.mark.parametrize("verdict", [Verdict.RATE_LIMITED, Verdict.LOGIN_EXPIRED])
def test_what_is_said_of_a_session_alone_slows_nobody_down(verdict: Verdict) -> None:
    balancer = speaking("a")

    end_image(balancer, "a", verdict, NOON)

    assert named_at(balancer, after(1)) == "a"


def test_of_a_plain_server_nothing_of_that_kind_is_known() -> None:
    balancer = speaking("a", dialect="plain")

    end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)

    assert named_at(balancer, after(1)) == "a"


def test_server_that_moved_begins_without() -> None:
    balancer = speaking("a")
    end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)

    moved = msgspec.structs.replace(server("a", url="http://b:9000"), dialect="jimeng")
    balancer.take_event(ServerChanged(server=moved))

    assert balancer.standings[ServerId("a")].paces == {}


def test_operators_see_how_long_it_rests() -> None:
    balancer = speaking("a")
    end_image(balancer, "a", Verdict.RISK_CONTROL, NOON)

    (seen,) = server_views(balancer, after(10))

    assert seen.reason == "rests 20 s after risk control (image)"
    assert isinstance(select_server(balancer, wanted("r.1"), ONE, after(10)), NoServer)


def test_caller_hears_when_the_first_of_those_that_rest_takes_a_call_again() -> None:
    balancer = speaking("a", "b")
    for name, second in (("a", 0), ("b", 12)):
        end_image(balancer, name, Verdict.RISK_CONTROL, after(second))

    def told(*avoid: str, dialects: tuple[str, ...] = ()) -> float:
        asked = msgspec.structs.replace(wanted(avoid=avoid), dialects=[*dialects])
        answer = select_server(balancer, asked, ONE, after(20))
        assert isinstance(answer, NoServer)
        return answer.rests_s

    assert told() == 10
    assert told("a") == 22
    assert told("a", "b") == 0
    assert told(dialects=("drraw",)) == 0
