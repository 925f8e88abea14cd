-- refusals: calls that got no lease, and why; `count` > 1 stands for equal ones of one second.
select sequence || '.' || position as event_id, * from ledger.refusals
