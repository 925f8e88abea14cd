-- call_facts: ends of clients' calls by the dimensions of statistics, `calls` of them in a row:
-- leases that were the last of their call, refusals of a lease, and what gateways refused
-- themselves. `gone`: the client had left; `failed`: it was answered an error, a broken answer, or
-- nothing at all. Calls without a known key are in no log.
select day, hour, service, model, session, server, region, key, status, outcome, verdict, error,
    strategy, attempt, 1 as calls, gone::int as gone, call_failed::int as failed
from lease_facts where call
union all by name
select * exclude ("count"), "count" as calls, 0 as gone, "count" as failed from refusal_facts
union all by name
select day, date_trunc('hour', since) as hour, service_type as service, '' as model, '' as session,
    '' as server, '' as region, key_id as key, status, 'refused' as outcome, '' as verdict,
    code as error, '' as strategy, 0 as attempt, "count" as calls, 0 as gone, "count" as failed
from ledger.calls_refused
