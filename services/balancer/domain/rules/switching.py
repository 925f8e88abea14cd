"""Which rule holds for which service type, and what that switches."""

from collections.abc import Container, Iterable, Sequence

import msgspec

from contracts.balancer import StrategyRule, StrategySwitched
from contracts.base import Instant, ServiceType
from contracts.pool import Attempt, Verdict
from services.balancer.domain.fleet import Fleet, Member
from services.balancer.domain.rules.conditions import Condition, parse_condition
from services.balancer.domain.rules.measures import CallSamples, measure_value
from services.balancer.domain.standing import ServerStanding

Servers = Sequence[tuple[Member, ServerStanding]]


class Watched(msgspec.Struct, kw_only=True):
    """One rule for one service type."""

    condition: Condition
    holds: bool
    since: Instant | None = None
    """Since when its measure has spoken for the opposite of `holds`; None: it does not."""
    value: float = 0.0
    """What was measured last."""


class RuleWatch:
    """Since when measures speak for rules or against them; what no event tells."""

    def __init__(self) -> None:
        """Nothing is watched yet."""
        self.samples = CallSamples()
        self._watched: dict[tuple[ServiceType, str, str, str], Watched] = {}

    def watched(
        self, fleet: Fleet, service_type: ServiceType, rule: StrategyRule
    ) -> Watched | None:
        """Find how a rule stands for a service type; at first as the log has it.

        None for one that only a later version can read.
        """
        key = service_type, rule.service_type, rule.when, rule.use
        watched = self._watched.get(key)
        if watched is None:
            try:
                condition = parse_condition(rule.when)
            except ValueError:
                return None
            switched = fleet.switched.get(service_type)
            watched = self._watched[key] = Watched(
                condition=condition,
                holds=switched is not None and _is_of(switched, rule),
            )
        return watched

    def note_attempt(
        self,
        service_type: ServiceType,
        attempt: Attempt,
        now: Instant,
        blaming: Container[Verdict],
    ) -> None:
        """Keep an attempt for what is measured; `blaming` are the verdicts that blame a server."""
        self.samples.note_attempt(
            service_type,
            now,
            blamed=attempt.verdict in blaming,
            first_byte_ms=attempt.first_byte_ms,
        )

    def forget_others(self, fleet: Fleet, service_types: Iterable[ServiceType]) -> None:
        """Let go of rules, and of service types, that there are no more."""
        known = {
            (service_type, rule.service_type, rule.when, rule.use)
            for service_type in service_types
            for rule in fleet.rules
        }
        self._watched = {key: one for key, one in self._watched.items() if key in known}
        if not fleet.rules:
            self.samples.forget_all()


def switch_events(
    watch: RuleWatch,
    fleet: Fleet,
    servers: Servers,
    service_types: Iterable[ServiceType],
    now: Instant,
) -> list[StrategySwitched]:
    """Decide for which service types another rule holds than the log has; `watch` counts on.

    Asked again at the same moment, as for an append that came to nothing, it decides the same.
    """
    if not fleet.rules and not fleet.switched:
        return []
    known = list(service_types)
    watch.forget_others(fleet, known)
    events = []
    for service_type in dict.fromkeys([*known, *fleet.switched]):
        rules = fleet.rules if service_type in known else []
        event = _switch_event(watch, fleet, servers, service_type, rules, now)
        if event is not None:
            events.append(event)
    return events


def _switch_event(
    watch: RuleWatch,
    fleet: Fleet,
    servers: Servers,
    service_type: ServiceType,
    rules: Sequence[StrategyRule],
    now: Instant,
) -> StrategySwitched | None:
    """Look at the rules of one service type; None where the log has it as it is."""
    chosen: tuple[StrategyRule, Watched] | None = None
    value = 0.0
    switched = fleet.switched.get(service_type)
    for rule in rules:
        if rule.service_type not in {"", service_type}:
            continue
        watched = watch.watched(fleet, service_type, rule)
        if watched is None:
            continue
        measure = watched.condition.measure
        _look(watched, measure_value(measure, service_type, watch.samples, servers, now), now)
        if watched.holds and chosen is None:
            chosen = rule, watched
        if switched is not None and _is_of(switched, rule):
            value = watched.value
    if chosen is None:
        if switched is None:
            return None
        own = fleet.strategies.get(service_type) or fleet.strategy
        return StrategySwitched(service_type=service_type, strategy=own, value=round(value, 6))
    rule, watched = chosen
    if switched is not None and _is_of(switched, rule):
        return None
    return StrategySwitched(
        service_type=service_type,
        strategy=rule.use,
        rule=rule.when,
        value=round(watched.value, 6),
    )


def _look(watched: Watched, value: float | None, now: Instant) -> None:
    """Take in what was measured now; a rule turns when that has spoken so for all of its span."""
    if value is None:
        watched.since = None
        return
    watched.value = value
    condition = watched.condition
    speaks = condition.is_within(value) if watched.holds else condition.is_beyond(value)
    if not speaks:
        watched.since = None
    elif watched.since is None:
        watched.since = now
    elif (now - watched.since).total_seconds() >= condition.span_s:
        watched.holds, watched.since = not watched.holds, None


def _is_of(switched: StrategySwitched, rule: StrategyRule) -> bool:
    return (switched.rule, switched.strategy) == (rule.when, rule.use)
