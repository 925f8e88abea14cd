-- 012_key_weight: what share of turns a key gets among those whose requests wait for a session.
alter table ledger.keys add column weight bigint default 1;
