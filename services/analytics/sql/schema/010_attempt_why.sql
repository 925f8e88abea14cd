-- 010_attempt_why: which region was wanted for an attempt and which was taken, where that chose.
alter table ledger.attempts add column why varchar;
