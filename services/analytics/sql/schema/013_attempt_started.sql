-- 013_attempt_started: when an attempt began, in ms since its request first asked for a lease; 0 in
-- attempts of earlier versions.
alter table ledger.attempts add column started_ms double default 0;
