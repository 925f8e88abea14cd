-- usage_by_day: leases and units per quota day, session and service type; a rollup.
-- units_used counts against the quota: settled, unknown and expired units, after corrections.
select *, units_settled + units_unknown + units_expired as units_used from ledger.usage_by_day
