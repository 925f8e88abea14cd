"""Whether a server may be believed: probes, outcomes, silence → events; and how much it may carry.

Theory of operation. A server is up or down by its probes. Beside that, for all service types or
for one, it may be ejected, and comes back by steps (`fleet.ejection`). Beside both it may be
silent.

    down -- a good probe --> up -- `probe_failures` bad probes in a row, or `UNREACHABLE_MAX`
                                   connections that gateways could not make ------------> down
    up -- `consecutive_failures` in a row, or too many of the last `OUTCOMES_KEPT`,
          or the pool called several sessions' logins expired --------------------------> ejected
    up -- an exchange waits longer than `silence` allows, and no other ended -----------> silent

The states are the log's (`Member`), the counts the leader's own (`ServerStanding`). Whatever is
observed only counts; `due.health_due` says what differs from the log's last word, so that a change
which could not be journalled is decided again. What is counted before that holds at once: from the
first failure that costs a unit, a server may have only so many exchanges open as are missing from
its ejection (`restraint`), so that one which fails every call costs `consecutive_failures` units,
and what was sent before the first of them was in the log.

What is ugly: half open is a streak that is one failure short of an ejection. That makes it one call
at a time and one failure out again, without a rule of its own; but the log alone does not show it,
and whoever takes the lead derives it (`ServerStanding.on_ejection`).

probing    probes, and connections that could not be made: up or down
outcomes   streaks and recent outcomes of a server
ejecting   whom these put out, and for how long
returning  half open, readmission, and who is let in because nobody else is left
silence    who is not heard, though something should be
words      a server's state and its reason, for people
restraint  how many more exchanges a server may take now
due        all of these: what is to be journalled
"""

from services.balancer.domain.health.due import HealthEvent, health_due
from services.balancer.domain.health.probing import take_failure, take_probe
from services.balancer.domain.health.restraint import restraint, warm_up
from services.balancer.domain.health.returning import awaited_probes
from services.balancer.domain.health.silence import silence_events

__all__ = [
    "HealthEvent",
    "awaited_probes",
    "health_due",
    "restraint",
    "silence_events",
    "take_failure",
    "take_probe",
    "warm_up",
]
