-- 005_wide_numbers: rows hold every number that a log may hold, sums of units any sum of them.
-- Older logs have units, priorities and limits that nobody bounded; `reason` of an anomaly says why
-- an event was set aside.
alter table ledger.anomalies add column reason varchar default '';
alter table ledger.requests alter column number type bigint;
alter table ledger.requests alter column units type bigint;
alter table ledger.leases alter column number type bigint;
alter table ledger.leases alter column units_reserved type bigint;
alter table ledger.leases alter column units_settled type bigint;
alter table ledger.leases alter column units_unknown type bigint;
alter table ledger.leases alter column units_expired type bigint;
alter table ledger.leases alter column units_over type bigint;
alter table ledger.leases alter column status type bigint;
alter table ledger.open_leases alter column number type bigint;
alter table ledger.open_leases alter column units_reserved type bigint;
alter table ledger.open_leases alter column units_settled type bigint;
alter table ledger.open_leases alter column units_unknown type bigint;
alter table ledger.open_leases alter column units_expired type bigint;
alter table ledger.open_leases alter column units_over type bigint;
alter table ledger.open_leases alter column status type bigint;
alter table ledger.attempts alter column status type bigint;
alter table ledger.refusals alter column number type bigint;
alter table ledger.refusals alter column units type bigint;
alter table ledger.servers alter column priority type bigint;
alter table ledger.servers alter column weight type bigint;
alter table ledger.servers alter column sessions_max type bigint;
alter table ledger.keys alter column requests_per_minute type bigint;
alter table ledger.keys alter column concurrency type bigint;
alter table ledger.usage_by_day alter column units_reserved type hugeint;
alter table ledger.usage_by_day alter column units_settled type hugeint;
alter table ledger.usage_by_day alter column units_unknown type hugeint;
alter table ledger.usage_by_day alter column units_expired type hugeint;
alter table ledger.usage_by_day alter column units_over type hugeint;
alter table ledger.days alter column refused type hugeint;
