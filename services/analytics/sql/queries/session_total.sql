-- session_total: one row: all requests of a session, the units it used, since when.
-- Used units count against the quota: settled, unknown and expired ones, after corrections.
-- $session_id (text): whose.
select whole(coalesce(sum(requests), 0)) as requests,
    whole(coalesce(sum(units_used), 0)) as units,
    min(quota_day) as first_date,
    max(quota_day) as last_date
from usage_by_day
where session_id = $session_id and (units_used > 0 or requests > 0)
