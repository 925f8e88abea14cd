-- session_stats: used units and the leases that used them, per quota day and service type.
-- Used units count against the quota: settled, unknown and expired ones, after corrections.
-- $session_id (text): whose.
-- $days (integer = 7): quota days, today's included.
select quota_day as date, service_type, whole(units_used) as units, charged as requests
from usage_by_day
where session_id = $session_id and units_used > 0
    and quota_day > (select day from today) - $days and quota_day <= (select day from today)
order by date, service_type
