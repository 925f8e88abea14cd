-- 002_lease_server: region and strategy of a lease's last attempt stand beside its server.
alter table ledger.leases add column region varchar default '';
alter table ledger.leases add column strategy varchar default '';
alter table ledger.open_leases add column region varchar default '';
alter table ledger.open_leases add column strategy varchar default '';
update ledger.leases as lease set region = attempt.region, strategy = attempt.strategy
from ledger.attempts as attempt
where attempt.lease_id = lease.lease_id and attempt.attempt = lease.attempts;
