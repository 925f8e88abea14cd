-- 015_server_conditions: since when a server is how it is, until when and why, so that a report can
-- say it in words, and so that a slow start ends; unknown of what happened before.
alter table ledger.servers add column state_at timestamp;
alter table ledger.servers add column state_reason varchar default '';
alter table ledger.servers add column warm_until timestamp;
alter table ledger.servers add column health_at timestamp;
alter table ledger.servers add column silent_at timestamp;
alter table ledger.servers add column silent_why varchar default '';
alter table ledger.servers add column drained_at timestamp;
alter table ledger.servers add column type_states varchar default '[]';
