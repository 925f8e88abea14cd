"""A configuration that would take servers away in silence is held until somebody accepts it."""

import pytest
from msgspec.structs import replace

from contracts.balancer import (
    ConfigurationAccepted,
    HeldConfiguration,
    PutServer,
    Server,
    ServerAdded,
)
from contracts.base import Failed, ServerId
from services.balancer.domain import (
    Fleet,
    administration_events,
    configuration_digest,
    configuration_events,
    configuration_hold,
    evolve,
    own_servers,
)
from tests.unit.balancer.builders import configured, server

BY = "round_robin"
DEMO = [server("server-1", weight=3), server("server-2")]
MOVED = [server("server-1", weight=3, url="http://server-1:4711"), DEMO[1]]


def configured_as(fleet: Fleet, *servers: Server, demo: bool = False) -> Fleet:
    for event in configuration_events(fleet, configured(BY, servers, demo=demo)):
        fleet = evolve(fleet, event)
    return fleet


def put(fleet: Fleet, one: Server) -> Fleet:
    events = administration_events(fleet, PutServer(server=one, by="key_1"))
    assert isinstance(events, list)
    for event in events:
        fleet = evolve(fleet, event)
    return fleet


OWN = configured_as(Fleet(), server("a"), server("b"))


@pytest.mark.parametrize(("servers", "demo"), [([], False), (DEMO, True), ([server("a")], False)])
def test_an_empty_log_is_never_held(servers: list[Server], *, demo: bool) -> None:
    assert configuration_hold(Fleet(), configured(BY, servers, demo=demo)) is None


def test_configuration_after_which_no_server_would_remain_is_held() -> None:
    assert configuration_hold(OWN, configured(BY, [])) == HeldConfiguration(
        digest=configuration_digest(configured(BY, [])),
        reason="no server would remain",
        removes=[ServerId("a"), ServerId("b")],
    )


def test_configuration_after_which_only_the_demos_would_remain_is_held() -> None:
    found = configuration_hold(OWN, configured(BY, DEMO, demo=True))

    assert found is not None
    assert found.digest == configuration_digest(configured(BY, DEMO, demo=True))
    assert found.removes == ["a", "b"]


def test_servers_that_the_api_added_beside_the_demos_are_not_taken_away() -> None:
    fleet = put(configured_as(Fleet(), *DEMO, demo=True), server("mine"))

    assert configuration_hold(fleet, configured(BY, MOVED, demo=True)) is None
    moved = configured_as(fleet, *MOVED, demo=True)
    assert {name: member.server.url for name, member in moved.members.items()} == {
        "server-1": MOVED[0].url,
        "server-2": MOVED[1].url,
        "mine": server("mine").url,
    }


@pytest.mark.parametrize(
    ("servers", "demo", "reason"),
    [
        ([], False, "no server of the file would remain"),
        (DEMO, True, "only the demo's servers would remain of the file's"),
    ],
)
def test_servers_of_the_file_are_not_taken_away_in_silence_beside_those_of_the_api(
    servers: list[Server], reason: str, *, demo: bool
) -> None:
    wanted = configured(BY, servers, demo=demo)

    assert configuration_hold(put(OWN, server("mine")), wanted) == HeldConfiguration(
        digest=configuration_digest(wanted), reason=reason, removes=[ServerId("a"), ServerId("b")]
    )


def test_empty_file_takes_nothing_away_where_the_api_brought_all() -> None:
    fleet = put(configured_as(Fleet()), server("mine"))

    assert configuration_hold(fleet, configured("least_connections", [])) is None


def test_demo_goes_on_at_other_ports_and_gives_way_to_servers_of_ones_own() -> None:
    fleet = configured_as(Fleet(), *DEMO, demo=True)

    assert configuration_hold(fleet, configured(BY, MOVED, demo=True)) is None
    assert configuration_hold(fleet, configured(BY, [server("a")])) is None
    assert list(own_servers(fleet)) == []
    assert [name for name, _ in own_servers(configured_as(fleet, server("a")))] == ["a"]


def test_demo_of_an_earlier_version_goes_on_at_other_ports() -> None:
    """Its events do not say that the servers are the demo's."""
    fleet = configured_as(Fleet(), *DEMO)

    assert configuration_hold(fleet, configured(BY, MOVED, demo=True)) is None
    elsewhere = [server("server-1", weight=3, url="http://elsewhere:1"), DEMO[1]]
    assert configuration_hold(fleet, configured(BY, elsewhere, demo=True)) is not None


def test_change_of_one_server_for_another_is_no_loss() -> None:
    assert configuration_hold(OWN, configured(BY, [server("c")])) is None


def test_accepted_digest_is_released_once_and_no_other() -> None:
    wanted = configuration_hold(OWN, configured(BY, []))
    assert wanted is not None
    fleet = evolve(OWN, ConfigurationAccepted(digest=wanted.digest))

    assert configuration_hold(fleet, configured(BY, [])) is None
    assert configuration_hold(fleet, configured(BY, DEMO, demo=True)) is not None

    empty = configured_as(fleet)
    again = configured_as(empty, server("a"))
    assert empty.members == {}
    assert configuration_hold(again, configured(BY, [])) == HeldConfiguration(
        digest=wanted.digest, reason="no server would remain", removes=[ServerId("a")]
    )


def test_what_a_configuration_brought_is_known_by_its_events() -> None:
    fleet = evolve(OWN, ServerAdded(server=server("c"), source="by:key_1"))

    assert [name for name, _ in own_servers(fleet)] == ["a", "b"]


def test_where_sessions_are_made_up_an_operator_puts_no_server_of_his_own() -> None:
    fleet = configured_as(Fleet(), *DEMO, demo=True)
    open_to = frozenset(one.url for one in DEMO)
    mine = server("mine")

    for wrong in (mine, replace(DEMO[0], url=mine.url)):
        told = administration_events(fleet, PutServer(server=wrong, by="key_1"), open_to)
        assert isinstance(told, Failed)
        assert told.message.startswith("url: expected a server of the demo")
        assert "[pool.provisioner] kind" in told.message
    weighed = PutServer(server=replace(DEMO[0], weight=7), by="key_1")
    assert administration_events(fleet, weighed, open_to) == administration_events(fleet, weighed)
    again = PutServer(server=DEMO[0], by="key_1")
    assert administration_events(Fleet(), again, open_to) == administration_events(Fleet(), again)


def test_server_of_ones_own_that_an_earlier_version_let_in_can_be_changed() -> None:
    fleet = put(Fleet(), server("mine"))
    command = PutServer(server=server("mine", weight=7), by="key_1")

    assert isinstance(administration_events(fleet, command, frozenset()), list)
