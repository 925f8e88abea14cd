-- audit_rollups: days, sessions and types whose rollup is not the sum of its lease rows: none.
with counted as (
    select quota_day, session_id, service_type, count(*) as granted,
        count(*) filter (outcome = 'settled') as settled,
        count(*) filter (outcome = 'released') as released,
        count(*) filter (outcome = 'unknown') as unknown,
        count(*) filter (outcome = 'cancelled') as cancelled,
        count(*) filter (outcome = 'expired') as expired,
        coalesce(sum(units_reserved) filter (outcome = 'open'), 0) as units_reserved,
        sum(units_settled) as units_settled,
        sum(units_unknown) as units_unknown,
        sum(units_expired) as units_expired,
        count(*) filter (number = 1 and is_call(path)) as requests,
        count(*) filter (outcome = 'cancelled' and error_code <> '') as unserved,
        min(granted_at) as first_at,
        max(coalesce(corrected_at, ended_at, granted_at)) as last_at
    from leases
    group by all
),
summed as (
    select quota_day, session_id, service_type, granted, settled, released, unknown, cancelled,
        expired, units_reserved, units_settled, units_unknown, units_expired, requests, unserved,
        first_at, last_at
    from ledger.usage_by_day
)
select 'rows' as found_in, * from (from counted except from summed)
union all
select 'rollup' as found_in, * from (from summed except from counted)
order by quota_day, session_id, service_type, found_in
