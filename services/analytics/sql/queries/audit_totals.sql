-- audit_totals: what audit compares with the fold: units and leases by day, session and type.
-- used = settled + unknown + expired units, after corrections; a reconciled unit is settled.
-- Pages: give the last row's `page_key` as $after until fewer than $limit rows come.
-- $after (text = ): page_key of the last row seen.
-- $limit (integer = 5000): rows of a page.
select quota_day, session_id, service_type,
    units_used as used,
    units_settled as settled,
    units_unknown as unknown,
    units_expired as expired,
    units_reserved as reserved,
    granted as leases_granted,
    granted - settled - released - unknown - cancelled - expired as leases_open,
    usage.settled as leases_settled,
    usage.released as leases_released,
    usage.unknown as leases_unknown,
    usage.cancelled as leases_cancelled,
    usage.expired as leases_expired,
    usage.reconciled as leases_reconciled,
    strftime(quota_day, '%Y-%m-%d') || '/' || session_id || '/' || service_type as page_key
from usage_by_day as usage
where strftime(quota_day, '%Y-%m-%d') || '/' || session_id || '/' || service_type > $after
order by page_key
limit $limit
