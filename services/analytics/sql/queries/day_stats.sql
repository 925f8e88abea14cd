-- day_stats: a quota day, one row per service type (0 when unused); active_sessions in each row.
-- Units are used ones: settled, unknown and expired, after corrections; requests are the leases
-- that used them; active sessions are those with a used unit of any service type.
-- $date (date): the quota day.
with used as (from usage_by_day where quota_day = $date and units_used > 0)
select $date as date,
    (select count(distinct session_id) from used) as active_sessions,
    service_type,
    whole(coalesce(sum(units_used), 0)) as units,
    whole(coalesce(sum(charged), 0)) as requests
from service_types
left join used using (service_type)
group by service_type
order by service_type
