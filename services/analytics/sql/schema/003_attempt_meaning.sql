-- 003_attempt_meaning: what an attempt's failure was taken for, the generator's own code that its
-- backend told, and what the server's dialect made of the request.
alter table ledger.attempts add column inner_code bigint;
alter table ledger.attempts add column meaning varchar;
alter table ledger.attempts add column translated varchar;
