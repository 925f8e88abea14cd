-- refusals: calls that got no lease, and why; `status` is what the client was given for it.
-- `ledger_unavailable`: its gateway gave up waiting for the pool.
-- `count` > 1 stands for equal ones since `since`; 0: the same was told before.
select sequence || '.' || position as event_id, *, refusal_status(reason) as status
from ledger.refusals
