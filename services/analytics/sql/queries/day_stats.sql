-- day_stats: a quota day, one row per service type (0 when unused); active_sessions in each row.
-- Units are used ones: settled, unknown and expired, after corrections; requests are calls that got
-- a lease, each once, at its first; active sessions are those with a used unit of any service type.
-- $date (date): the quota day.
with used as (from usage_by_day where quota_day = $date)
select $date as date,
    (select count(distinct session_id) from used where units_used > 0) as active_sessions,
    service_type,
    whole(coalesce(sum(units_used), 0)) as units,
    whole(coalesce(sum(requests), 0)) as requests
from service_types
left join used using (service_type)
group by service_type
order by service_type
