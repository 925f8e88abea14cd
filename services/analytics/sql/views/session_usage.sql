-- session_usage: the original's table: used units per session, quota day and service type.
-- Used units count against the quota: settled, unknown and expired ones, after corrections;
-- request_count is of leases that used them. created_at: when the day's first lease was granted;
-- updated_at: when the last one was granted, ended or was corrected.
select strftime(quota_day, '%Y-%m-%d') || '/' || session_id || '/' || service_type as id,
    session_id,
    quota_day as date,
    service_type,
    whole(units_used) as usage_count,
    json_object('settled', units_settled, 'unknown', units_unknown, 'expired', units_expired)
        as metadata,
    first_at as created_at,
    last_at as updated_at,
    charged as request_count
from usage_by_day
where units_used > 0
