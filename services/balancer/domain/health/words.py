"""A server's state and its reason, in words for people."""

from math import ceil
from typing import Literal

import msgspec

from contracts.balancer import Health
from contracts.base import Instant, ServiceType
from runtime.texts import count_phrase
from services.balancer.domain.fleet import Ejection, Member
from services.balancer.domain.health.outcomes import ALL
from services.balancer.domain.pacing import rest_reason
from services.balancer.domain.standing import ServerStanding

StateName = Literal["up", "down", "ejected", "half_open", "slow_start", "silent", "draining"]
_MINUTE_S = 60.0
_HOUR_S = 3600.0


class StateWords(msgspec.Struct, frozen=True):
    """A state, and why it is so; no words where there is nothing to say."""

    state: StateName
    words: str = ""


def server_state(member: Member, standing: ServerStanding, now: Instant) -> StateWords:
    """Tell how a server is, whatever the service type."""
    if member.health is not Health.UP:
        return StateWords("down", f"down{_lasting(member.health_at, now)}: {member.reason}")
    if member.is_out(ALL):
        return StateWords("ejected", _ejection_words(member.ejections[ALL], now))
    if member.silence is not None:
        return StateWords("silent", _silence_words(member, now))
    if member.draining:
        open_now = standing.in_flight
        exchanges = "1 exchange" if open_now == 1 else f"{open_now or 'no'} exchanges"
        lasting = _lasting(member.drained_at, now)
        return StateWords("draining", f"draining{lasting}: {exchanges} still open")
    coming_back = _return_state(member.ejections.get(ALL), ALL, standing, now)
    if coming_back is not None:
        return coming_back
    return StateWords("up", _trouble_words(member, standing, now))


def type_state(
    member: Member, standing: ServerStanding, service_type: ServiceType, now: Instant
) -> StateWords:
    """Tell how a server is for one service type, beside what holds for all."""
    ejection = member.ejections.get(service_type)
    if ejection is not None and ejection.state == "ejected":
        return StateWords("ejected", _ejection_words(ejection, now))
    coming_back = _return_state(ejection, service_type, standing, now)
    if coming_back is not None:
        return coming_back
    streak = standing.streaks.get(service_type)
    failing = "" if streak is None else f"{count_phrase(streak.failures, 'failure')} in a row"
    return StateWords("up", rest_reason(standing, service_type, now) or failing)


def duration_words(seconds: float) -> str:
    """Word a duration, in the unit that fits."""
    if seconds < 2 * _MINUTE_S:
        return f"{max(0, ceil(seconds))} s"
    if seconds < 2 * _HOUR_S:
        return f"{round(seconds / _MINUTE_S)} min"
    return f"{round(seconds / _HOUR_S)} h"


def _lasting(since: Instant | None, now: Instant) -> str:
    return "" if since is None else f" for {duration_words((now - since).total_seconds())}"


def _return_state(
    ejection: Ejection | None, service_type: ServiceType, standing: ServerStanding, now: Instant
) -> StateWords | None:
    """Tell how far it is back from an ejection; None when it is wholly back."""
    if ejection is None:
        return None
    match ejection.state_at(now):
        case "half_open":
            after = f" after: {ejection.reason}" if ejection.reason else ""
            return StateWords("half_open", f"half open, one call at a time{after}")
        case "slow_start":
            return StateWords("slow_start", f"starts slowly: {ejection.warm_share(now):.0%}")
    streak = standing.streaks.get(service_type)
    if streak is not None and streak.on_probation:
        return StateWords("half_open", "let in by probes; the first call shows whether it works")
    return None


def _ejection_words(ejection: Ejection, now: Instant) -> str:
    ago = (
        ""
        if ejection.since is None
        else f" {duration_words((now - ejection.since).total_seconds())} ago"
    )
    left_s = 0.0 if ejection.until is None else (ejection.until - now).total_seconds()
    back = f"back in {duration_words(left_s)}" if left_s > 0 else "back once it answers a probe"
    return f"ejected{ago}: {ejection.reason}, {back}"


def _silence_words(member: Member, now: Instant) -> str:
    silence = member.silence
    assert silence is not None
    waited_s = silence.waited_s
    if silence.since is not None:
        waited_s += (now - silence.since).total_seconds()
    name = silence.service_type or "call"
    return f"silent: {name} has waited {duration_words(waited_s)}, and nothing else is answered"


def _trouble_words(member: Member, standing: ServerStanding, now: Instant) -> str:
    """Say what is wrong with a server that is up; empty when nothing is."""
    of_types = {
        name: type_state(member, standing, name, now) for name in member.ejections if name != ALL
    }
    words = [f"{name}: {state.words}" for name, state in of_types.items() if state.state != "up"]
    resting = {name: rest_reason(standing, name, now) for name in standing.paces}
    words += [f"{why} ({name})" for name, why in resting.items() if why]
    streak = standing.streaks.get(ALL)
    if streak is not None:
        words.append(f"{count_phrase(streak.failures, 'failure')} in a row")
    return "; ".join(words)
