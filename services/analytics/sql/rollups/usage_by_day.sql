-- usage_by_day: leases and units per quota day, session and service type.
-- A lease whose deadline moved is taken away and added again: it leaves no trace.
insert into ledger.usage_by_day by name
select quota_day, session_id, service_type,
    sum(sign) as granted,
    sum(sign * (outcome = 'settled')::int) as settled,
    sum(sign * (outcome = 'released')::int) as released,
    sum(sign * (outcome = 'unknown')::int) as unknown,
    sum(sign * (outcome = 'cancelled')::int) as cancelled,
    sum(sign * (outcome = 'expired')::int) as expired,
    sum(sign * (correction = 'reconciled')::int) as reconciled,
    sum(sign * (units_settled + units_unknown + units_expired > 0)::int) as charged,
    sum(sign * units_reserved * (outcome = 'open')::int) as units_reserved,
    sum(sign * units_settled) as units_settled,
    sum(sign * units_unknown) as units_unknown,
    sum(sign * units_expired) as units_expired,
    sum(sign * units_over) as units_over
from changed
group by all
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
    units_over = units_over + excluded.units_over
