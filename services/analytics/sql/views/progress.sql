-- progress: how far the log is projected; below `anew_to` the figures are not whole.
select * from ledger.progress
