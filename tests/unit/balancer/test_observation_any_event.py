"""Whatever the logs hold, the balancer takes it in, and goes on choosing."""

from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.base import ServiceType, WriterId
from contracts.envelope import Envelope
from contracts.events import decode_event
from services.balancer import strategies
from services.balancer.domain import Balancer, observe_envelope, select_server
from services.balancer.domain.views import server_views
from tests.anyevent import ANY_EVENT, ANY_MOMENT
from tests.contract.test_golden import golden_lines
from tests.moments import NOON
from tests.unit.balancer.builders import IMAGE, ONE, strategy, up, wanted


def taken(events: list[Any], at: datetime) -> None:
    """Fold events of either log, then answer whatever is asked, by every strategy."""
    balancer = Balancer()
    seen = Envelope(
        writer=WriterId("w"), epoch=1, number=1, time=at, previous_hash="", events=events
    )
    for event in events:
        balancer.take_event(event)
    for server_id in [*balancer.fleet.members]:
        balancer.take_event(up(server_id))
    for name in strategies.STRATEGIES:
        balancer.take_event(strategy(name))
        for lease in ("a.1", "b.1", name):
            select_server(balancer, wanted(lease, IMAGE), ONE, NOON)
        observe_envelope(balancer, seen, NOON)
        select_server(balancer, wanted(f"{name} again", ServiceType("a")), ONE, NOON)
    server_views(balancer, NOON)


@settings(deadline=None, max_examples=200)
@given(events=st.lists(ANY_EVENT, max_size=12), at=st.just(NOON) | ANY_MOMENT)
def test_any_event_is_taken_in(events: list[Any], at: datetime) -> None:
    taken(events, at)


def test_golden_lines_are_taken_in() -> None:
    taken(
        [decode_event(line) for name in ("balancer", "pool") for line in golden_lines(name)], NOON
    )
