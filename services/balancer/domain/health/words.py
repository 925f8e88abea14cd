"""A server's state and its reason, in words for people."""

from math import ceil
from typing import Literal

import msgspec

from contracts.balancer import Health, StateDetail
from contracts.base import Instant, ServiceType
from runtime.texts import count_phrase
from services.balancer.domain.fleet import Ejection, Member, Silence
from services.balancer.domain.health.outcomes import ALL
from services.balancer.domain.pacing import rest_reason, rest_s
from services.balancer.domain.standing import ServerStanding

StateName = Literal["up", "down", "ejected", "half_open", "slow_start", "silent", "draining"]
_MINUTE_S = 60.0
_HOUR_S = 3600.0


class StateWords(msgspec.Struct, frozen=True):
    """A state, and why it is so; no words where there is nothing to say."""

    state: StateName
    words: str = ""
    detail: StateDetail = StateDetail()
    """What the words are made of."""


def server_state(member: Member, standing: ServerStanding, now: Instant) -> StateWords:
    """Tell how a server is, whatever the service type."""
    if member.health is not Health.UP:
        detail = StateDetail(cause=member.reason, lasts_s=_age_s(member.health_at, now))
        return StateWords("down", f"down{_lasting(detail)}: {member.reason}", detail)
    if member.is_out(ALL):
        return _ejected(member.ejections[ALL], now)
    if member.silence is not None:
        return _silent(member.silence, now)
    if member.draining:
        open_now = standing.in_flight
        exchanges = "1 exchange" if open_now == 1 else f"{open_now or 'no'} exchanges"
        detail = StateDetail(lasts_s=_age_s(member.drained_at, now))
        return StateWords("draining", f"draining{_lasting(detail)}: {exchanges} still open", detail)
    coming_back = _return_state(member.ejections.get(ALL), ALL, standing, now)
    if coming_back is not None:
        return coming_back
    detail = StateDetail(failures=_failures(standing, ALL))
    return StateWords("up", _trouble_words(member, standing, now), detail)


def type_state(
    member: Member, standing: ServerStanding, service_type: ServiceType, now: Instant
) -> StateWords:
    """Tell how a server is for one service type, beside what holds for all."""
    ejection = member.ejections.get(service_type)
    if ejection is not None and ejection.state == "ejected":
        return _ejected(ejection, now)
    coming_back = _return_state(ejection, service_type, standing, now)
    if coming_back is not None:
        return coming_back
    failures = _failures(standing, service_type)
    failing = f"{count_phrase(failures, 'failure')} in a row" if failures else ""
    detail = StateDetail(failures=failures, rests_s=rest_s(standing, service_type, now))
    return StateWords("up", rest_reason(standing, service_type, now) or failing, detail)


def duration_words(seconds: float) -> str:
    """Word a duration, in the unit that fits."""
    if seconds < 2 * _MINUTE_S:
        return f"{max(0, ceil(seconds))} s"
    if seconds < 2 * _HOUR_S:
        return f"{round(seconds / _MINUTE_S)} min"
    return f"{round(seconds / _HOUR_S)} h"


def _age_s(since: Instant | None, now: Instant) -> float | None:
    return None if since is None else (now - since).total_seconds()


def _lasting(detail: StateDetail) -> str:
    return "" if detail.lasts_s is None else f" for {duration_words(detail.lasts_s)}"


def _failures(standing: ServerStanding, service_type: ServiceType) -> int:
    streak = standing.streaks.get(service_type)
    return 0 if streak is None else streak.failures


def _return_state(
    ejection: Ejection | None, service_type: ServiceType, standing: ServerStanding, now: Instant
) -> StateWords | None:
    """Tell how far it is back from an ejection; None when it is wholly back."""
    if ejection is None:
        return None
    match ejection.state_at(now):
        case "half_open":
            after = f" after: {ejection.reason}" if ejection.reason else ""
            detail = StateDetail(cause=ejection.reason, lasts_s=_age_s(ejection.since, now))
            return StateWords("half_open", f"half open, one call at a time{after}", detail)
        case "slow_start":
            share = ejection.warm_share(now)
            detail = StateDetail(share=share, lasts_s=_age_s(ejection.since, now))
            return StateWords("slow_start", f"starts slowly: {share:.0%}", detail)
    streak = standing.streaks.get(service_type)
    if streak is not None and streak.on_probation:
        words = "let in by probes; the first call shows whether it works"
        return StateWords("half_open", words, StateDetail(unproven=True))
    return None


def _ejected(ejection: Ejection, now: Instant) -> StateWords:
    age_s = _age_s(ejection.since, now)
    ago = "" if age_s is None else f" {duration_words(age_s)} ago"
    left_s = 0.0 if ejection.until is None else (ejection.until - now).total_seconds()
    back = f"back in {duration_words(left_s)}" if left_s > 0 else "back once it answers a probe"
    detail = StateDetail(cause=ejection.reason, lasts_s=age_s, back_in_s=max(0.0, left_s))
    return StateWords("ejected", f"ejected{ago}: {ejection.reason}, {back}", detail)


def _silent(silence: Silence, now: Instant) -> StateWords:
    waited_s = silence.waited_s + (_age_s(silence.since, now) or 0.0)
    name = silence.service_type or "call"
    words = f"silent: {name} has waited {duration_words(waited_s)}, and nothing else is answered"
    detail = StateDetail(lasts_s=waited_s, silent_to=silence.service_type)
    return StateWords("silent", words, detail)


def _trouble_words(member: Member, standing: ServerStanding, now: Instant) -> str:
    """Say what is wrong with a server that is up; empty when nothing is."""
    of_types = {
        name: type_state(member, standing, name, now) for name in member.ejections if name != ALL
    }
    words = [f"{name}: {state.words}" for name, state in of_types.items() if state.state != "up"]
    resting = {name: rest_reason(standing, name, now) for name in standing.paces}
    words += [f"{why} ({name})" for name, why in resting.items() if why]
    if ALL in standing.streaks:
        words.append(f"{count_phrase(_failures(standing, ALL), 'failure')} in a row")
    return "; ".join(words)
