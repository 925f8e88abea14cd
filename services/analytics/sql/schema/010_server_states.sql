-- 010_server_states: how far a server is back from an ejection, which service types it is out for,
-- and whether an operator drains it; empty where nothing was journalled since.
alter table ledger.servers add column state varchar default '';
alter table ledger.servers add column types_out varchar default '[]';
alter table ledger.servers add column draining boolean default false;
