-- key_use: when each key was issued and last used, and what it did on the pool's quota day of today.
-- last_seen_at: when a call of it last asked for a lease, or was refused by a gateway.
with seen as (
    select key_id, max(asked_at) as seen_at from ledger.leases group by all
    union all
    select key_id, max(asked_at) from ledger.open_leases group by all
    union all
    select key_id, max(coalesce(until, asked_at)) from ledger.refusals group by all
    union all
    select key_id, max(until) from ledger.calls_refused group by all
),
last_seen as (select key_id, max(seen_at) as last_seen_at from seen group by all),
today_ended as (
    select key as key_id, whole(sum(calls)) as calls, whole(sum(failed)) as calls_failed
    from call_facts where day = (select day from today) group by all
),
today_used as (
    select key as key_id, whole(sum(units_used)) as units
    from lease_facts where day = (select day from today) group by all
)
select keys.key_id, issued_at, issued_by, last_seen_at, coalesce(calls, 0) as calls,
    coalesce(calls_failed, 0) as calls_failed, coalesce(units, 0) as units
from ledger.keys as keys
left join last_seen using (key_id)
left join today_ended using (key_id)
left join today_used using (key_id)
order by issued_at, keys.key_id
