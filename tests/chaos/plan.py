"""Which fault befalls whom, and when: a value drawn from a seed, no clock, no process."""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum


class Action(StrEnum):
    """What is done to a process."""

    KILL = "kill"
    """SIGKILL; started again after the fault's seconds."""
    PAUSE = "pause"
    """SIGSTOP for the fault's seconds."""
    RESTART = "restart"
    """SIGTERM, an orderly end, started again after the fault's seconds."""
    DISCONNECT = "disconnect"
    """Off the network of the log for the fault's seconds; for containers alone."""


class Role(StrEnum):
    """Whom it befalls; who plays the role is found when the moment has come."""

    POOL_LEADER = "pool-leader"
    GATEWAY = "gateway"
    BALANCER_LEADER = "balancer-leader"
    ANALYTICS = "analytics"
    NATS = "nats"
    STREAM_LEADER = "stream-leader"
    """The one of several NATS servers that leads the log's stream."""


ACTIONS = (Action.KILL, Action.PAUSE, Action.RESTART)
"""What can be done to any process."""
ROLES = tuple(role for role in Role if role is not Role.STREAM_LEADER)
"""Who is there wherever NATS is one server."""


@dataclass(frozen=True)
class Fault:
    """One fault: `at_s` after the beginning, down or paused for `lasts_s`."""

    at_s: float
    action: Action
    role: Role
    lasts_s: float
    pick: int
    """Which of several that play the role, modulo their number."""

    @property
    def kind(self) -> str:
        """The row of the report it belongs to."""
        return f"{self.action} {self.role}"


@dataclass(frozen=True)
class Stretch:
    """A time in which one server answers 500 to everything, amid all the other faults."""

    at_s: float
    lasts_s: float
    accepted: bool
    """Whether it does the work all the same."""


@dataclass(frozen=True)
class Plan:
    """Every fault of one run, in order."""

    seed: int
    seconds: float
    faults: tuple[Fault, ...]
    stretches: tuple[Stretch, ...] = ()
    """One after the other, all of one server."""
    failing: int = 0
    """Which server that is, modulo their number."""

    def told(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)


_BEGIN_S = 3.0
_END_S = 12.0
"""The last seconds are without a new fault, so that what it did is seen."""
SPACING_S = (4.0, 9.0)
_PAUSE_S = (1.0, 6.0)
_DOWN_S = (0.0, 3.0)
_FAILING_S = (5.0, 12.0)
_WELL_S = (5.0, 12.0)


def planned(
    seed: int,
    seconds: float,
    roles: Sequence[Role] = ROLES,
    actions: Sequence[Action] = ACTIONS,
    spacing_s: tuple[float, float] = SPACING_S,
    *,
    failing: bool = False,
) -> Plan:
    """Draw a plan: every role meets every action, in shuffled rounds, as long as there is time.

    With `failing` one server fails for stretches; the faults of a seed are the same without.
    """
    chance = random.Random(seed)
    faults: list[Fault] = []
    round_: list[tuple[Action, Role]] = []
    at_s = _BEGIN_S
    while at_s <= max(seconds - _END_S, _BEGIN_S):
        if not round_:
            round_ = [(action, role) for action in actions for role in roles]
            chance.shuffle(round_)
        action, role = round_.pop()
        lasts_s = chance.uniform(*(_PAUSE_S if action is Action.PAUSE else _DOWN_S))
        faults.append(
            Fault(round(at_s, 3), action, role, round(lasts_s, 3), chance.randrange(1000))
        )
        at_s += chance.uniform(*spacing_s)
    plan = Plan(seed, seconds, tuple(faults))
    return _with_stretches(plan) if failing else plan


def _with_stretches(plan: Plan) -> Plan:
    """Draw when a server fails, by a chance of its own: the plans of earlier seeds stand."""
    chance = random.Random(f"failing {plan.seed}")
    failing = chance.randrange(1000)
    stretches: list[Stretch] = []
    at_s = _BEGIN_S
    while at_s <= plan.seconds - _END_S:
        lasts_s = chance.uniform(*_FAILING_S)
        accepted = len(stretches) % 2 == failing % 2
        stretches.append(Stretch(round(at_s, 3), round(lasts_s, 3), accepted))
        at_s += lasts_s + chance.uniform(*_WELL_S)
    return replace(plan, stretches=tuple(stretches), failing=failing)
