-- changed: what a batch adds to the leases (sign 1) and takes away from them (sign -1).
-- A rollup is the sum over lease rows; so its change is the sum over these.
create or replace temp table changed as
select quota_day::date as quota_day, session_id, service_type, outcome, correction,
    units_reserved, units_settled, units_unknown, units_expired, units_over, verdict, total_ms,
    server_id, granted_at, ended_sequence, sign
from (
    (select *, 1 as sign from batch_leases)
    union all by name
    (select *, 1 as sign from batch_open_leases)
    union all by name
    (select *, -1 as sign from ledger.open_leases where lease_id in (from gone_open_leases))
    union all by name
    (select *, -1 as sign from ledger.leases where lease_id in (from gone_leases))
)
