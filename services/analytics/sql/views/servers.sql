-- servers: those configured, or that once were, as their last event left them; `dialect` is what
-- each understands. A slow start is over by the clock. `condition` is how a server is: up, down,
-- ejected, half_open, slow_start, silent, draining, removed, or `ejected for` the service types that
-- it is ejected for alone; `why` says since when and why, in words.
with moment as (select now from today),
server as (
    select row.* replace (case
            when state = 'slow_start' and coalesce(warm_until <= now, true) then ''
            when state in ('', 'slow_start') and silent_at is not null then 'silent'
            else state
        end as state),
        now,
        from_json(type_states, '[{"service_type": "VARCHAR", "state": "VARCHAR",
            "reason": "VARCHAR", "since": "BIGINT", "until": "BIGINT"}]') as types
    from ledger.servers as row, moment
),
told as (
    select server.*,
        removed_at is null and health = 'up' and state not in ('ejected', 'silent')
            and coalesce(ejected_until <= now, true) as healthy,
        array_to_string([
            one.service_type || ': ' || return_words(one.state, one.reason,
                make_timestamp(one.since), make_timestamp(one.until), now)
            for one in types if one.state <> 'slow_start' or make_timestamp(one.until) > now
        ], '; ') as type_words
    from server
)
select told.* exclude (now, types, type_words),
    case
        when removed_at is not null then 'removed'
        when health <> 'up' then health
        when state in ('ejected', 'silent') then state
        when draining then 'draining'
        when state <> '' then state
        when types_out <> '[]' then 'ejected for ' || types_out
        else health
    end as condition,
    case condition
        when 'removed' then ''
        when '' then 'not probed yet'
        when 'down' then 'down' || coalesce(' for ' || duration_words(epoch(now - health_at)), '')
            || ': ' || reason
        when 'silent' then 'silent'
            || coalesce(' for ' || duration_words(epoch(now - silent_at)), '')
            || coalesce(': ' || nullif(silent_why, '') || ', and nothing else was answered', '')
        when 'draining' then 'draining'
            || coalesce(' for ' || duration_words(epoch(now - drained_at)), '')
            || ': an operator drained it'
        when 'ejected' then return_words(state, coalesce(nullif(state_reason, ''), reason), state_at,
            ejected_until, now)
        when 'half_open' then return_words(state, state_reason, state_at, ejected_until, now)
        when 'slow_start' then return_words(state, '', state_at, warm_until, now)
        else type_words
    end as why
from told
