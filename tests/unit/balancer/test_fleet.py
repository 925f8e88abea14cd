"""The fleet as a fold, and how the file and administrators change it."""

from datetime import timedelta

import pytest

from contracts.balancer import (
    Health,
    PutServer,
    RemoveServer,
    Server,
    ServerAdded,
    ServerChanged,
    ServerEjected,
    ServerReadmitted,
    ServerRemoved,
    SetStrategy,
    StrategyChanged,
)
from contracts.base import Event, Failed, LeaderElected, ServerId, ServiceType, WriterId
from services.balancer.domain import (
    Fleet,
    administration_events,
    configuration_digest,
    configuration_events,
    evolve,
)
from services.balancer.domain.fleet.digests import entry_digest
from tests.moments import NOON
from tests.unit.balancer.builders import added, configured, down, server, strategy, up

A = ServerId("a")


def fleet(*events: Event) -> Fleet:
    state = Fleet()
    for event in events:
        state = evolve(state, event)
    return state


def applied(state: Fleet, by: str, *servers: Server) -> Fleet:
    for event in configuration_events(state, configured(by, servers)):
        state = evolve(state, event)
    return state


def ejected() -> ServerEjected:
    until = NOON + timedelta(seconds=30)
    return ServerEjected(server_id=A, until=until, times=1, reason="test")


def test_new_server_is_down_until_probed() -> None:
    assert not fleet(added("a")).members[A].is_healthy
    assert fleet(added("a"), up("a")).members[A].is_healthy
    assert fleet(added("a"), up("a"), down("a")).members[A].health is Health.DOWN


def test_ejected_server_is_not_healthy_until_readmitted() -> None:
    out = fleet(added("a"), up("a"), ejected())
    back = evolve(out, ServerReadmitted(server_id=A))

    assert not out.members[A].is_healthy
    assert back.members[A].is_healthy
    ejection = back.members[A].ejections[ServiceType("")]
    assert (ejection.times, ejection.until) == (1, ejected().until)


def test_changed_server_keeps_its_health_only_at_the_same_address() -> None:
    before = fleet(added("a"), up("a"))

    heavier = evolve(before, ServerChanged(server=server("a", weight=5)))
    moved = evolve(before, ServerChanged(server=server("a", url="http://elsewhere")))

    assert heavier.members[A].is_healthy
    assert heavier.members[A].server.weight == 5
    assert not moved.members[A].is_healthy


def test_events_of_unknown_servers_and_others_change_nothing() -> None:
    state = fleet(added("a"))

    assert evolve(state, up("b")) is state
    assert evolve(state, LeaderElected(writer=WriterId("w"), epoch=2)) is state
    assert evolve(state, ServerRemoved(server_id=ServerId("b"))).members == state.members


def test_first_configuration_adds_what_it_names() -> None:
    servers = [server("a"), server("b")]

    events = configuration_events(Fleet(), configured("round_robin", servers))

    source = configuration_digest(configured("round_robin", servers))

    assert events == [
        ServerAdded(server=one, source=source, entry=entry_digest(one)) for one in servers
    ] + [
        StrategyChanged(
            strategy="round_robin",
            reason="configuration",
            source=source,
            entry=entry_digest("round_robin"),
        )
    ]


def test_configuration_is_applied_once() -> None:
    state = applied(Fleet(), "round_robin", server("a"))

    assert configuration_events(state, configured("round_robin", [server("a")])) == []


def test_order_of_servers_in_the_file_is_no_change() -> None:
    one, other = server("a"), server("b")

    assert configuration_digest(configured("round_robin", [one, other])) == configuration_digest(
        configured("round_robin", [other, one])
    )
    assert configuration_digest(configured("round_robin", [one, other])) != configuration_digest(
        configured("least_connections", [one, other])
    )


def test_changed_file_makes_the_fleet_what_it_says() -> None:
    state = applied(Fleet(), "round_robin", server("a"), server("b"), server("c"))

    wanted = configured("round_robin", [server("a"), server("b", weight=2), server("d")])
    source = configuration_digest(wanted)

    events = configuration_events(state, wanted)

    heavier, added_one = server("b", weight=2), server("d")
    assert events == [
        ServerChanged(server=heavier, source=source, entry=entry_digest(heavier)),
        ServerAdded(server=added_one, source=source, entry=entry_digest(added_one)),
        ServerRemoved(server_id=ServerId("c"), source=source),
        StrategyChanged(
            strategy="round_robin",
            reason="configuration",
            source=source,
            entry=entry_digest("round_robin"),
        ),
    ]


def test_file_that_says_what_the_api_made_is_still_remembered() -> None:
    state = evolve(applied(Fleet(), "round_robin"), strategy("least_connections"))

    state = applied(state, "least_connections")

    assert state.source == configuration_digest(configured("least_connections", []))
    assert configuration_events(state, configured("least_connections", [])) == []


def test_administrator_named_like_a_digest_is_no_configuration() -> None:
    state = applied(Fleet(), "round_robin")
    forged = administration_events(state, PutServer(server=server("a"), by="sha256:0"))

    assert not isinstance(forged, Failed)

    assert evolve(state, forged[0]).source == state.source


def test_put_server_adds_changes_or_leaves_as_it_is() -> None:
    state = fleet(added("a"))
    heavier = server("a", weight=2)

    assert administration_events(state, PutServer(server=server("a"), by="k")) == []
    assert administration_events(state, PutServer(server=heavier, by="k")) == [
        ServerChanged(server=heavier, source="by:k")
    ]


def test_removal_of_an_unknown_server_is_refused() -> None:
    state = fleet(added("a"))

    gone = administration_events(state, RemoveServer(server_id=A, by="k"))
    none = administration_events(state, RemoveServer(server_id=ServerId("b"), by="k"))

    assert gone == [ServerRemoved(server_id=A, source="by:k")]
    assert isinstance(none, Failed)
    assert none.code == "not_found"


@pytest.mark.parametrize("name", ["fastest"])
def test_strategy_that_does_not_exist_is_refused(name: str) -> None:
    refused = administration_events(Fleet(), SetStrategy(strategy=name, reason="x", by="k"))

    assert isinstance(refused, Failed)
    assert name in refused.message


def test_strategy_that_is_in_force_already_is_not_journalled_again() -> None:
    state = applied(Fleet(), "round_robin")

    assert (
        administration_events(state, SetStrategy(strategy="round_robin", reason="x", by="k")) == []
    )
