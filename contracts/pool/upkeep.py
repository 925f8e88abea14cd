"""Events about how the pool keeps itself filled."""

from contracts.base import Count, Event, Instant


class GrowthHeld(Event, frozen=True, kw_only=True, tag="growth_held"):
    """The pool lacks sessions and asks its provisioner for none, until `GrowthResumed`.

    `logins_refused`: every session is suspect or disabled; `new_ones_bad`: so are more than half
    of those that joined in the last hour; `day_used_up`: `max_size` were added on this day.
    """

    reason: str
    wanted: Count = 0
    """How many it would have asked for."""
    until: Instant | None = None
    """When it ends by itself, where that is known."""


class GrowthResumed(Event, frozen=True, kw_only=True, tag="growth_resumed"):
    """What held growth is over, or nothing is lacking any more."""

    reason: str
    """Why it was held."""
