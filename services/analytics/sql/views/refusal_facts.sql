-- refusal_facts: calls that got no lease by the dimensions of statistics: no session, no server.
-- `count` > 1 stands for equal ones, 0 for what was told before; `error` is the reason.
select day,
    date_trunc('hour', ts) as hour,
    service_type as service,
    model,
    '' as session,
    '' as server,
    '' as region,
    key_id as key,
    refusal_status(reason) as status,
    'refused' as outcome,
    '' as verdict,
    reason as error,
    '' as strategy,
    0 as attempt,
    "count"
from ledger.refusals
