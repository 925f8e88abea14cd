-- 009_counted_until: when the last of the refusals was asked for that one event stands for.
alter table ledger.refusals add column until timestamp;
