-- report_unknown: units that nobody knows the fate of: the 50 oldest leases to reconcile.
-- section 100 table: Unknown outcomes still open
-- `tidegate leases reconcile` settles one; its units stay used until then.
-- $since, $until (date): quota days, the second one excluded.
select lease_id, quota_day, service_type as service, session_id as session,
    (select label from ledger.sessions as named where named.session_id = lease.session_id) as label,
    server_id as server,
    outcome, units_unknown + units_expired as units_in_doubt, ended_at,
    count(*) over () as of_so_many
from ledger.leases as lease
where outcome in ('unknown', 'expired') and correction <> 'reconciled'
    and quota_day < $until and $since is not null
order by ended_at, lease_id
limit 50
