-- usage_by_day: leases and units per quota day, session and service type.
insert into ledger.usage_by_day by name
select quota_day, session_id, service_type, granted, settled, released, unknown, cancelled,
    expired, reconciled, charged, units_reserved, units_settled, units_unknown, units_expired,
    units_over, requests, unserved, first_at, last_at
from changed
on conflict (quota_day, session_id, service_type) do update set
    granted = granted + excluded.granted,
    settled = settled + excluded.settled,
    released = released + excluded.released,
    unknown = unknown + excluded.unknown,
    cancelled = cancelled + excluded.cancelled,
    expired = expired + excluded.expired,
    reconciled = reconciled + excluded.reconciled,
    charged = charged + excluded.charged,
    units_reserved = units_reserved + excluded.units_reserved,
    units_settled = units_settled + excluded.units_settled,
    units_unknown = units_unknown + excluded.units_unknown,
    units_expired = units_expired + excluded.units_expired,
    units_over = units_over + excluded.units_over,
    requests = requests + excluded.requests,
    unserved = unserved + excluded.unserved,
    first_at = least(first_at, excluded.first_at),
    last_at = greatest(last_at, excluded.last_at)
