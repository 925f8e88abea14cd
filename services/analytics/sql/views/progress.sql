-- progress: how far the log is projected.
select * from ledger.progress
