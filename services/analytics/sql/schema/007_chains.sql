-- 007_chains: the number of each subject's last envelope: one that repeats a number is a stray.
create table ledger.chains (subject varchar primary key, number bigint not null);
