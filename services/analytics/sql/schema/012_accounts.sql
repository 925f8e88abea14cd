-- 012_accounts: the account that a session uses with others, empty for its own, and its tier.
alter table ledger.sessions add column account varchar default '';
alter table ledger.sessions add column tier varchar default '';
