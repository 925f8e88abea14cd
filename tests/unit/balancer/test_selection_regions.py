"""A session's own region binds it to the servers that serve it, where one says so at all."""

import pytest

from contracts.balancer import NoServer, Selected
from contracts.base import ServerId
from contracts.pool import Candidate
from services.balancer.domain import Balancer, select_server
from tests.moments import NOON
from tests.unit.balancer.builders import (
    AVATAR,
    IMAGE,
    ONE,
    added,
    balancer_of,
    chosen,
    no_server,
    strategy,
    unreachable,
    up,
    wanted,
)


def fleet_by(*, able: tuple[str, ...] = ("image",), by: str = "least_connections") -> Balancer:
    """One server for sessions of the United States, one for Japan's and Hong Kong's."""
    return balancer_of(
        added("u", able, serves=("us",), region="us-east", max_sessions=1),
        added("j", able, serves=("jp", "hk"), region="asia-northeast", max_sessions=2),
        up("u"),
        up("j"),
        strategy(by),
    )


@pytest.mark.parametrize(("region", "name"), [("us", "u"), ("jp", "j"), ("hk", "j")])
def test_a_session_of_a_region_goes_to_a_server_that_serves_it(region: str, name: str) -> None:
    assert chosen(fleet_by(), "r.1", session_region=region) == name


def test_a_session_without_a_region_goes_anywhere() -> None:
    balancer = fleet_by()

    assert {chosen(balancer, f"r.{number}") for number in range(3)} == {"u", "j"}


def test_a_server_that_names_none_serves_every_region() -> None:
    balancer = balancer_of(added("u", serves=("us",)), added("a"), up("u"), up("a"))

    assert chosen(balancer, "r.1", session_region="sg") == "a"


def test_where_no_server_says_so_regions_bind_nobody() -> None:
    balancer = balancer_of(added("a"), added("b"), up("a"), up("b"), strategy("round_robin"))

    names = {chosen(balancer, f"r.{number}", session_region="sg") for number in range(2)}
    assert names == {"a", "b"}


def test_that_the_region_was_why_is_said_with_who_serves_what() -> None:
    answer = no_server(fleet_by(), "r.1", session_region="sg")

    assert answer == NoServer(
        reason="u: serves sessions of us, not of sg; j: serves sessions of hk, jp, not of sg",
        candidates=[
            Candidate(server_id=ServerId("u"), refused="serves sessions of us, not of sg"),
            Candidate(server_id=ServerId("j"), refused="serves sessions of hk, jp, not of sg"),
        ],
        region="sg",
    )


def test_the_region_is_why_where_its_own_servers_are_full_and_another_has_room() -> None:
    balancer = fleet_by()
    chosen(balancer, "r.1", session_region="us")

    assert no_server(balancer, "r.2", session_region="us").region == "us"


def test_the_region_is_why_where_its_own_server_has_failed() -> None:
    balancer = fleet_by()
    chosen(balancer, "r.1", session_region="us")

    answer = no_server(balancer, "r.1", session_region="us", avoid=("u",), failed=unreachable("u"))

    assert answer.region == "us"


def test_the_region_is_not_why_where_no_other_session_would_be_served_either() -> None:
    balancer = fleet_by()
    for number, region in enumerate(("us", "jp", "hk")):
        chosen(balancer, f"r.{number}", session_region=region)

    assert no_server(balancer, "r.9", session_region="us").region == ""
    assert no_server(balancer, "r.9", service_type=AVATAR, session_region="sg").region == ""
    assert no_server(balancer, "r.9", service_type=AVATAR).region == ""


def test_what_a_strategy_says_of_its_choice_stands_in_the_answer() -> None:
    balancer = fleet_by(by="geographic")

    answer = select_server(balancer, wanted("r.1", IMAGE, client_region="japan"), ONE, NOON)

    assert isinstance(answer, Selected)
    assert (answer.server_id, answer.why) == ("j", "client in japan: asia-northeast (0 km)")


def test_a_far_client_is_served_by_who_may_serve_its_session() -> None:
    balancer = fleet_by(by="geographic")

    assert chosen(balancer, "r.1", client_region="japan", session_region="us") == "u"
