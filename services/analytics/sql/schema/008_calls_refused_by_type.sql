-- 008_calls_refused_by_type: what a gateway refused itself is counted by service type, too; it is
-- empty in counts of earlier versions, and where nobody had read as far.
alter table ledger.calls_refused add column service_type varchar default '';
