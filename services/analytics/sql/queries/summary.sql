-- summary: the last quota days together, one row per service type (0 when unused).
-- Units are used ones: settled, unknown and expired, after corrections; requests are calls that got
-- a lease, each once, at its first; active sessions, equal in each row, used a unit of any type.
-- $days (integer = 7): quota days, today's included.
with used as (
    from usage_by_day
    where quota_day > (select day from today) - $days
        and quota_day <= (select day from today)
)
select (select count(distinct session_id) from used where units_used > 0) as active_sessions,
    service_type,
    whole(coalesce(sum(units_used), 0)) as units,
    whole(coalesce(sum(requests), 0)) as requests
from service_types
left join used using (service_type)
group by service_type
order by service_type
