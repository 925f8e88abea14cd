-- session_usage: the original's table: used units per session, quota day and service type.
-- Used units count against the quota: settled, unknown and expired ones, after corrections.
select strftime(quota_day, '%Y-%m-%d') || '/' || session_id || '/' || service_type as id,
    session_id,
    quota_day as date,
    service_type,
    whole(units_used) as usage_count,
    json_object('settled', units_settled, 'unknown', units_unknown, 'expired', units_expired)
        as metadata,
    quota_day::timestamp as created_at,
    (select written_at from ledger.progress) as updated_at,
    charged as request_count
from usage_by_day
where units_used > 0
