-- service_types: those of the policy, and those that were ever used.
select key[13:] as service_type from ledger.config where starts_with(key, 'daily_limit.')
union
select service_type from ledger.usage_by_day
