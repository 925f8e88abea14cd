-- session_total: one row: all leases of a session that used units, those units, since when.
-- Used units count against the quota: settled, unknown and expired ones, after corrections.
-- $session_id (text): whose.
select whole(coalesce(sum(charged), 0)) as requests,
    whole(coalesce(sum(units_used), 0)) as units,
    min(quota_day) as first_date,
    max(quota_day) as last_date
from usage_by_day
where session_id = $session_id and units_used > 0
