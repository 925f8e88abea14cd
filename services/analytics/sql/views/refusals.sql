-- refusals: calls that got no lease, and why.
-- `count` > 1 stands for equal ones since `since`; 0: the same was told before.
select sequence || '.' || position as event_id, * from ledger.refusals
