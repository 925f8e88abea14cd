-- explain_counted: refusals that were only counted, and were being counted at a moment.
-- A call refused so has no trace of its own; its id tells when it came (UUIDv7), which is never after
-- the last that was counted. Of a pool's refusals `code` is the reason. Where an earlier version did
-- not say when the last one came, it is when the count was told; clocks may differ by seconds.
-- $at (text): the moment, in UTC, such as 2026-01-31T12:00:00.
with asked as (select try_cast($at as timestamp) as moment),
told as (
    select 'pool' as refused_by, key_id, service_type, reason as code,
        refusal_status(reason) as status, "count" as calls,
        coalesce(since, ts - interval 1 second) as since, coalesce(until, ts) as until,
        coalesce(until, ts + interval 2 second) as latest,
        sequence || '.' || position as event_id
    from ledger.refusals where "count" > 1 or since is not null
    union all
    select 'gateway', key_id, service_type, code, status, "count", since, until, until,
        sequence || '.' || position
    from ledger.calls_refused where "count" > 0
)
select refused_by, told.key_id, coalesce(known.name, '') as key_name, service_type, code, status,
    calls, since, until, event_id
from told
join asked on moment between since - interval 2 second and latest
left join ledger.keys as known on known.key_id = told.key_id
order by since, event_id
limit 100
