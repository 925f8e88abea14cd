-- 014_session_label: what operators call a session; empty where they call it nothing.
alter table ledger.sessions add column label varchar default '';
