"""The simulated world keeps its own laws, and strategies differ in it as their papers say."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from contracts.balancer import Server
from contracts.base import ServerId, ServiceType
from services.balancer.strategies import STRATEGIES
from tests import ROOT
from tests.simulation.balancer.__main__ import replace_table
from tests.simulation.balancer.figures import (
    MixFigures,
    RampFigures,
    mix_figures,
    mix_table,
    percentile,
    ramp_figures,
    ramp_table,
)
from tests.simulation.balancer.fleet import (
    CoreChange,
    Fate,
    FleetMember,
    RecordedCall,
    World,
    loads_by_server,
)
from tests.simulation.balancer.mix import mixed_fleet, recorded_calls
from tests.simulation.balancer.plot import strategies_svg
from tests.simulation.balancer.ramp import LOADS
from tests.simulation.balancer.server import Kind

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "explanation" / "balancing.md").read_text()
IMAGE = ServiceType("image")


def alone(kind: Kind, *works_s: float, deadline_s: float = 100.0) -> World:
    """One server, and calls that come together."""
    server = Server(server_id=ServerId("a"), url="http://a", max_sessions=10)
    world = World([FleetMember(server, kind)], "round_robin", deadline_s)
    world.run([RecordedCall(0.0, IMAGE, work_s) for work_s in works_s])
    return world


def times(world: World) -> list[float]:
    return [round(fate.took_s, 6) for fate in world.fates]


# -------------------------------------------------------------------------- the world's laws


def test_calls_share_cores_and_nobody_gets_more_than_one() -> None:
    assert times(alone(Kind(cores=2.0, network_s=0.0), 1.0, 1.0)) == [1.0, 1.0]
    assert times(alone(Kind(cores=1.0, network_s=0.0), 1.0, 2.0)) == [2.0, 3.0]


def test_speed_and_network_are_of_the_server() -> None:
    assert times(alone(Kind(speed=0.5, network_s=0.4), 1.0)) == [2.4]


def test_change_of_cores_changes_the_pace_from_then_on() -> None:
    server = Server(server_id=ServerId("a"), url="http://a")
    world = World([FleetMember(server, Kind(cores=1.0, network_s=0.0))], "round_robin", 100.0)

    world.run([RecordedCall(0.0, IMAGE, 2.0)], [CoreChange(1.0, ServerId("a"), 0.5)])

    assert times(world) == [3.0]


def test_call_past_its_deadline_fails_and_burdens_the_server_no_longer() -> None:
    world = alone(Kind(cores=1.0, network_s=0.0), 1.0, 9.0, deadline_s=4.0)

    assert [(round(fate.took_s, 6), fate.failed) for fate in world.fates] == [
        (2.0, False),
        (4.0, True),
    ]


def test_fit_fails_what_comes_within_it_at_once() -> None:
    world = alone(Kind(fits=[(0.0, 1.0)]), 5.0)

    assert [(fate.took_s, fate.failed) for fate in world.fates] == [(0.05, True)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_call_has_one_fate_and_nothing_stays_in_flight(strategy: str) -> None:
    world = World(mixed_fleet(), strategy, 60.0, "asia-east")
    calls = recorded_calls(seconds=40.0)

    fates = world.run(calls)

    assert len(fates) == len(calls)
    assert {standing.in_flight for standing in world._balancer.standings.values()} == {0}
    assert world._balancer.placements == {}
    assert all(share >= 0 for share in loads_by_server(world, 40.0).values())


def test_same_seed_is_the_same_day() -> None:
    assert mix_figures("p2c_ewma", 30.0) == mix_figures("p2c_ewma", 30.0)
    assert mix_figures("p2c_ewma", 30.0) != mix_figures("p2c_ewma", 30.0, seed=1)


def test_percentile_is_a_value_that_was_measured() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], share) for share in (0.25, 0.5, 0.99)] == [1, 2, 4]


def test_busy_time_is_told_as_a_share_of_what_may_be_carried() -> None:
    assert loads_by_server(alone(Kind(network_s=0.0), 2.0, 2.0), 4.0) == {"a": pytest.approx(0.1)}


# ------------------------------------------------------------------------- what is seen in it


@pytest.fixture(scope="module")
def mixed() -> dict[str, MixFigures]:
    return {name: mix_figures(name) for name in STRATEGIES}


def test_who_only_counts_calls_feeds_whoever_fails_fast(mixed: dict[str, MixFigures]) -> None:
    assert mixed["least_connections"].wasted > 1.5 * mixed["round_robin"].wasted


def test_who_counts_a_failure_as_ten_medians_wastes_half_of_what_turns_do(
    mixed: dict[str, MixFigures],
) -> None:
    assert 2 * mixed["least_response_time"].wasted < mixed["round_robin"].wasted
    assert 1.5 * mixed["p2c_ewma"].wasted < mixed["round_robin"].wasted


@pytest.mark.parametrize("strategy", ["least_response_time", "adaptive"])
def test_slow_server_does_not_make_the_tail(strategy: str, mixed: dict[str, MixFigures]) -> None:
    assert 2 * mixed[strategy].p99_s < mixed["round_robin"].p99_s


def test_ramp_breaks_turns_and_spares_whoever_looks() -> None:
    heights = LOADS[5:]

    ramps = {
        name: ramp_figures(name, heights, 4.0) for name in ("round_robin", "p2c_ewma", "adaptive")
    }

    assert ramps["round_robin"].first_missed() is not None
    assert ramps["p2c_ewma"].first_missed() is None
    assert ramps["adaptive"].first_missed() is None
    assert max(ramps["adaptive"].p99_s) < max(ramps["p2c_ewma"].p99_s)


# ------------------------------------------------------------------------------- how it is told


def test_page_names_every_strategy_in_both_tables_and_in_the_picture() -> None:
    drawn = (ROOT / "docs" / "explanation" / "balancing.svg").read_text()

    for name in ("mix", "ramp"):
        table = PAGE.partition(f"<!-- {name} -->\n")[2].partition("<!-- end")[0]
        assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [*STRATEGIES], (
            "make simulate-balancer ARGS=--write"
        )
    assert [name for name in STRATEGIES if f">{name}<" not in drawn] == []


def test_tables_and_picture_say_what_was_measured() -> None:
    one = MixFigures("one", 1.0, 2.04, 1.5, 7, 0)
    ramp = RampFigures("one", (0.75, 1.0), [0.1, 0.2], [0.5, 5.0], [0.0, 0.02])

    assert mix_table([[one, replace(one, p99_s=3.0), replace(one, wasted=9)]]).endswith(
        "| `one` | 1.0 | 2.0 (2 to 3) | 1.5 | 7 (7 to 9) |"
    )
    assert ramp_table([ramp]).endswith("| `one` | 0.5 | 5.0 | 1.00 |")
    assert ramp_table([replace(ramp, missed=[0.0, 0.0])]).endswith("| never |")
    assert ET.fromstring(strategies_svg([one], [ramp])).tag.endswith("svg")


def test_table_is_replaced_where_its_name_stands() -> None:
    page = "a\n<!-- mix -->\nold\n<!-- end of mix -->\nb\n"

    assert replace_table(page, "mix", "new") == "a\n<!-- mix -->\nnew\n<!-- end of mix -->\nb\n"


def test_fates_without_a_server_are_told_apart() -> None:
    server = Server(server_id=ServerId("a"), url="http://a", max_sessions=1)
    world = World([FleetMember(server, Kind())], "round_robin", 10.0)

    world.run([RecordedCall(0.0, IMAGE, 1.0), RecordedCall(0.5, IMAGE, 1.0)])

    assert world.fates[0] == Fate(RecordedCall(0.5, IMAGE, 1.0), "", 0.0, failed=True)
