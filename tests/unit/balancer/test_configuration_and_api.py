"""What changed in the file is applied, and nothing else: what the API changed stands."""

import msgspec

from contracts.balancer import (
    AcceptConfiguration,
    BalancerAdmin,
    ConfigurationAccepted,
    DrainServer,
    PinStrategy,
    PutServer,
    RemoveServer,
    RulesChanged,
    Server,
    ServerAdded,
    ServerChanged,
    ServerRemoved,
    SetStrategy,
    StrategyChanged,
    StrategyRule,
)
from contracts.base import Event, Failed, ServerId, ServiceType
from services.balancer.domain import (
    ConfiguredFleet,
    Fleet,
    administration_events,
    configuration_events,
    evolve,
)
from services.balancer.domain.fleet import GENERAL
from services.balancer.domain.fleet.digests import entry_digest
from services.balancer.settings import ServerSection
from tests.unit.balancer.builders import configured, server

BY = "round_robin"
VIDEO = ServiceType("video")
A, B = server("a"), server("b")
RULE = StrategyRule(when="failure_rate > 0.2 for 60s", use="least_connections")


def went(fleet: Fleet, *events: Event) -> Fleet:
    for event in events:
        fleet = evolve(fleet, event)
    return fleet


def filed(fleet: Fleet, wanted: ConfiguredFleet) -> Fleet:
    return went(fleet, *configuration_events(fleet, wanted))


def commanded(fleet: Fleet, *commands: BalancerAdmin) -> Fleet:
    for command in commands:
        events = administration_events(fleet, command)
        assert not isinstance(events, Failed), events
        fleet = went(fleet, *events)
    return fleet


def puts(one: Server) -> PutServer:
    return PutServer(server=one, by="key_1")


def removed(name: str) -> RemoveServer:
    return RemoveServer(server_id=ServerId(name), by="key_1")


def by_api(name: str, service_type: ServiceType = GENERAL) -> SetStrategy:
    return SetStrategy(strategy=name, reason="x", by="key_1", service_type=service_type)


def servers_of(fleet: Fleet) -> dict[str, Server]:
    return {name: member.server for name, member in fleet.members.items()}


def test_changes_of_servers_stand_while_the_files_strategy_is_edited() -> None:
    heavier, mine = server("a", weight=7), server("mine")
    fleet = commanded(
        filed(Fleet(), configured(BY, [A, B])), puts(heavier), puts(mine), removed("b")
    )

    edited = filed(fleet, configured("least_connections", [A, B]))

    assert servers_of(edited) == {"a": heavier, "mine": mine}
    assert edited.strategy == "least_connections"


def test_strategy_of_the_api_stands_while_the_files_servers_are_edited() -> None:
    fleet = commanded(filed(Fleet(), configured(BY, [A])), by_api("least_connections"))

    edited = filed(fleet, configured(BY, [A, B]))

    assert edited.strategy == "least_connections"
    assert filed(edited, configured("capability_based", [A, B])).strategy == "capability_based"


def test_changed_entry_is_applied_over_what_the_api_made_of_it() -> None:
    fleet = commanded(filed(Fleet(), configured(BY, [A, B])), puts(server("a", weight=7)))
    edited = server("a", weight=2)

    assert servers_of(filed(fleet, configured(BY, [edited, B]))) == {"a": edited, "b": B}


def test_server_that_the_api_removed_comes_back_with_its_changed_entry_alone() -> None:
    fleet = commanded(filed(Fleet(), configured(BY, [A, B])), removed("a"))
    edited = server("a", weight=2)

    other = filed(fleet, configured(BY, [A, server("b", weight=3)]))

    assert set(other.members) == {"b"}
    assert servers_of(filed(other, configured(BY, [edited, B])))["a"] == edited


def test_entry_that_left_the_file_and_came_back_is_a_change() -> None:
    fleet = commanded(filed(Fleet(), configured(BY, [A, B])), removed("a"))

    without = filed(fleet, configured(BY, [B]))

    assert set(filed(without, configured(BY, [A, B])).members) == {"a", "b"}


def test_server_leaves_with_its_entry_whatever_the_api_made_of_it() -> None:
    fleet = commanded(filed(Fleet(), configured(BY, [A, B])), puts(server("a", weight=7)))

    assert set(filed(fleet, configured(BY, [B])).members) == {"b"}


def test_entry_that_says_what_the_api_made_is_the_files_from_then_on() -> None:
    fleet = commanded(filed(Fleet(), configured(BY, [B])), puts(A))

    named = filed(fleet, configured(BY, [A, B]))

    assert named.entries == {"a": entry_digest(A), "b": entry_digest(B)}
    assert set(filed(named, configured(BY, [B])).members) == {"b"}


def test_strategies_of_service_types_and_rules_have_digests_of_their_own() -> None:
    first = configured(BY, [A], strategies={VIDEO: "least_connections"}, rules=[RULE])
    fleet = commanded(filed(Fleet(), first), by_api("capability_based", VIDEO))

    edited = filed(fleet, configured("least_connections", [A], strategies=first.strategies))

    assert (edited.strategies, edited.rules) == ({VIDEO: "capability_based"}, [])
    gone = configuration_events(edited, configured("least_connections", [A]))
    assert [(e.service_type, e.strategy) for e in gone if isinstance(e, StrategyChanged)] == [
        (VIDEO, ""),
        ("", "least_connections"),
    ]
    assert went(edited, *gone).strategy_for(VIDEO) == "least_connections"


def test_rules_are_said_when_they_change() -> None:
    first = configured(BY, [A], rules=[RULE])
    fleet = filed(Fleet(), first)

    assert fleet.rules == [RULE]
    other = configuration_events(fleet, configured(BY, [A, B], rules=[RULE]))
    assert not any(isinstance(event, RulesChanged) for event in other)
    assert filed(fleet, configured(BY, [A])).rules == []


def test_strategy_of_a_service_type_is_its_own_until_it_is_taken_back() -> None:
    fleet = commanded(filed(Fleet(), configured(BY, [A])), by_api("least_connections", VIDEO))

    assert (fleet.strategy_for(VIDEO), fleet.strategy) == ("least_connections", BY)
    assert commanded(fleet, by_api("", VIDEO)).strategy_for(VIDEO) == BY
    assert isinstance(administration_events(fleet, by_api("")), Failed)
    assert isinstance(administration_events(fleet, by_api("fastest", VIDEO)), Failed)


# A log of an earlier version, whose events carry no entry.

OLD = "sha256:0123456789abcdef0123456789abcdef"


def old_log() -> list[Event]:
    """The file brought `a` and `b`; then the API changed `a`, removed `b` and added `mine`."""
    return [
        ServerAdded(server=A, source=OLD),
        ServerAdded(server=B, source=OLD),
        StrategyChanged(strategy=BY, reason="configuration", source=OLD),
        ServerChanged(server=server("a", weight=7), source="by:key_1"),
        ServerRemoved(server_id=ServerId("b"), source="by:key_1"),
        ServerAdded(server=server("mine"), source="by:key_1"),
        StrategyChanged(strategy="least_connections", reason="x", source="by:key_1"),
    ]


def test_upgrade_applies_nothing_over_what_the_api_changed() -> None:
    fleet = went(Fleet(), *old_log())

    upgraded = filed(fleet, configured(BY, [A, B]))

    assert servers_of(upgraded) == servers_of(fleet)
    assert upgraded.strategy == "least_connections"
    edited = filed(upgraded, configured(BY, [A, server("b", weight=2)]))
    assert servers_of(edited) == {**servers_of(fleet), "b": server("b", weight=2)}


def test_same_file_is_the_same_digest_as_to_earlier_versions() -> None:
    """Else a file that was accepted, or is in force, would be held at an upgrade."""
    servers = [Server(server_id=ServerId("a"), url="http://a:9000", weight=3)]
    fleet = went(
        Fleet(),
        ServerAdded(server=servers[0], source=EARLIER),
        StrategyChanged(strategy=BY, reason="configuration", source=EARLIER),
    )

    assert configuration_events(fleet, configured(BY, servers)) == []


EARLIER = "sha256:0b08fc5385ebdbe7fd7a19b2e51c3da4"
"""Of this file, as it was when the digest was of the whole alone."""


def test_what_is_said_as_it_is_by_default_is_not_said() -> None:
    written = msgspec.json.decode(b'{"probe_path": "/ping", "dialect": "plain"}')
    section = ServerSection(server_id=ServerId("a"), url="http://a:9000", **written)
    fleet = filed(Fleet(), configured(BY, [server("a")]))

    assert entry_digest(section.as_server()) == entry_digest(server("a"))
    assert configuration_events(fleet, configured(BY, [section.as_server()])) == []


def test_draining_and_pinning_say_nothing_twice_and_refuse_what_there_is_not() -> None:
    fleet = filed(Fleet(), configured(BY, [A]))
    drain = DrainServer(server_id=ServerId("a"), by="key-1")
    undrain = msgspec.structs.replace(drain, undrain=True)
    stranger = msgspec.structs.replace(drain, server_id=ServerId("none"))

    drained = commanded(fleet, drain)
    pinned = commanded(fleet, PinStrategy(strategy="adaptive", by="key-1"))

    assert administration_events(fleet, undrain) == []
    assert administration_events(drained, drain) == []
    assert not commanded(drained, undrain).members[ServerId("a")].draining
    refused = administration_events(fleet, stranger)
    assert isinstance(refused, Failed)
    assert refused.code == "not_found"
    assert administration_events(pinned, PinStrategy(strategy="adaptive", by="key-1")) == []
    assert commanded(pinned, PinStrategy(strategy="", by="key-1")).pinned == ""
    wrong = administration_events(fleet, PinStrategy(strategy="fastest", by="key-1"))
    assert isinstance(wrong, Failed)
    assert wrong.message.startswith("strategy: expected one of")


def test_a_word_that_a_configuration_may_take_servers_is_in_the_log() -> None:
    accept = AcceptConfiguration(digest="sha256:1", by="key-1")

    assert administration_events(Fleet(), accept) == [
        ConfigurationAccepted(digest="sha256:1", by="key-1")
    ]


def test_a_strategy_of_the_apis_that_stands_is_not_said_to_be_the_files() -> None:
    """Rules, or a server, changed in the file: the event that ends it says the strategy again."""
    fleet = filed(Fleet(), configured(BY, [A]))
    fleet = commanded(fleet, SetStrategy(strategy="p2c_ewma", reason="slow today", by="key_1"))

    ruled, served = (
        configuration_events(fleet, wanted)[-1]
        for wanted in (configured(BY, [A], rules=[RULE]), configured(BY, [A, B]))
    )
    chosen_anew = configuration_events(fleet, configured("adaptive", [A]))[-1]

    kept = ("p2c_ewma", "kept: the configuration changed elsewhere")
    assert isinstance(ruled, StrategyChanged)
    assert isinstance(served, StrategyChanged)
    assert isinstance(chosen_anew, StrategyChanged)
    assert (ruled.strategy, ruled.reason) == kept
    assert (served.strategy, served.reason) == kept
    assert (chosen_anew.strategy, chosen_anew.reason) == ("adaptive", "configuration")
