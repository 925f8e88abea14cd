"""What a strategy of one's own is asked: who may be chosen, in the keys of the reference."""

from contracts.base import ServerId
from services.balancer.custom.questions import batch_questions
from services.balancer.custom.words import CRITERIA_KEYS, SERVER_KEYS
from services.balancer.domain import Balancer, select_server
from tests.moments import NOON
from tests.unit.balancer.builders import ONE, added, balancer_of, strategy, up, wanted

OURS = "ours.py:choose"


def levelled_by_function() -> Balancer:
    return balancer_of(
        added("a", max_sessions=2),
        added("b", max_sessions=2, level=2),
        *[up("a"), up("b"), strategy(OURS)],
    )


def offered_now(balancer: Balancer) -> list[str]:
    """Who may be chosen for one call, as the function is told."""
    _, question = batch_questions(balancer, [wanted("x.1")], NOON)[OURS]
    return [question.servers[place]["id"] for place in question.calls[0].eligible]


def test_servers_and_criteria_have_the_keys_that_the_reference_names() -> None:
    _, question = batch_questions(levelled_by_function(), [wanted("x.1")], NOON)[OURS]

    assert {*question.servers[0]} == {*SERVER_KEYS}
    assert {*question.calls[0].criteria} == {*CRITERIA_KEYS}


def test_whom_another_level_keeps_back_is_not_offered() -> None:
    balancer = levelled_by_function()

    assert offered_now(balancer) == ["a"]

    for number in range(2):
        select_server(balancer, wanted(f"r{number}.1"), ONE, NOON, ServerId("a"))

    assert offered_now(balancer) == ["b"]
