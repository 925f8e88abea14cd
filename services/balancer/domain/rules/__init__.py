"""Rules that switch strategies: `[[balancer.rules]]`, for one service type or for each of them.

conditions  how a rule is written, and when its measure speaks for it or against it
measures    what is measured of a service type, now
switching   which rule holds for which service type → events

Theory of operation. Each rule is, for each service type that it is of, at rest or holding:

    at rest -- its measure is beyond its bound for all of its span ----------------> holding
    holding -- its measure is well within (0.8 of the bound, 1.25 for `<`) as long --> at rest

Between the two bounds nothing changes, and without a measure (no call was made) neither. Of those
that hold for a service type the first of the file chooses. What chooses is in the log. Since when a
measure is beyond or within is not: a new leader counts anew, from the rule that the log has.
"""

from services.balancer.domain.rules.conditions import Condition, parse_condition
from services.balancer.domain.rules.measures import CallSamples
from services.balancer.domain.rules.switching import RuleWatch, switch_events

__all__ = ["CallSamples", "Condition", "RuleWatch", "parse_condition", "switch_events"]
