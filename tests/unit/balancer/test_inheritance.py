"""Exchanges of an earlier leader: counted as the gateways tell, until the last has ended."""

from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from contracts.balancer import SelectServers, ServerRemoved
from contracts.base import LeaseId, ServerId
from contracts.pool import LeaseExpired
from services.balancer.domain import (
    Balancer,
    hear_gateway,
    observe_envelope,
    release_overdue,
    select_server,
    take_report,
)
from tests.moments import NOON
from tests.unit.balancer.builders import (
    ONE,
    SESSION,
    TWO,
    added,
    after,
    cancel_told,
    chosen,
    in_flight,
    pool_envelope,
    see,
    wanted,
    well,
)

A = ServerId("a")
B = ServerId("b")


def test_new_leader_inherits_what_gateways_have_open() -> None:
    balancer = well("a", "b")

    take_report(balancer, ONE, {A: 3, ServerId("gone"): 1}, NOON)
    take_report(balancer, TWO, {A: 1}, NOON)

    assert in_flight(balancer) == {"a": 4, "b": 0}
    assert chosen(balancer, "r.1") == "b"


def test_own_selections_are_not_inherited_again() -> None:
    balancer = well("a")
    select_server(balancer, wanted("other.1"), TWO, NOON)
    select_server(balancer, wanted("r.1"), ONE, NOON)
    select_server(balancer, wanted("lost.1"), ONE, NOON)
    see(balancer, cancel_told("lost.1"))

    take_report(balancer, ONE, {A: 3}, NOON)
    take_report(balancer, ONE, {A: 9}, NOON)

    assert in_flight(balancer) == {"a": 2 + 2}


def test_inherited_exchange_that_ended_under_load_is_not_counted_for_ever() -> None:
    balancer = well("a")
    take_report(balancer, ONE, {A: 3}, NOON)
    for number in range(5):
        select_server(balancer, wanted(f"r{number}.1"), ONE, NOON)

    # All three of before have ended, and five of this leader's are open.
    take_report(balancer, ONE, {A: 5}, NOON)

    assert in_flight(balancer) == {"a": 5}


def test_inherited_exchange_hidden_by_one_not_begun_is_counted_again() -> None:
    balancer = well("a")
    take_report(balancer, ONE, {A: 2}, NOON)
    select_server(balancer, wanted("r.1"), ONE, NOON)

    take_report(balancer, ONE, {A: 2}, NOON)

    assert in_flight(balancer) == {"a": 2}

    take_report(balancer, ONE, {A: 3}, NOON)

    assert in_flight(balancer) == {"a": 3}


def test_leader_that_inherited_nothing_counts_nothing_but_its_own() -> None:
    balancer = well("a")
    take_report(balancer, ONE, {}, NOON)
    select_server(balancer, wanted("r.1"), ONE, NOON)
    see(balancer, cancel_told("r.1"))

    # Told before the end, heard after it.
    take_report(balancer, ONE, {A: 1}, NOON)

    assert in_flight(balancer) == {"a": 0}


def test_silent_gateway_is_forgotten_with_what_was_inherited() -> None:
    balancer = well("a")
    take_report(balancer, ONE, {A: 2}, NOON)
    take_report(balancer, TWO, {A: 1}, after(14))

    release_overdue(balancer, after(16))

    assert in_flight(balancer) == {"a": 1}


def test_server_that_left_and_came_back_has_inherited_nothing() -> None:
    balancer = well("a", "b")
    take_report(balancer, ONE, {B: 1}, NOON)
    select_server(balancer, wanted("r.1", avoid=("a",)), ONE, NOON)
    take_report(balancer, ONE, {B: 1}, NOON)
    see(balancer, cancel_told("r.1"))

    assert in_flight(balancer) == {"a": 0, "b": 0}

    balancer.take_event(ServerRemoved(server_id=B))
    take_report(balancer, ONE, {B: 1}, NOON)
    balancer.take_event(added("b"))

    take_report(balancer, ONE, {B: 1}, NOON)

    assert in_flight(balancer) == {"a": 0, "b": 0}


class World:
    """One gateway with exchanges of before and of this leader; what it tells may come late."""

    def __init__(self, old: dict[ServerId, int]) -> None:
        self.balancer: Balancer = well("a", "b")
        self.old = Counter(old)
        self.numbers = 0
        self.placed: dict[str, ServerId] = {}
        """Own leases whose end is not journalled."""
        self.named: deque[str] = deque()
        """Of these, selected and not begun yet."""
        self.open: deque[str] = deque()
        self.ended: deque[str] = deque()
        """Of these, ended at the gateway."""
        self.told: deque[dict[ServerId, int]] = deque()
        """On its way."""
        self.heard = False

    def step(self, what: str) -> None:
        if what == "tell":
            self.told.append(self.truth())
        elif what == "hear" and self.told:
            self.hear(self.told.popleft())
        elif what == "select":
            if not self.heard:  # a gateway's first question brings its first report
                self.hear(self.truth())
            self.numbers += 1
            lease = f"r{self.numbers}.1"
            self.placed[lease] = ServerId(chosen(self.balancer, lease))
            self.named.append(lease)
        elif what == "begin" and self.named:
            self.open.append(self.named.popleft())
        elif what == "end" and self.open:
            self.ended.append(self.open.popleft())
        elif what == "journal" and self.ended:
            self.journal(self.ended.popleft())
        elif what == "end old" and self.old:
            self.end_old(max(self.old))

    def truth(self) -> dict[ServerId, int]:
        return dict(self.old + Counter(self.placed[one] for one in self.open))

    def hear(self, report: dict[ServerId, int]) -> None:
        self.heard = True
        take_report(self.balancer, ONE, report, NOON)

    def journal(self, lease: str) -> None:
        del self.placed[lease]
        expired = LeaseExpired(lease_id=LeaseId(lease), session_id=SESSION)
        observe_envelope(self.balancer, pool_envelope(expired), NOON)

    def end_old(self, server_id: ServerId) -> None:
        """One of before ends, and the log says so of a lease that this leader never heard of."""
        self.old -= Counter([server_id])
        self.numbers += 1
        observe_envelope(self.balancer, pool_envelope(cancel_told(f"old{self.numbers}.1")), NOON)

    def own(self) -> dict[str, int]:
        return {name: [*self.placed.values()].count(ServerId(name)) for name in ("a", "b")}


STEPS = ("tell", "hear", "select", "begin", "end", "journal", "end old")


@given(
    st.dictionaries(st.sampled_from([A, B]), st.integers(1, 5)),
    st.lists(st.sampled_from(STEPS), max_size=80),
)
def test_in_flight_comes_to_be_the_leaders_own_once_all_of_before_have_ended(
    old: dict[ServerId, int], steps: list[str]
) -> None:
    world = World(old)
    for what in steps:
        world.step(what)
        for name, count in in_flight(world.balancer).items():
            own = world.own()[name]
            assert own <= count <= own + old.get(ServerId(name), 0)
    while world.old:
        world.end_old(max(world.old))
    while world.told:
        world.step("hear")
    world.step("tell")
    world.step("hear")

    assert in_flight(world.balancer) == world.own()


@given(st.lists(st.sampled_from(STEPS), max_size=60))
def test_without_anything_inherited_every_count_is_exact_at_every_moment(steps: list[str]) -> None:
    world = World({})
    take_report(world.balancer, ONE, {}, NOON)
    for what in steps:
        world.step(what)
        assert in_flight(world.balancer) == world.own()


@given(
    st.dictionaries(st.sampled_from([A, B]), st.integers(1, 5)),
    st.lists(st.sampled_from(STEPS), max_size=60),
)
def test_silence_ends_what_was_inherited(old: dict[ServerId, int], steps: list[str]) -> None:
    world = World(old)
    for what in steps:
        world.step(what)

    release_overdue(world.balancer, after(16))

    assert in_flight(world.balancer) == world.own()


def test_what_a_gateway_says_beside_its_selections_is_taken_in_whole() -> None:
    balancer = well("a")
    told = SelectServers(gateway_id=ONE, items=[], open_exchanges={A: 2}, answered_s={A: 3.0})

    hear_gateway(balancer, told, after(10))
    hear_gateway(balancer, SelectServers(gateway_id=TWO, items=[]), after(11))

    assert in_flight(balancer) == {"a": 2}
    assert balancer.standings[A].answered_at == after(7)
