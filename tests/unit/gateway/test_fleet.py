"""Which dialects may be asked for a service type, as the log has the servers."""

import msgspec

from contracts.balancer import ServerChanged, ServerRemoved, StrategyChanged
from contracts.base import ServerId, ServiceType
from services.gateway.domain.fleet import KnownFleet
from tests.unit.balancer.builders import added, pool_envelope, server

IMAGE, VIDEO = ServiceType("image"), ServiceType("video")


def test_nobody_is_known_to_speak_anything_but_plain() -> None:
    assert KnownFleet().dialects_for(IMAGE) == {"plain"}


def test_dialects_are_those_of_the_servers_that_can_do_it() -> None:
    fleet = KnownFleet()
    speaking = msgspec.structs.replace(server("b", ("image",)), dialect="jimeng")
    fleet.apply_envelope(pool_envelope(added("a"), ServerChanged(server=speaking)))

    assert fleet.dialects_for(IMAGE) == {"plain", "jimeng"}
    assert fleet.dialects_for(VIDEO) == {"plain"}

    fleet.apply_envelope(pool_envelope(ServerRemoved(server_id=ServerId("a"))))

    assert fleet.dialects_for(IMAGE) == {"jimeng"}
    assert fleet.dialects_for(VIDEO) == {"plain"}
    fleet.apply_envelope(pool_envelope(StrategyChanged(strategy="round_robin", reason="")))
    assert fleet.dialects_for(IMAGE) == {"jimeng"}


def test_servers_are_told_in_the_order_in_which_they_came() -> None:
    fleet = KnownFleet()
    fleet.apply_envelope(pool_envelope(added("b"), added("a")))

    assert [one.server_id for one in fleet.all_servers()] == ["b", "a"]
