-- daily: every quota day on which units were used, one row per service type (0 when unused).
-- Units are used ones: settled, unknown and expired, after corrections; requests are calls that got
-- a lease, each once, at its first; active sessions are those with a used unit of any service type.
-- $start, $end (date): quota days, both included.
with used as (from usage_by_day where quota_day between $start and $end),
days as (
    select quota_day, count(distinct session_id) as active_sessions
    from used where units_used > 0 group by all
)
select quota_day as date,
    active_sessions,
    service_type,
    whole(coalesce(sum(units_used), 0)) as units,
    whole(coalesce(sum(requests), 0)) as requests
from days
cross join service_types
left join used using (quota_day, service_type)
group by all
order by date, service_type
