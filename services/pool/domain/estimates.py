"""When those who wait for a lease may have it, as far as can be told."""

from collections.abc import Hashable
from datetime import datetime
from itertools import islice
from math import ceil

from contracts.base import ServiceType
from contracts.pool import SessionStatus, Waiting
from services.pool.domain.leading.forecast import (
    AHEAD_MAX,
    FORECAST_FOR,
    PLAYED_MAX,
    Forecast,
    Running,
    play_forward,
)
from services.pool.domain.leading.line import Wait
from services.pool.domain.records import Session
from services.pool.domain.state import Pool

_ENDS_MIN = 10
"""Of so many ends of a type it can be told how long its exchanges last."""


_LOOKED_AT = 64
"""Sessions by which it is told whether types share theirs."""


def told_of(state: Pool, wait: Wait, now: datetime) -> Waiting:
    """Say where a request stands, and how long it will take as far as can be told."""
    position = state.line.position_of(wait, now)
    return Waiting(position=position, eta_s=_eta_s(state, wait, position, now))


def hope_at(state: Pool, service_type: ServiceType, units: int, now: datetime) -> datetime | None:
    """Tell the first known moment at which such a lease may come free; None: there is none.

    While a session has units that are not reserved, any exchange that ends makes one free, and
    that may be at any moment.
    """
    index = state.index_at(now)
    if state.growing:
        return now
    moments = [index.next_waking(), index.guard_ends_at()]
    if index.has_units(service_type, units):
        if state.opened:
            return now
    else:
        moments += [index.deadlines.earliest_of(service_type), index.next_reset()]
    return min((moment for moment in moments if moment is not None), default=None)


def _eta_s(state: Pool, wait: Wait, position: int, now: datetime) -> float | None:
    """Tell how long until its grant: when exchanges end, else when units come back.

    None: too few exchanges have ended to tell how long they last.
    """
    service_type, units = wait.requested.service_type, wait.requested.units
    index = state.index_at(now)
    if index.has_units(service_type, units):
        durations = state.line.durations.get(service_type, ())
        if len(durations) < _ENDS_MIN:
            return None
        forecast = state.line.forecasts.get(service_type)
        if forecast is None or not (
            forecast.made_at <= now < forecast.made_at + FORECAST_FOR
            and (forecast.complete or forecast.places_before(position) < len(forecast.moments))
        ):
            forecast = _forecast_of(state, service_type, units, now)
        if (seconds := forecast.seconds_until(position, now)) is not None:
            return round(seconds, 3)
        back = [index.next_reset()]
    else:
        back = [index.deadlines.earliest_of(service_type), index.next_reset()]
    soonest = min((moment for moment in back if moment is not None), default=None)
    return None if soonest is None else round(max(0.0, (soonest - now).total_seconds()), 3)


def _forecast_of(state: Pool, service_type: ServiceType, units: int, now: datetime) -> Forecast:
    """Play forward what keeps those sessions that can serve a type, and keep what comes of it."""
    index, line = state.index_at(now), state.line
    each = max(1, ceil(len(state.opened) / PLAYED_MAX))
    sorted_durations = {name: sorted(seconds) for name, seconds in line.durations.items()}
    durations = sorted_durations[service_type]
    left: dict[Hashable, int] = {}

    def serves(session: Session) -> bool:
        account = session.account
        if account not in left:
            left[account] = index.units_left_of(session, service_type)
        return left[account] >= units and session.lasting_status() is SessionStatus.ACTIVE

    running = [
        Running(
            account=lease.session.account,
            age_s=(now - lease.granted_at).total_seconds(),
            durations=sorted_durations.get(lease.service_type, durations),
        )
        for lease in islice(state.opened.values(), 0, None, each)
        if serves(lease.session)
    ]
    share = _share_of(state, service_type, now)
    recoveries = [
        ((wakes_at - now).total_seconds(), session.account)
        for session_id, wakes_at in index.wakes.items()
        if serves(session := state.sessions[session_id]) and not session.open_leases
    ]
    ahead = min(int(2 * line.lanes[service_type].waiting / share / each) + 64, AHEAD_MAX)
    moments, complete = play_forward(running, recoveries, durations, left, units, ahead)
    forecast = Forecast(now, moments, complete, each, share)
    line.forecasts = {name: kept for name, kept in line.forecasts.items() if name in line.lanes}
    line.forecasts[service_type] = forecast
    return forecast


def _share_of(state: Pool, service_type: ServiceType, now: datetime) -> float:
    """Tell which part of the places that could serve a type it gets: they take turns by keys.

    As far as the sessions at work have units of the other types that are waited for: some of them
    are looked at.
    """
    index, lanes = state.index_at(now), state.line.lanes
    if len(lanes) == 1:
        return 1.0
    sessions = [lease.session for lease in islice(state.opened.values(), _LOOKED_AT)]
    own = [one for one in sessions if index.units_left_of(one, service_type) > 0]
    turns = float(len(lanes[service_type].by_key)) or 1.0
    rivals = 0.0
    for name, others in lanes.items():
        if name != service_type and own:
            shared = sum(index.units_left_of(one, name) > 0 for one in own) / len(own)
            rivals += len(others.by_key) * shared
    return turns / (turns + rivals)
