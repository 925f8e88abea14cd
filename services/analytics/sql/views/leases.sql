-- leases: one row per lease, open ones too, corrections applied (docs/explanation/leases.md).
-- units_used counts against the quota: settled, unknown and expired units.
select *, units_settled + units_unknown + units_expired as units_used from ledger.leases
union all by name
select *, 0 as units_used from ledger.open_leases
