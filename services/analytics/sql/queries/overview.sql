-- overview: calls of the last hour as clients saw them, and what of it an operator wants to see.
-- One row: `minute` and `hour` sum up the calls that came to an end in them, `by_minute` has those of
-- the hour a minute each, without those that have none; `tried` says of each server how often it was
-- tried in the hour, and its medians by five minutes, `slot` 0 being the latest; `used` are units of the pool's quota day by
-- service type, of accounts that have a session neither retired nor disabled; `errors` the last calls of a day that were answered one, the latest first. Times are
-- of leases that were answered. What a gateway refused itself is told within about a minute.
with moment as (select now, zone, day from today),
ends as (
    select ended_at as ts, 1 as calls, gone::int as gone, call_failed::int as failed,
        if(answered, total_ms, null) as ms
    from lease_facts
    where call and ended_at > (select now - interval 1 hour from moment)
    union all
    select ts, "count", 0, "count", null from ledger.refusals
    where ts > (select now - interval 1 hour from moment)
    union all
    select until, "count", 0, "count", null from ledger.calls_refused
    where until > (select now - interval 1 hour from moment)
),
spans as (
    select span, coalesce(whole(sum(calls)), 0) as calls, coalesce(whole(sum(failed)), 0) as failed,
        coalesce(whole(sum(gone)), 0) as gone, sum(calls) / any_value(seconds) as per_s,
        sum(failed) / nullif(sum(calls - gone), 0) as failure_rate,
        quantile_cont(ms, 0.5) as latency_p50_ms, quantile_cont(ms, 0.95) as latency_p95_ms
    from (values ('minute', 60, interval 1 minute), ('hour', 3600, interval 1 hour))
        as lengths(span, seconds, length)
    left join ends on ends.ts > (select now from moment) - length
    group by span
),
minutes as (
    select date_trunc('minute', ts) as ts, whole(sum(calls)) as calls, whole(sum(failed)) as failed,
        quantile_cont(ms, 0.5) as latency_p50_ms, quantile_cont(ms, 0.95) as latency_p95_ms
    from ends where ts is not null group by all
),
hour_of_attempts as (
    select server_id, if(sent, total_ms, null) as ms,
        least(11, whole(floor(epoch((select now from moment) - ts) / 300))) as slot
    from ledger.attempts where ts > (select now - interval 1 hour from moment)
),
slots as (
    select server_id, slot, quantile_cont(ms, 0.5) as latency_p50_ms from hour_of_attempts group by all
),
trails as (select server_id, list({'slot': slot, 'latency_p50_ms': latency_p50_ms} order by slot) as trail from slots group by all),
tried as (
    select server_id, whole(count(*)) as attempts, quantile_cont(ms, 0.5) as latency_p50_ms,
        any_value(trail) as trail
    from hour_of_attempts join trails using (server_id) group by all
),
in_service as (
    select coalesce(nullif(account, ''), session_id) as account
    from ledger.sessions where status not in ('retired', 'disabled')
),
used as (
    select service_type, whole(sum(units_used)) as units
    from usage_by_day left join ledger.sessions as session using (session_id)
    where quota_day = (select day from moment)
        and coalesce(nullif(session.account, ''), session_id) in (from in_service)
    group by all
),
failed as (
    select request_id, ended_at as ts, coalesce(nullif(error, ''), outcome) as code, status, error_message as message,
        service as service_type, key as key_id
    from lease_facts
    where call_failed and ended_at > (select now - interval 1 day from moment)
    union all
    select request_id, ts, reason, refusal_status(reason), '', service_type, key_id
    from ledger.refusals
    where "count" = 1 and ts > (select now - interval 1 day from moment)
),
latest as (
    select failed.*, coalesce(keys.name, '') as key_name
    from (from failed order by ts desc, request_id desc limit 20) as failed
    left join ledger.keys as keys using (key_id)
)
select moment.now, moment.zone, moment.day,
    (select spans from spans where span = 'minute') as minute,
    (select spans from spans where span = 'hour') as hour,
    (select list(minutes order by ts) from minutes) as by_minute,
    (select list(tried order by server_id) from tried) as tried,
    (select list(used order by service_type) from used) as used,
    (select list(latest order by ts desc, request_id desc) from latest) as errors
from moment
